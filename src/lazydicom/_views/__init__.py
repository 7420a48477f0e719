"""An array in the language of other libraries: dask, xarray, Zarr, pictures.

A view adds nothing to the array: no pixel is read before somebody asks for it, and then only
the frames that it needs. Stored values come out; a look-up table is a step of its own (`lut/`).
`references/` plans where the chunks of an array lie in its files.

What is no part of it: copies (`_export`), and opening files (`_open`).

Others use `dask.to_dask`, `xarray.to_xarray`, `zarr_store.ZarrStore`, `lut.apply` and
`pictures`. Read `dask.py` first: it is the shortest.
"""
