"""A text that helps others to help: versions, devices, settings, warnings, the last of the log.

It names files, but not the folders that they are in.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import napari_posterior
from napari_posterior.session.log import log_lines
from napari_posterior.session.psf_choice import sampled_words, sigma_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["report_for_help", "without_folders"]

_PACKAGES: Final = (
    "napari",
    "npe2",
    "qtpy",
    "PyQt6",
    "PySide6",
    "superqt",
    "pyqtgraph",
    "psygnal",
    "torch",
    "numpy",
    "scipy",
    "scikit-image",
    "zarr",
    "tifffile",
    "pydantic",
)
_LAST_LINES: Final = 60
_OURS: Final = re.compile(r"""[^\s"']*[\\/](?=napari_posterior[\\/])""")
_FOLDERS: Final = re.compile(r"""(?<![\w.~\\/:])(?:~|[A-Za-z]:)?[\\/]+(?:[^\s\\/"'():;,]+[\\/])*""")


def report_for_help(state: SessionState, entry: RunEntry | None = None) -> str:
    """Write the report.

    Parameters
    ----------
    state : SessionState
        Of the viewer.
    entry : RunEntry, optional
        A run to be told of; by default the settings for the next one are.

    Returns
    -------
    str
        Lines of plain text.
    """
    parts = [
        ("Versions", _versions()),
        ("Devices", _devices(state)),
        ("Settings", _settings(state)) if entry is None else (entry.title, _run(entry)),
        ("Runs", _runs(state)),
        (f"The last {_LAST_LINES} lines of the log", log_lines(_LAST_LINES) or ("nothing",)),
    ]
    text = "\n\n".join("\n".join((f"{title}", *_indented(lines))) for title, lines in parts)
    return without_folders(f"napari-posterior: report for help\n\n{text}\n", known=_folders(state))


def without_folders(text: str, *, known: Iterable[Path] = ()) -> str:
    """Leave of every path in a text its last name, and of files of this package their place in it.

    Parameters
    ----------
    text : str
        Any words.
    known : iterable of Path
        Folders whose names may hold spaces, which tell where a path ends elsewhere.
    """
    usual = (Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix))
    for folder in sorted({str(one) for one in (*known, *usual)}, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, "~")
    return _FOLDERS.sub("", _OURS.sub("", text))


def _versions() -> Iterator[str]:
    yield f"napari-posterior {napari_posterior.__version__}"
    yield f"Python {platform.python_version()} on {platform.platform()}, {platform.machine()}"
    for name in _PACKAGES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _devices(state: SessionState) -> Iterator[str]:
    torch = sys.modules.get("torch")
    if torch is None:
        yield "torch is not loaded yet"
    else:
        yield f"CUDA of torch: {torch.version.cuda or 'none'}, {torch.get_num_threads()} threads"
    for device in state.restore.devices:
        yield f"{device.name}: {device.words}{'' if device.available else ' (not available)'}"


def _settings(state: SessionState) -> Iterator[str]:
    restore = state.restore
    image = restore.image
    yield f"image: {'none' if image is None else f'{image.words}, {restore.region}'}"
    yield f"camera: {restore.camera or 'estimated'}"
    yield f"PSF sigma in px: {sampled_words(restore.psf) or sigma_of(restore.psf) or 'not given'}"
    yield f"background in photoelectrons per px: {restore.background:g}"
    yield f"model: {restore.model}, sampler: {restore.sampler}, steps: {restore.steps or 'default'}"
    yield f"samples: {restore.samples}, seed: {restore.seed}, device: {restore.device}"
    for problem in restore.problems:
        yield f"problem: {problem}"


def _run(entry: RunEntry) -> Iterator[str]:
    yield f"state: {_state_of(entry)}"
    if entry.message:
        yield f"message: {entry.message}"
    request = _request_of(entry)
    if request is not None:
        yield from _told(request)
    run = entry.run
    if run is not None:
        yield f"samples held: {len(run)}, drawn in {run.seconds:.1f} s"
        for name, value in run.provenance.model_dump().items():
            yield f"{name} when it was begun: {value}"
    for warning in entry.warnings:
        yield f"warning: {warning}"


def _told(request: RestoreRequest) -> Iterator[str]:
    for name, value in request.model_dump(mode="json").items():
        if name != "image":
            yield f"{name}: {value}"
    image = request.image
    yield f"image: {image.shape} {image.dtype}, axes {' '.join(image.axes)}"
    yield f"pixel size: {image.scale} in {image.units}"


def _runs(state: SessionState) -> list[str]:
    told = [f"{one.title}: {_state_of(one)}" for one in state.runs]
    return told or ["none"]


def _state_of(entry: RunEntry) -> str:
    if entry.job is None and entry.run is not None:
        return f"{entry.run.state}, opened from disk"
    return f"{entry.state}, {entry.progress.sentence}"


def _request_of(entry: RunEntry) -> RestoreRequest | None:
    if entry.run is not None:
        return entry.run.request
    live: Any = None if entry.job is None else entry.job.live
    return None if live is None else live.request


def _folders(state: SessionState) -> Iterator[Path]:
    for entry in state.runs:
        for path in (entry.folder, entry.saved):
            if path is not None:
                yield path.parent


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for text in lines:
        for line in text.splitlines():
            yield f"  {line}"
