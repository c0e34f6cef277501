from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
GUI_NOT_RUN = 3

os.environ["NAPARI_POSTERIOR_SETTINGS"] = ""  # tests neither read nor change what a user chose

pytest_plugins = ["tiny_bundle", "stored_runs"]  # fixtures in tests/support

_PROBE = """
import sys
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication

app = QApplication([])
surface = QOffscreenSurface()
surface.create()
context = QOpenGLContext()
sys.exit(0 if context.create() and context.makeCurrent(surface) else 1)
"""


def _gui_required() -> bool:
    return os.environ.get("REQUIRE_GUI", "") not in ("", "0")


def _has_display() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    given = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(given) or shutil.which("Xvfb") is not None


if not _has_display():
    # Without a display Qt would abort the interpreter instead of failing a test.
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _why_no_window() -> str | None:
    """Say why a napari window cannot be drawn here; asked in a child, as Qt may abort."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        return "no display: install Xvfb, or run where there is a screen"
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120
        )
    except subprocess.TimeoutExpired:
        return "no OpenGL: the display did not answer within two minutes"
    if probe.returncode == 0:
        return None
    last = (probe.stderr.strip().splitlines() or ["the display gives no OpenGL context"])[-1]
    return f"no OpenGL for a napari window: {last}"


def _is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for another one (pytest-xdist)."""
    return hasattr(config, "workerinput")


class _WindowKeeper:
    """Where the window is required, a run that skipped it, or never met it, is not green."""

    def __init__(self) -> None:
        self._passed = self._skipped = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if getattr(report, "needs_window", False):
            self._passed |= report.passed and report.when == "call"
            self._skipped |= report.skipped

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        met = self._passed and not self._skipped
        if exitstatus == 0 and not met and not session.config.option.collectonly:
            session.exitstatus = GUI_NOT_RUN


def pytest_configure(config: pytest.Config) -> None:
    if _gui_required() and not _is_worker(config):
        config.pluginmanager.register(_WindowKeeper())


@pytest.hookimpl(trylast=True)  # after -k and -m have made their choice
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    gui = [item for item in items if item.get_closest_marker("gui")]
    if not gui or (reason := _why_no_window()) is None:
        return
    if _gui_required() and not _is_worker(config):  # a worker's skips are told to the first process
        pytest.exit(f"REQUIRE_GUI is set, but there is {reason}", returncode=GUI_NOT_RUN)
    for item in gui:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    report.needs_window = item.get_closest_marker("gui") is not None
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    if exitstatus == GUI_NOT_RUN:
        terminalreporter.section("GUI tests were skipped or not run, but REQUIRE_GUI is set")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real microscopy images; the test is skipped where there is none."""
    folder = Path(os.environ.get("NAPARI_POSTERIOR_DATA") or REPOSITORY / ".." / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set NAPARI_POSTERIOR_DATA to their folder")
    return folder.resolve()
