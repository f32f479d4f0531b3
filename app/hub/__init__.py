"""All that speaks to the model hub, as a process of its own: ``python -m app.hub``. Messages: ``app.hub_protocol``."""
