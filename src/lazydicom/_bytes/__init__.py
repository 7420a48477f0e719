"""Bytes by range: local files, what fsspec opens, zip members, deflated files."""
