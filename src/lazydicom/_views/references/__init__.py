"""Arrays as byte ranges of their files."""
