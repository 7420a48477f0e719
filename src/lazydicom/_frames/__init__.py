"""Where frames lie, and reading their bytes.

It is not decoding: what comes out is encoded as it is in the file.

For others: `index.FrameIndex`, `reader.FrameReader`, `native.native_index`,
`fragment_reader.open_fragments`, `partial_reader.open_partial`.
Read `index.py` first.
"""
