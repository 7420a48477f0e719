"""Columns that kinds of multi-frame instances have in ways of their own, a file per kind.

It reads headers of instances that are open, and places nothing.

For others: `spread.frames_of`. Read `spread.py` first.
"""
