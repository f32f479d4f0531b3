"""What can be run: the box contract, cards, engine messages (light) and the worker that runs them (heavy).

Nothing here imports ``app`` or ``ui``. Only ``models.runners``, ``models.worker`` and ``models.pocket`` may import
torch.
"""
