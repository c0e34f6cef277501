"""Plots of teacher and student, behind a small protocol."""
