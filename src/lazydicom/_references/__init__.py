"""References: arrays as byte ranges of their files, for Zarr tools that copy nothing."""
