"""One file per codec family."""
