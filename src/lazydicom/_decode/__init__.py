"""From the bytes of a frame to its stored values.

Nothing here knows of files, frames before or after, or look-up tables.

For others: `frame.decode_frame`, `format.FrameFormat`, `preflight.check_codestream`,
`samples.decode_samples`.
Read `frame.py` first.
"""
