"""Writing the objects of a Zarr store, all or nothing."""
