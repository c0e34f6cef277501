"""The parts of the dock *Restore*, from the image at the top to the runs at the bottom."""

from __future__ import annotations
