"""Looking closely at a model, as a job: every file against its checksum, every sampler drawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from napari_posterior.bundles.checksums import find_problems
from napari_posterior.bundles.reading import read_card
from napari_posterior.errors import ModelError
from napari_posterior.runs.events import Failed, Finished, Started, StepDone
from napari_posterior.session.compare_job import ANALYSIS
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.runs.events import Event, TerminalEvent

__all__ = ["VerifyJob"]

_SELFTEST = 0.3
"""Part of the progress that the self-test is."""


class VerifyJob(ThreadedJob[str]):
    """Compare a model with its card and its self-test; the result is a sentence.

    It fails with a `ModelError` that names the first file, or the samplers, that differ.

    Parameters
    ----------
    name : str
        Of the model.
    folder : Path
        Where it is.
    """

    doing = "verifying the model"
    preparing = "reading the card"

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(f"verify {name}", lane=ANALYSIS, key=("verify", str(folder)))
        self.name = name
        self._folder = folder

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        from napari_posterior.bundles.bundle import open_bundle
        from napari_posterior.bundles.selftest import check_selftest, has_selftest
        from napari_posterior.session.threads import yield_to_others

        yield_to_others()
        card = read_card(self._folder)
        total = sum(one.size for one in card.files.values()) or 1
        start, count, read = time.monotonic(), 0, 0
        report(Started(len(card.files), len(card.files), 1, 0))

        def on_file(name: str) -> None:
            nonlocal count, read
            self._token.raise_if_cancelled()
            part = (1 - _SELFTEST) * read / total
            left = (time.monotonic() - start) / part * (1 - part) if part > 0.05 else None
            self._count(count)
            report(StepDone((), 0, count, len(card.files), part, left))
            count, read = count + 1, read + card.files[name].size

        problems = find_problems(self._folder, card.files, on_file=on_file)
        if problems:
            raise ModelError(f"{self.name} is altered: {problems[0]}; get the bundle again")
        self._count(count)
        told = f"{count} files match their checksums"
        self._token.raise_if_cancelled()
        if not has_selftest(card):
            self._outcome = f"{self.name} {card.version}: {told}; it came without a self-test."
            return Finished(count)
        report(StepDone((), 0, count, count, 1 - _SELFTEST, None))
        self._say(f"{told}; drawing its self-test")
        found = check_selftest(open_bundle(self._folder))
        if not found.passed:
            raise ModelError(f"{self.name}: {found.words}; update torch, or get the bundle again")
        words = found.words
        if not any(found.differences.values()):
            words = f"self-test passed on {found.device} to the last digit"
        self._outcome = f"{self.name} {card.version}: {told}; {words}."
        return Finished(count)

    def _describe_running(self, done: int, total: int, seconds_left: float | None) -> str:
        return f"{done} of {total} files compared with their checksums"

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        if isinstance(end, Failed):
            return end.message
        return self._outcome or "" if isinstance(end, Finished) else "stopped"
