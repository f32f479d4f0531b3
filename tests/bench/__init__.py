"""What Atelier adds on top of what it stands on, measured side by side: ``python -m tests.bench``. Not in the tests.

Every claim is a ratio of two things timed in the same run on the same machine, so that a slow or busy machine slows
both. Absolute times are printed beside it to understand a ratio, not to be quoted.
"""
