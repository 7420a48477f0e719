"""Images, grids, and the arrays that NumPy indexes.

An array is a grid of frames. `pieces` says which part of which frame an index expression
touches; reading, planning and chunking follow from it. No format of a file, no other
library's arrays: those are in `_frames`, `_decode` and `_views`.

Others use `array.DicomArray`, `computed.ComputedArray`, `lazy_array.LazyArray`,
`image.DicomImage`, `grid.FrameGrid` and `coordinate.Coordinate`. Read `grid`, then `pieces`.
"""
