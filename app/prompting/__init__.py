"""What is done with words before a job is queued: wildcards, alternatives, styles, presets, history, counting tokens.

No Qt, nothing heavy. ``service`` joins the parts; texts are only ever given and taken, so that any room may ask.
"""
