"""Detectors and detections of other programs; each is used only if asked for."""

from __future__ import annotations

from napari_posterior.statistics.adapters.detections import Detections, read_detections

__all__ = ["Detections", "read_detections"]
