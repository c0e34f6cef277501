"""Several images together: the image is the unit."""
