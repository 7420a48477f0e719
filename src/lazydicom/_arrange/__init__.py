"""From images to a grid: a new kind of object is a new function here.

It opens no file and reads no pixel: it gets images and columns.

For others: `series.arrange`, `frame_table.tabulate_images`.
Read `series.py` first.
"""
