"""What a sample looks like so far, told a few times a second while it is drawn."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.runs.events import Preview

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["Previews", "to_numpy"]

_LOG = logging.getLogger(__name__)

_APART: Final = 0.2
"""Seconds between two previews: five a second at most."""

_SHARE: Final = 20
"""A preview waits this many times as long as the one before took, so that all take 5 % at most."""


class Previews:
    """Tells estimates of the clean image, now and then.

    Parameters
    ----------
    report : callable
        Gets the events.
    """

    def __init__(self, report: Callable[[Preview], None]) -> None:
        self._report = report
        self._next = 0.0

    def watch(
        self, index: int, plane: int, *, skip: int | None = None
    ) -> Callable[[Callable[[], Tensor]], None]:
        """Return what a sampler calls with its estimate after every network call.

        Parameters
        ----------
        index, plane : int
            What is drawn: the first of the samples that are drawn together.
        skip : int, optional
            The call, from 1, whose estimate is the sample itself, which comes anyway.
        """
        calls = 0

        def look(estimate: Callable[[], Tensor]) -> None:
            nonlocal calls
            calls += 1
            start = time.monotonic()
            if calls == skip or start < self._next:
                return
            image = None
            try:
                image = to_numpy(estimate())
            except (
                Exception
            ):  # such as memory that runs out: a sample is worth more than its preview
                _LOG.debug("a preview is left out", exc_info=True)
            took = time.monotonic() - start
            self._next = start + took + max(_APART, _SHARE * took)
            if image is not None:
                self._report(Preview(index, plane, image))

        return look


def to_numpy(images: Tensor) -> np.ndarray:
    """Return images on the host, float32."""
    return np.asarray(images.detach().to("cpu").float().numpy(), np.float32)
