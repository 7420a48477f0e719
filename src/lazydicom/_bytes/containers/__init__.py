"""Files inside files: members of zip and tar archives, and what gzip packed.

A container reads its directory once, and opens a member by its place in it. The name of a
member is data: it is shown, and never taken for a path or a URL.

For others: `zip.read_zip`, `slice.SliceSource`.
Read `zip.py` first.
"""
