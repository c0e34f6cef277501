"""What the commands in napari's menus and palette do; each says in one sentence why it cannot."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import napari
from napari.layers import Image, Shapes
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QPushButton

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.layers.choices import can_be_restored
from napari_posterior.layers.known_object import region_choice
from napari_posterior.layers.showing import show_quantity
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.docks import COMPARE, RESTORE, open_dock
from napari_posterior.widgets.session import session as session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.models import RunEntry
    from napari_posterior.widgets.restore import RestoreDock
    from napari_posterior.widgets.session import Session

__all__ = [
    "cancel",
    "compare_newest",
    "copy_debug_report",
    "copy_script",
    "draw_regions",
    "more_samples",
    "open_log_window",
    "open_models",
    "open_stored_run",
    "reset_settings",
    "run_chosen",
    "run_corrected",
    "run_pair",
    "save_report",
    "show_puncta",
    "show_quantity_of_runs",
    "show_side_by_side",
    "undo_delete",
]

_REGIONS: Final = "regions"


def _told(function: Callable[..., None]) -> Callable[..., None]:
    """Tell the user in one sentence what he can put right."""

    @wraps(function)
    def act(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except PosteriorError as error:
            show_error(sentence_of(str(error)))

    return act


def _window() -> tuple[Any, Session]:
    """Return the viewer in front and its session."""
    viewer = napari.current_viewer()
    if viewer is None:
        raise InputError("no viewer is open; open one first")
    return viewer, session_of(viewer)


def _restore_dock(viewer: Any) -> RestoreDock:
    dock: Any = open_dock(viewer, RESTORE)
    found: RestoreDock = dock
    return found


@_told
def run_pair() -> None:
    """Draw teacher and student of the selected layer; the dock Restore shows how far they are."""
    viewer, session = _window()
    dock = _restore_dock(viewer)
    _choose_active(viewer, dock)
    _as_soon_as_models_are_read(session, dock.running.run_pair)


@_told
def run_chosen() -> None:
    """Draw the sampler that is chosen in the dock Restore, of the selected layer."""
    viewer, session = _window()
    dock = _restore_dock(viewer)
    _choose_active(viewer, dock)
    _as_soon_as_models_are_read(session, dock.running.run)


@_told
def run_corrected() -> None:
    """Draw few samples of the teacher and many of the student, and correct the latter."""
    viewer, session = _window()
    dock = _restore_dock(viewer)
    _choose_active(viewer, dock)
    dock.fast.expand(animate=False)
    _as_soon_as_models_are_read(session, dock.corrected.run)


@_told
def more_samples() -> None:
    """Continue the last run, or both runs of the last pair."""
    _window()[1].controller.more_samples()


@_told
def cancel() -> None:
    """Stop the runs that are drawn or wait, comparison and correction; samples are kept."""
    session = _window()[1]
    session.controller.cancel()
    session.controller.correcting.stop()
    job = session.state.compare.job
    if job is not None:
        job.cancel()


@_told
def compare_newest() -> None:
    """Compare the newest run of the teacher with the newest one of a student on its image."""
    viewer, session = _window()
    teacher, student = newest_pair(list(session.state.runs))
    compare = session.state.compare
    compare.teacher, compare.student = teacher, student
    session.controller.compare()
    open_dock(viewer, COMPARE)


@_told
def draw_regions() -> None:
    """Take up the rectangle tool in a Shapes layer whose shapes get verdicts of their own."""
    viewer, session = _window()
    layers = viewer.layers
    found = next((one for one in layers if isinstance(one, Shapes) and one.name == _REGIONS), None)
    if found is None:
        shown = [one for one in layers if isinstance(one, Image) and not one.rgb]
        look: dict[str, Any] = {}
        if shown:
            one = next((each for each in shown if can_be_restored(each)), shown[0])
            look = {
                "scale": tuple(one.scale)[-2:],
                "translate": tuple(one.translate)[-2:],
                "units": tuple(one.units)[-2:],
                "axis_labels": tuple(one.axis_labels)[-2:],
            }
        found = viewer.add_shapes(
            ndim=2, name=_REGIONS, face_color="transparent", edge_width=2, **look
        )
    session.state.compare.regions = region_choice(found)
    open_dock(viewer, COMPARE)
    viewer.layers.selection.active = found
    found.mode = "add_rectangle"


@_told
def show_quantity_of_runs(quantity: str, instead: str) -> None:
    """Show the result layers of one quantity, and hide the other results."""
    show_quantity(_window()[0], quantity, instead=instead)


@_told
def show_side_by_side() -> None:
    """Show the samples of teacher and student beside each other, with one slider."""
    _window()[1].views.show_side_by_side()


@_told
def show_puncta() -> None:
    """Show the puncta of the last comparison as points, coloured by probability."""
    _window()[1].views.add_puncta()


@_told
def open_stored_run() -> None:
    """Ask for the folder of a run, and put it on the list with its layers."""
    viewer, session = _window()
    folder = QFileDialog.getExistingDirectory(None, "Open a run (NAME.posterior.zarr)")
    if folder:
        _restore_dock(viewer)
        session.controller.history.open_run(folder, session.bring_back)


@_told
def save_report() -> None:
    """Save the report of the last comparison: a page, its numbers and figures."""
    viewer, session = _window()
    if session.state.compare.report is None:
        raise InputError("there is no comparison yet; compare a teacher's run with a student's")
    button = open_dock(viewer, COMPARE).findChild(QPushButton, "save_report")
    if button is not None:
        button.click()


@_told
def open_models() -> None:
    """Open the list of models: import, check, unload, card."""
    from napari_posterior.widgets.models_dialog import open_models_dialog

    open_models_dialog(_window()[0])


@_told
def open_log_window() -> None:
    """Open the window with what this package logged."""
    from napari_posterior.widgets.log_window import open_log

    open_log(_window()[0])


@_told
def copy_script() -> None:
    """Copy a Python script that makes the newest run again."""
    session = _window()[1]
    text = session.controller.history.script_of(_newest(session))
    _copy(text, "The script of the newest run is in the clipboard.")


@_told
def copy_debug_report() -> None:
    """Copy what helps to find a fault: versions, settings, warnings and log of the newest run."""
    session = _window()[1]
    runs = list(session.state.runs)
    text = session.controller.history.debug_report(runs[-1] if runs else None)
    _copy(text, "The debug report is in the clipboard.")


@_told
def undo_delete() -> None:
    """Bring back the run that was deleted last."""
    session = _window()[1]
    session.controller.history.undo(session.bring_back)


@_told
def reset_settings() -> None:
    """Go back to the settings of a first session; image, camera and PSF stay."""
    _window()[1].remembered.reset()


def newest_pair(runs: list[RunEntry]) -> tuple[RunEntry, RunEntry]:
    """Return the newest run of a student that there is a teacher's run to, and that one.

    Raises
    ------
    InputError
        If there are no two such runs that have ended with samples.
    """
    there = [one for one in reversed(runs) if one.run is not None and one.state in ENDED]
    for student in (one for one in there if one.role == "student"):
        for teacher in (one for one in there if one.role == "teacher"):
            if teacher.image_key == student.image_key:
                return teacher, student
    raise InputError(
        "there are no runs of a teacher and a student on one image; run teacher and student first"
    )


def _newest(session: Session) -> RunEntry:
    runs = [one for one in session.state.runs if one.run is not None]
    if not runs:
        raise InputError("there is no run yet; draw one first")
    return runs[-1]


def _choose_active(viewer: Any, dock: RestoreDock) -> None:
    active = viewer.layers.selection.active
    dock.image.reset_choices()
    if isinstance(active, Image) and can_be_restored(active):
        dock.image.choose(active)
    dock.image.refresh()


def _as_soon_as_models_are_read(session: Session, act: Callable[[], None]) -> None:
    """Act now, or when the models are there, which is a moment after the first dock."""
    restore = session.state.restore
    if restore.models:
        act()
        return

    timer = QTimer(session)  # so that all that follows from the models is there too
    timer.setSingleShot(True)
    timer.timeout.connect(act)
    timer.timeout.connect(timer.deleteLater)

    def once(*_: object) -> None:
        restore.events.models.disconnect(once)
        timer.start(0)

    restore.events.models.connect(once)


def _copy(text: str, told: str) -> None:
    board = QApplication.clipboard()
    if board is not None:
        board.setText(text)
    show_info(told)
