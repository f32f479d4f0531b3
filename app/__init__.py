"""What the program does: settings, queue, library, engine client, command line. No Qt and no tensors in here."""
