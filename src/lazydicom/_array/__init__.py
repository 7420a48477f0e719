"""Images, grids and the array that NumPy indexes."""
