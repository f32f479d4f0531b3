"""The screens: widgets and layout joined to view-models, nothing else."""
