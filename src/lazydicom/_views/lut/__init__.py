"""What stored values mean."""
