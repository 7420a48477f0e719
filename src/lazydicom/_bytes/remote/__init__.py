"""Byte ranges over a network, each response checked.

Nothing here is asked by name from another room: `_bytes.open` and `_bytes.listing` come
here for a URL.

For others: `source.open_remote`, `folder.find_files`, `folder.is_folder`.
Read `source.py` first.
"""
