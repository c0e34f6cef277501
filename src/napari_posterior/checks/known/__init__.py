"""Samples against a known object, or against a better image of it."""
