"""Files of this machine: read by position, each read with a handle of its own.

Nothing here keeps a file open, or maps it, unless the caller asks for that.

For others: `source.open_local`, `source.LocalSource`, `mapped.map_file`, `shared.share`.
Read `source.py` first.
"""
