"""Axes besides z, y and x: found in what varies between frames, and labelled.

It knows no file and no grid, only columns and the plane of each frame.

For others: `find.find_axes`, `labels.frame_labels`, `labels.spread`.
Read `find.py` first.
"""
