"""The data set before the pixels (PS3.5, PS3.10)."""
