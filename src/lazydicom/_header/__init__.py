"""The data set before the pixels (PS3.5, PS3.10).

A header is not a parsed copy of the file: it knows where each top-level element lies.

For others: `header.read_header`, `header.Header`, `image_pixel.ImagePixel`,
`transfer_syntax.TRANSFER_SYNTAXES`, `attributes.FRAME_ATTRIBUTES`.
Read `header.py` first.
"""
