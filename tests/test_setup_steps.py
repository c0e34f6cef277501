"""The scripts behind `make demo` and `make test` say no where they must, and cost nothing twice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make and sh are not used there")

# Plays python, venv and pip: makes nothing, installs nothing, writes down what it was asked.
FAKE_PYTHON = """#!/bin/sh
echo "$*" >>"$FAKE_LOG"
case "$*" in
    *version_info*) exit "${FAKE_OLD:-0}" ;;
    *"import qtpy"*) exit "${FAKE_NO_QT:-0}" ;;
    "-m venv "*) for last; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;
    *--dry-run*) echo "Would install ${FAKE_PLAN:-torch-2.13.0}" ;;
esac
"""
CUDA_PLAN = "nvidia-cublas-13.0.0 torch-2.13.0"


@pytest.fixture
def steps(repository, tmp_path):
    """Runner of one step, among fake tools; `.asked` is what the fake Python was asked."""

    class Steps:
        log = tmp_path / "log"
        tools = tmp_path / "tools"

        def tool(self, name, body):
            self.tools.mkdir(exist_ok=True)
            path = self.tools / name
            path.write_text(body)
            path.chmod(0o755)
            return path

        def __call__(self, step, **settings):
            kept = {"HOME": os.environ.get("HOME", "/"), "LANG": "C"}
            return subprocess.run(
                ["/bin/sh", str(repository / ".ci" / "steps.sh"), step],
                env=kept
                | {
                    "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
                    "PYTHON": str(self.tools / "python"),
                    "VENV": str(tmp_path / "venv"),
                    "FAKE_LOG": str(self.log),
                    "NO_APT": "1",
                }
                | settings,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )

        @property
        def asked(self):
            return self.log.read_text().splitlines() if self.log.exists() else []

    steps = Steps()
    steps.tool("python", FAKE_PYTHON)
    return steps


def test_packages_are_installed_with_the_constraints_and_torch_first(steps):
    done = steps("venv")

    assert done.returncode == 0, done.stderr
    installs = [line for line in steps.asked if "-c constraints.txt" in line and "dry" not in line]
    assert [line.split()[-1] for line in installs] == ["editables", ".[all,figures,dev]"]
    assert " torch " in installs[0]


def test_second_run_asks_pip_for_nothing(steps):
    steps("venv")
    before = steps.asked

    assert steps("venv").returncode == 0
    assert steps.asked == before


def test_torch_with_cuda_is_announced_before_gigabytes_are_fetched(steps):
    done = steps("venv", FAKE_PLAN=CUDA_PLAN)

    assert done.returncode == 0, done.stderr
    assert "comes with CUDA" in done.stderr


def test_old_python_is_refused(steps):
    done = steps("venv", FAKE_OLD="1")

    assert done.returncode == 5
    assert "Python 3.11" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux packages")
@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 4)])
def test_missing_libraries_are_named_and_fail_only_where_the_window_is_required(
    steps, required, code
):
    steps.tool("ldconfig", "#!/bin/sh\nexit 0\n")

    done = steps("system", REQUIRE_GUI=required)

    assert done.returncode == code
    assert "libxcb-cursor0" in done.stderr


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 4)])
def test_qt_that_does_not_start_fails_only_where_the_window_is_required(steps, required, code):
    steps("venv")

    done = steps("test", REQUIRE_GUI=required, FAKE_NO_QT="1")

    assert done.returncode == code
    assert any("no:pytest-qt" in line for line in steps.asked) == (code == 0)


def run_pytest(repository, *words, require_gui):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--no-xvfb", "-q", *words],
        cwd=repository,
        env={**os.environ, "REQUIRE_GUI": require_gui, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_gui_tests_without_a_display_are_skipped_with_the_reason(repository):
    done = run_pytest(repository, "tests/gui/test_sample_data.py", require_gui="")

    assert done.returncode == 0, done.stdout
    assert "no display: install Xvfb" in done.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_gui_tests_without_a_display_fail_where_the_window_is_required(repository, workers):
    done = run_pytest(repository, "-n", workers, "tests/gui/test_sample_data.py", require_gui="1")

    assert done.returncode == 3, done.stdout


def test_run_that_met_no_gui_test_fails_where_the_window_is_required(repository):
    words = ("-n", "2", "tests/test_packaging.py", "-k", "dependencies")

    assert run_pytest(repository, *words, require_gui="1").returncode == 3
