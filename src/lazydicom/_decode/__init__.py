"""From the bytes of a frame to its stored values; nothing here knows of files."""
