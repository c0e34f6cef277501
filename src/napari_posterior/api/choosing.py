"""Where a student may hand over to its teacher: the earliest time at which a test is content."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.checks.paired import PairedLook
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.events import Event
    from napari_posterior.sampling.corrections import HandOver

__all__ = ["HandOverChoice", "HandOverLook", "choose_hand_over"]

TAUS: Final = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Times that are tried by default; those of a student's own grid where it cannot stop at all."""

NEGLIGIBLE: Final = 0.05
"""As far as the mean of 400 samples is off by chance, in posterior standard deviations."""


@dataclass(frozen=True)
class HandOverLook:
    """What was seen at one time of hand-over.

    Parameters
    ----------
    tau : float
        The time, between 0 (clean) and 1 (noise).
    calls : int
        Network calls of a sample.
    seconds : float
        Time that a sample took here.
    look : PairedLook
        Both tests, and the sizes of what they look for.
    rejected : bool
        Whether a difference from the teacher was found.
    """

    tau: float
    calls: int
    seconds: float
    look: PairedLook
    rejected: bool


@dataclass(frozen=True)
class HandOverChoice:
    """The smallest time of hand-over at which no difference from the teacher was found.

    Parameters
    ----------
    student : str
        Who hands over.
    correction : HandOver or None
        For ``restore(sampler=student, steps=steps, correction=...)``; None where a difference was
        found at every time.
    steps : int or None
        Of the student, as they were asked for.
    looks : tuple of HandOverLook
        Every time that was tried, rising; later ones were not drawn.
    samples : int
        Pairs at each time.
    level, negligible : float
        As they were asked for.
    teacher_calls : int
        Network calls of a sample of the teacher.
    teacher_seconds : float
        Time that one took here.
    seconds : float
        Time that everything took.
    """

    student: str
    correction: HandOver | None
    steps: int | None
    looks: tuple[HandOverLook, ...]
    samples: int
    level: float
    negligible: float
    teacher_calls: int
    teacher_seconds: float
    seconds: float

    @property
    def tau(self) -> float | None:
        """The time that was chosen."""
        return None if self.correction is None else self.correction.tau

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, what it cost, and what it does not say."""
        from napari_posterior.durations import duration
        from napari_posterior.numerals import number

        spent = (
            f"This took {duration(self.seconds)}: {self.samples} samples of the teacher and "
            f"{self.samples} at each of {len(self.looks)} times."
        )
        if self.correction is None:
            return (
                f"At every time that was tried the samples of {self.student!r} differ from the "
                f"teacher's: draw from the teacher, or correct its mean and variance with pairs.",
                spent,
            )
        last = self.looks[-1]
        return (
            f"Hand over at tau {last.tau:g}: there the paired tests of mean and variance find no "
            f"difference from the teacher that matters (p = {number(last.look.p_value, 2)}; mean "
            f"{number(last.look.mean_gap, 2)} standard deviations off, variance ratio "
            f"{number(last.look.variance_ratio, 3)}).",
            f"A sample takes {last.calls} network calls instead of {self.teacher_calls}, here "
            f"{number(last.seconds, 2)} s instead of {number(self.teacher_seconds, 2)} s.",
            spent,
            "That a difference was not found is no proof that there is none: more samples find "
            "smaller ones, and neither test looks beyond mean and variance.",
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table of one row a time."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "tau": row.tau,
                    "network calls": row.calls,
                    "seconds a sample": row.seconds,
                    "p of the mean": row.look.mean_p,
                    "p of the variance": row.look.variance_p,
                    "mean gap [posterior sd]": row.look.mean_gap,
                    "variance ratio": row.look.variance_ratio,
                    "correlation": row.look.r,
                    "rejected": row.rejected,
                }
                for row in self.looks
            ]
        )


def choose_hand_over(
    image: Any,
    *,
    student: str,
    model: str | os.PathLike[str] | Bundle = "fluo2d",
    steps: int | None = None,
    taus: Sequence[float] | None = None,
    samples: int = 16,
    level: float = 0.05,
    negligible: float = NEGLIGIBLE,
    seed: int = 0,
    camera: Camera | None = None,
    psf: Psf | None = None,
    background: float = 0.0,
    blind: bool | None = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | Literal["auto"] | None = "auto",
    batch: int | Literal["auto"] = "auto",
    progress: bool = True,
    on_event: Callable[[Event], None] | None = None,
    token: CancelToken | None = None,
) -> HandOverChoice:
    """Find where a student can hand over to its teacher on this image.

    The teacher and, for rising tau, the student with hand-over draw from the same noise, until two
    paired tests, of the mean and of the total variance, find no difference any more. The earlier
    the hand-over, the cheaper a sample.

    Parameters
    ----------
    image : array, path or Image
        As for `restore`.
    student : str
        A student that is a flow map. One that jumps to the clean image only cannot hand over.
    model : str, path or Bundle
        As for `restore`.
    steps : int, optional
        Of the student; by default the fewest that stop at tau.
    taus : sequence of float, optional
        Times to try; by default 0.1 to 0.95, or those at which the student can stop. Times whose
        samples cost no less than the teacher's are left out.
    samples : int
        Pairs at each time, 8 or more.
    level : float
        Probability of a later time than needed, see Notes.
    negligible : float
        Differences that do not matter: of the mean in posterior standard deviations, root mean
        square over pixels, and of the variance as a share. 0 for the tests alone, which on shared
        noise find differences that nobody minds, the solver's own among them.
    seed, camera, psf, background, blind, device, precision, tile, batch, progress, on_event, token
        As for `restore`.

    Returns
    -------
    HandOverChoice
        With ``correction`` for `restore`, the table and the sentences.

    Raises
    ------
    InputError
        If the sampler is no student, cannot stop at any of the times, or a number is out of range;
        and as of `restore`.
    ModelError, RunError
        As of `restore`.

    Notes
    -----
    At each time both tests share the level after Bonferroni. Over times the sequence is fixed and
    ends at the first that is not rejected, which needs no correction; see `checks.paired.climb`.
    *Not rejected* is no proof that the laws are the same.
    """
    from napari_posterior.api import load_model, restore
    from napari_posterior.checks.paired import LEAST_PAIRS, climb, look_at_pairs
    from napari_posterior.checks.source import Stack
    from napari_posterior.runs.request import check_samples
    from napari_posterior.sampling.corrections import HandOver

    if not 0 < level < 1 or not 0 <= negligible < 1:
        raise InputError("level lies between 0 and 1, and negligible from 0 to below 1")
    check_samples(samples)
    if samples < LEAST_PAIRS:
        raise InputError(f"{samples} pairs are too few for a test; give {LEAST_PAIRS} or more")
    start = time.monotonic()
    bundle = load_model(model) if isinstance(model, str | os.PathLike) else model
    teacher_calls = bundle.info("teacher").nfe
    calls = _calls_at(bundle, student, steps, taus, most=teacher_calls)

    def draw(sampler: str, **options: Any) -> Any:
        return restore(
            image,
            model=bundle,
            sampler=sampler,
            samples=samples,
            seed=seed,
            camera=camera,
            psf=psf,
            background=background,
            blind=blind,
            device=device,
            precision=precision,
            tile=tile,
            batch=batch,
            progress=progress,
            on_event=on_event,
            token=token,
            **options,
        )

    teacher = draw("teacher")
    _check_whole(teacher, samples)
    first, took = Stack(teacher.samples), {}

    def look(tau: float) -> PairedLook:
        run = draw(student, steps=steps, correction=HandOver(tau=tau))
        _check_whole(run, samples)
        took[tau] = run.seconds / samples
        return look_at_pairs(first, Stack(run.samples), seed=seed)

    found = climb(calls, look, level=level, negligible=negligible)
    tau, _, rejected = found[-1]
    return HandOverChoice(
        student=student,
        correction=None if rejected else HandOver(tau=tau),
        steps=steps,
        looks=tuple(HandOverLook(t, calls[t], took[t], seen, bad) for t, seen, bad in found),
        samples=samples,
        level=level,
        negligible=negligible,
        teacher_calls=teacher_calls,
        teacher_seconds=teacher.seconds / samples,
        seconds=time.monotonic() - start,
    )


def _calls_at(
    bundle: Bundle, student: str, steps: int | None, taus: Sequence[float] | None, *, most: int
) -> dict[float, int]:
    """Return the times to try with the network calls of a sample, rising."""
    from napari_posterior.sampling.corrections import HandOver

    wanted = tuple(HandOver(tau=tau).tau for tau in (TAUS if taus is None else taus))
    if not wanted:
        raise InputError("there is no time to try; give taus between 0 (clean) and 1 (noise)")
    found: dict[float, int] = {}
    refusals = []
    for tau in sorted({*wanted}):
        try:
            found[tau] = bundle.info(student, steps=steps, correction=HandOver(tau=tau)).nfe
        except InputError as reason:
            refusals.append(reason)
    if refusals and taus is None:
        stops = tuple(t for t in bundle.info(student, steps=steps).grid if 0 < t < 1)
        if stops:
            return _calls_at(bundle, student, steps, stops, most=most)
    if refusals:
        raise refusals[0]
    cheaper = {tau: calls for tau, calls in found.items() if calls < most}
    if not cheaper:
        raise InputError(
            f"handing over at these times takes as many network calls as the teacher alone, {most};"
            " draw from the teacher, or give smaller taus"
        )
    return cheaper


def _check_whole(run: Any, samples: int) -> None:
    if len(run) < samples:
        raise InputError(
            f"only {len(run)} of {samples} samples were drawn; start again and let it finish"
        )
