"""All-or-nothing writing of a Zarr store, chunk by chunk.

`layout` says where each value is stored, `target` where the store will be and `folder` how its
objects are written. An export goes through `run` (what stands there already, then all units, by
threads or by a cluster) and `objects` (one unit, its chunks encoded); it keeps a `manifest`,
which `compare` checks a store with.

What is no part of it: what the array is, and what its attributes say (`_export`). Nobody but
`_export` imports this sub-room. Read `layout.py` first, then `run.py`.
"""
