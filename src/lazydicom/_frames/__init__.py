"""Where frames lie, and reading their bytes."""
