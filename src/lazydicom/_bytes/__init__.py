"""Bytes by range: local files, what fsspec opens, zip members, deflated files.

A source is not a file object: it has no cursor and no lock, and it knows nothing of
pixels.

For others: `open.open_source`, `source.ByteSource`, `source.ByteRange`,
`location.Location`, `ranges.read_many`, `listing.Urls`.
Read `source.py` first.
"""
