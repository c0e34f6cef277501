"""Looks ahead on a worker: what of an image is outside the trained range, how long runs take."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_posterior.session.problems import find_model
from napari_posterior.session.progress import ENDED
from napari_posterior.session.psf_choice import as_psf

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_posterior.session.cost import Rates
    from napari_posterior.session.models import SessionState

__all__ = ["LookAhead"]

_LOG = logging.getLogger(__name__)


class LookAhead:
    """Keeps `RestoreState.outlook` up to date, and learns the speed of devices before a run does.

    Nothing is looked at before `begin`, so that a window that has just opened is left alone; and
    never while a run is drawn, which needs the processor more.

    Parameters
    ----------
    state : SessionState
        What is chosen, and the runs.
    rates : Rates
        Learns what a network call takes.
    call : callable
        ``call(title, function, then)`` runs a function on a worker and hands over what it returns.
    learned : callable
        Called when there is a new rate.
    """

    def __init__(
        self,
        state: SessionState,
        *,
        rates: Rates,
        call: Callable[[str, Callable[[], Any], Callable[[Any], None]], None],
        learned: Callable[[], None],
    ) -> None:
        self._state, self._rates, self._call, self._learned = state, rates, call, learned
        self._begun = False
        self._busy = False
        self._looked: Hashable = None
        self._timed: set[tuple[str, str]] = set()
        events = state.restore.events
        for signal in (events.image, events.camera, events.psf, events.background):
            signal.connect(self._on_setting)
        for signal in (events.model, events.device):
            signal.connect(self._on_setting)

    def begin(self) -> None:
        """Look from now on; call it again when runs have ended."""
        self._begun = True
        self.look()

    def let_go(self) -> None:
        """Look no more."""
        self._begun = False

    def look(self) -> None:
        """Look at what is chosen now, if that was not done and nothing is being drawn."""
        if not self._begun or self._busy or any(one.state not in ENDED for one in self._state.runs):
            return
        asked = self._asked()
        if asked is None:
            self._state.restore.outlook = ()
        elif asked != self._looked:
            self._looked = asked
            self._look_at_range()
        else:
            self._look_at_speed()

    def _asked(self) -> Hashable:
        restore = self._state.restore
        image, model = restore.image, find_model(restore)
        if image is None or image.problem or restore.problems or model is None:
            return None
        known = restore.camera, restore.psf, restore.background
        return image.key, image.axes, model.name, *known

    def _on_setting(self, *_: object) -> None:
        if self._asked() != self._looked:
            self._state.restore.outlook = ()  # it was said of something else
        self.look()

    def _look_at_range(self) -> None:
        restore = self._state.restore
        if restore.image is None:
            return
        work = partial(
            _find_range,
            restore.image.read,
            restore.model,
            camera=restore.camera,
            psf=as_psf(restore.psf),
            background=restore.background,
        )
        self._start("looking at the image", work, partial(self._take_range, self._looked))

    def _take_range(self, asked: Hashable, told: tuple[str, ...]) -> None:
        self._busy = False
        if asked == self._asked() and self._begun:
            self._state.restore.outlook = told
        self.look()

    def _look_at_speed(self) -> None:
        restore = self._state.restore
        wanted = restore.model, restore.device
        if wanted in self._timed or self._rates.knows(*wanted, "float32"):
            return
        self._timed.add(wanted)
        work = partial(_find_speed, *wanted)
        self._start("timing the network", work, partial(self._take_speed, wanted))

    def _take_speed(self, wanted: tuple[str, str], found: tuple[str, float] | None) -> None:
        self._busy = False
        if found is not None and self._begun:
            device, seconds = found
            for name in {wanted[1], device}:
                self._rates.learn(wanted[0], name, "float32", pixel_calls=1.0, seconds=seconds)
            self._learned()
        self.look()

    def _start(self, title: str, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._busy = True
        self._call(title, work, then)


def _find_range(read: Callable[[], Any], model: str, **known: Any) -> tuple[str, ...]:
    """Look at the image; what cannot be looked at is refused by the run, in its own words."""
    from napari_posterior.api.outlook import range_outlook

    try:
        return range_outlook(read(), model, **known)
    except Exception:
        _LOG.debug("an image cannot be looked at ahead", exc_info=True)
        return ()


def _find_speed(model: str, device: str) -> tuple[str, float] | None:
    from napari_posterior.api.outlook import seconds_per_pixel
    from napari_posterior.session.threads import leave_a_core_free, share_the_interpreter

    try:
        with leave_a_core_free(), share_the_interpreter():
            found, seconds = seconds_per_pixel(model, device=device)
    except Exception:  # such as weights that do not fit: the run says so
        _LOG.debug("a network cannot be timed ahead", exc_info=True)
        return None
    return None if seconds is None else (found, seconds)
