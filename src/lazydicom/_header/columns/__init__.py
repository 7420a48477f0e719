"""Attributes of many frames or files as columns, without a Dataset for each."""
