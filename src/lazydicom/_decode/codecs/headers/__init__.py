"""What a codestream says of itself: its own header, read in a few bytes.

These functions read markers and boxes. They compare nothing and decode nothing: that is for
the codec families of `_decode.codecs`.

For others: `jpeg.read_jpeg_header`, `jpeg_2000.read_jpeg_2000_header`,
`jpeg_xl.read_jpeg_xl_header`.
Read `jpeg.py` first.
"""
