"""Getting Atelier onto a machine: the bootstrap, and the native installers beside it."""
