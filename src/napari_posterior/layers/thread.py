"""Layers belong to the main thread."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["WrongThreadError", "in_main_thread", "unwrapped"]


class WrongThreadError(AssertionError):
    """A layer was touched off the main thread: a fault of the caller.

    No RuntimeError, which a generator worker of napari would swallow.
    """


def in_main_thread(what: str) -> None:
    """Refuse to go on in any thread but the main one.

    Parameters
    ----------
    what : str
        What is about to happen, for the message: ``"layers are added"``.

    Raises
    ------
    WrongThreadError
        In any other thread.
    """
    here = threading.current_thread()
    if here is not threading.main_thread():
        raise WrongThreadError(
            f"{what} in the thread {here.name!r}; hand the event over to the main thread, for "
            "example through the worker's `yielded` signal"
        )


def unwrapped(thing: Any) -> Any:
    """Return a viewer or layer itself where napari handed out a proxy of it.

    Proxies are made anew at every turn: they cannot be told apart or held weakly.
    """
    return getattr(thing, "__wrapped__", thing)
