"""Applications that show the extension at work."""
