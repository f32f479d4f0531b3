"""What each part of the window shows, in words and tones, and the commands it offers. No widgets here."""
