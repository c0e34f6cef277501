"""The command line ``napari-posterior``.

Exit codes: 0 done; 2 wrong use or bad input, with one sentence on the standard error stream; 130
stopped by Ctrl-C; 1 a fault of the program, whose details are in the log that the message names.
"""

from __future__ import annotations

from napari_posterior.cli.app import main

__all__ = ["main"]
