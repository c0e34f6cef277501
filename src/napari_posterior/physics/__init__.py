"""What the camera and the optics did to the object: scenes, camera, PSF, likelihood."""
