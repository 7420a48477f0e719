"""The public functions that open.

They join the rooms below and hold no knowledge of their own.

For others: `image.open_image`, `series.open_series`, `series.open_study`.
Read `image.py` first.
"""
