"""Real copies of an array, and what proves that they are.

A copy is all or nothing: it appears when it is complete, an interrupted export continues where
it stopped, and `verify` reads a whole store and names the first frame that differs. References
copy no pixels: they name the byte range of each frame.

What is no part of it: views that decode when they are read (`_views`), and how frames are read
and decoded (`_array` and the rooms below it).

Others use `zarr.to_zarr`, `ome_zarr.to_ome_zarr`, `references.to_references` and
`verify.verify`. Read `zarr.py` first, then `store/`.
"""
