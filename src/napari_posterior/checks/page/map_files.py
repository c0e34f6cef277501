"""Maps as TIFF files that keep their place in the image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.statistics.lengths import in_micrometres

if TYPE_CHECKING:
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.report import Report

__all__ = ["encode_tiff"]


def encode_tiff(found: MapImage, report: Report) -> bytes:
    """Return a map as OME-TIFF, float32, with pixel size, position and what it means.

    Parameters
    ----------
    found : MapImage
        The map.
    report : Report
        For the size of a pixel, the position of the crop and the footer.
    """
    import tifffile

    size = in_micrometres(report.figures.pixel_size, report.figures.unit)
    metadata: dict[str, Any] = {
        "axes": "YX",
        "Name": found.name,
        "Description": f"{found.title} [{found.unit or 'no unit'}]. {found.words} {report.footer}",
    }
    resolution = None
    if size is not None:
        resolution = 1e4 / size[1], 1e4 / size[0]
        start = report.teacher.translate or (0.0, 0.0)
        place = in_micrometres((start[-2], start[-1]), report.figures.unit) or (0.0, 0.0)
        metadata |= {
            "PhysicalSizeY": size[0],
            "PhysicalSizeYUnit": "µm",
            "PhysicalSizeX": size[1],
            "PhysicalSizeXUnit": "µm",
            "Plane": {
                "PositionY": [place[0]],
                "PositionX": [place[1]],
                "PositionYUnit": ["µm"],
                "PositionXUnit": ["µm"],
            },
        }
    out = io.BytesIO()
    tifffile.imwrite(
        out,
        np.ascontiguousarray(found.values, np.float32),
        ome=True,
        photometric="minisblack",
        compression="zlib",
        metadata=metadata,
        resolution=resolution,
        resolutionunit="CENTIMETER" if resolution else None,
    )
    return out.getvalue()
