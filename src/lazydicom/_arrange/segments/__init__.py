"""Segmentations: which segment and which plane each frame is of (PS3.3 section C.8.20).

`description` reads what the segments are, `planes` where frames lie, `grid` puts both
together, and `like` lays the result on the voxels of another array. No pixel is read, and
no image resampled: what does not fit is an error that says by how many mm.

For others: `grid.arrange_segments`, `description.Segment`, `description.read_segments`,
`like.lay_on`.
Read `grid.py` first.
"""
