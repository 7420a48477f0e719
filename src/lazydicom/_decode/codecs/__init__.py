"""One file per codec family.

A codec is no reader: it gets the whole codestream of one frame.

For others: `jpeg.decode_jpeg`, `jpeg_2000.decode_jpeg_2000`, `jpeg_ls.decode_jpeg_ls`,
`rle.decode_rle`.
Read `jpeg_ls.py` first.
"""
