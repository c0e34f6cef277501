"""What each network is taught: one small module a recipe."""
