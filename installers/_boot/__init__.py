"""The bootstrap's parts. Standard library only: they run before anything is installed."""
