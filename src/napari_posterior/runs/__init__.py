"""Runs: what was asked for, what happens while samples are drawn, and what is kept on disk."""
