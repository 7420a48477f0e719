"""From images to a grid: a new kind of object is a new function here.

It opens no file and reads no pixel: it gets images and columns.

For others: `stack.stack_frames`, `series.arrange`, `frame_table.tabulate_images`.
Read `stack.py` first.
"""
