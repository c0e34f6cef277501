#!/bin/sh
# The steps behind `make demo` and `make test`; each is quick when there is nothing to do.
#
#   .ci/steps.sh venv      make $VENV (default .venv) and install the package with all its extras
#   .ci/steps.sh system    find the libraries a napari window needs; as root, get them through apt
#   .ci/steps.sh test ...  run pytest in two processes, GUI tests under Xvfb; further words go to pytest
#
# VENV=folder  PYTHON=interpreter  NO_APT=1  REQUIRE_GUI=1 (no window is a failure)  WORKERS=2 (0: one process)
# Exit codes: 4 no window although required, 5 no usable Python.
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
REQUIRE_GUI=${REQUIRE_GUI:-}
[ "$REQUIRE_GUI" != 0 ] || REQUIRE_GUI=
PATH=$PATH:/usr/sbin:/sbin
export QT_API="${QT_API:-pyqt6}" MPLBACKEND=Agg PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME || true

say() { printf '%s\n' "$*" >&2; }
stop() { code=$1; shift; say "$*"; exit "$code"; }
has() { command -v "$1" >/dev/null 2>&1; }

can_apt() { [ "$(id -u)" = 0 ] && has apt-get && [ -z "${NO_APT:-}" ]; }
apt_install() {
    say "Getting system packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null || say "apt-get update failed; trying with the lists at hand."
    apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" </dev/null >/dev/null
}

# ---------------------------------------------------------------------------------------- venv
find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    base=$(find_python) || stop 5 "No Python 3.11 or newer found: install one, or name it with PYTHON=..."
    "$base" -m venv "$VENV" >/dev/null 2>&1 && return
    if can_apt; then apt_install python3-venv || true; fi
    "$base" -m venv --clear "$VENV" >&2 ||
        stop 5 "$base cannot make a virtual environment: install its venv module (Debian: python3-venv)."
}

brings_cuda() {  # what pip plans for torch holds NVIDIA's libraries
    if ! plan=$("$py" -m pip install --dry-run -c constraints.txt torch 2>"$VENV/pip.log"); then
        cat "$VENV/pip.log" >&2
        stop 1 "pip cannot find torch: is there a network?"
    fi
    printf '%s\n' "$plan" | grep -qiE '^Would install.*(nvidia|cuda)'
}

step_venv() {
    py=$VENV/bin/python
    mark=$VENV/.installed
    state=$(cat pyproject.toml constraints.txt .ci/steps.sh | cksum)
    state="$state $PWD"
    if [ -x "$py" ] && [ -f "$mark" ] && [ "$(cat "$mark")" = "$state" ]; then return; fi
    if ! [ -x "$py" ] || ! "$py" -m pip --version >/dev/null 2>&1; then
        say "Making the virtual environment $VENV"
        make_venv
    fi
    say "Installing into $VENV: about two minutes, 2 GB"
    # an older pip downloads whole wheels only to plan
    "$py" -m pip install -qq --upgrade 'pip>=24' || say "pip was not upgraded; going on with the one at hand."
    if brings_cuda; then
        say "torch comes with CUDA here, several gigabytes more. Where there is no NVIDIA GPU, stop now,"
        say "install its CPU build into $VENV as pytorch.org says, and call make again."
    fi
    "$py" -m pip install -qq -c constraints.txt torch hatchling editables
    "$py" -m pip install -qq -c constraints.txt --no-build-isolation -e '.[all,figures,dev]'
    "$py" -m pip check >&2
    printf '%s' "$state" >"$mark"
}

# -------------------------------------------------------------------------------------- system
missing_packages() {  # Debian's names for what is not here
    has Xvfb || echo xvfb
    has xauth || echo xauth
    known=$(ldconfig -p 2>/dev/null || true)
    while read -r library package; do
        case $known in *"$library"*) ;; *) echo "$package" ;; esac
    done <<LIBRARIES
libGL.so.1 libgl1
libEGL.so.1 libegl1
libglib-2.0.so.0 libglib2.0-0
libdbus-1.so.3 libdbus-1-3
libfontconfig.so.1 libfontconfig1
libxkbcommon-x11.so.0 libxkbcommon-x11-0
libxcb-cursor.so.0 libxcb-cursor0
libxcb-icccm.so.4 libxcb-icccm4
libxcb-keysyms.so.1 libxcb-keysyms1
libxcb-shape.so.0 libxcb-shape0
LIBRARIES
}

step_system() {
    [ "$(uname -s)" = Linux ] || return 0
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086  # one word a package
    if can_apt; then apt_install $missing || true; missing=$(missing_packages | tr '\n' ' '); fi
    [ -n "$missing" ] || return 0
    say "A napari window needs these system packages (Debian's names): $missing"
    [ -z "$REQUIRE_GUI" ] || exit 4
    say "Without them the GUI tests are skipped."
}

# ---------------------------------------------------------------------------------------- test
step_test() {
    py=$VENV/bin/python
    if ! "$py" -c 'import qtpy.QtWidgets' 2>/dev/null; then
        [ -z "$REQUIRE_GUI" ] || stop 4 "Qt does not start here, and REQUIRE_GUI is set."
        say "Qt does not start here: the GUI tests are skipped."
        set -- -p no:pytest-qt "$@"
    fi
    # Xvfb is used even where there is a screen, so that no window pops up; macOS has only its screen.
    ! has Xvfb || unset DISPLAY WAYLAND_DISPLAY QT_QPA_PLATFORM
    # Tests share the cores by files, one thread each: threads of several processes would wait for one another.
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
    exec "$py" -m pytest -n "${WORKERS:-2}" --dist loadfile "$@" </dev/null
}

step=${1:-}
[ $# -eq 0 ] || shift
case $step in
    venv | system | test) "step_$step" "$@" ;;
    *) stop 2 "usage: .ci/steps.sh venv|system|test" ;;
esac
