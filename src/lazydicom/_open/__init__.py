"""The public functions that open."""
