"""Paths, noise, conditioning, solvers and tiling: how one draw of x given y is made."""
