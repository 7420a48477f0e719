"""From the bytes of one frame to its stored values.

This room knows how frames are encoded: native words, codestreams, colour, signs. It is not a
place for files, offsets or offset tables: bytes come in, an array is filled.

What others use: `frame.decode_frame` decodes any frame, `format.FrameFormat` says how frames
are encoded, `native.finish_in_place` mends native words that were read into place,
`codestream_marks` tells which fragments are a codestream, `frame.decoder_elsewhere` who else
gives our values.

Read `frame.py` first, then `codec.py`.
"""
