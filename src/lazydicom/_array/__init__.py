"""Images, grids and the array that NumPy indexes.

It does not know where a frame belongs (`_arrange` does), nor any other library of
arrays (`_views` do).

For others: `array.DicomArray`, `image.DicomImage`, `grid.FrameGrid`,
`computed.ComputedArray`.
Read `array.py` first.
"""
