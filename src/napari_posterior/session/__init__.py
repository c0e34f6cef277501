"""What one viewer is busy with: its settings, its runs and the jobs that make them; no Qt.

Importing this room brings in neither torch, Qt nor napari. A widget, a notebook and a script use
the same objects: `Controller` turns settings into jobs, `JobQueue` lets them run in turn, and the
events of a job come back in the thread that its runner delivers them to.
"""

from __future__ import annotations
