"""What people see: Qt widgets, view-models, theme. Imports the core, never torch."""
