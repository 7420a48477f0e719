"""The levels of a pyramid: what they are made of, and writing several of them at once.

`level` is one of them as an array, `reduce` makes one value of several, `bricks` says which
parts of all levels are made together, and `one_pass` writes them while the finest level is read
once.

What is no part of it: which levels there are and what they are called (`_export/ome_plan.py`).
Read `level.py` first, then `bricks.py`.
"""
