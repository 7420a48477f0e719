"""Where frames lie, and reading their bytes.

It is not decoding: what comes out is encoded as it is in the file. A reader has a length, a
version, `spans(frames)` and `read(frames)`; all else follows from its spans and its source.

For others: `index.FrameIndex`, `index.FrameReader`, the functions in `reader`,
`index.native_index`, `partial_reader.open_encapsulated`.
Read `index.py` first, then `reader.py`.
"""
