"""Python does not end while work goes on that it would tear apart."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_posterior.widgets.worker import NamedTask

__all__ = ["LAST_WAIT", "keep_python_for"]

LAST_WAIT = 10.0
"""Seconds that the end of a window or program waits for a network call that is going on."""

_LOOK = 0.5
"""Seconds between two looks whether the program ends."""


def keep_python_for(work: NamedTask) -> None:
    """Stop some work when the main thread ends, and hold up the end of Python until it has.

    A script may end without an event loop that could tell of it. Threads of a Qt pool are not
    waited for by Python, and what is registered with `atexit` comes too late: by then other
    packages have shut down what the work is waiting for, and it would wait for ever.

    Parameters
    ----------
    work : NamedTask
        What is being done, or about to be.
    """
    # No daemon: Python waits for it before all else.
    threading.Thread(target=_keep, args=(work,), name=f"keeper of {work}", daemon=False).start()


def _keep(work: NamedTask) -> None:
    main = threading.main_thread()
    while not work.ended.wait(_LOOK):
        if not main.is_alive():
            if work.begun:
                work.cancel()
                work.ended.wait(LAST_WAIT)
            return
