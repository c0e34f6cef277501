"""How a student's draws are brought nearer to its teacher's: what a user asks for, as data.

No torch here: a run keeps one of these with its request, and a script writes it out again.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

from napari_posterior.errors import InputError

__all__ = [
    "MAX_ROUNDS",
    "ROUND",
    "Correction",
    "Guided",
    "HandOver",
    "Refine",
    "correction_from_record",
    "correction_source",
    "correction_to_record",
    "read_correction",
]

ROUND: Final = 1024
"""Noise steps that a round of a correction has to itself; the draw's own are below it."""

MAX_ROUNDS: Final = 60
"""Most rounds of a correction: there are 65536 noise steps."""

Kernel = Literal["ode", "sde"]
GuideKernel = Literal["mean", "sample"]
Renoise = Literal["next", "random"]


@dataclass(frozen=True, kw_only=True)
class HandOver:
    """The student from noise to `tau`, the teacher's solver from there.

    Parameters
    ----------
    tau : float
        Time of the hand-over, between 0 (clean) and 1 (noise).
    steps : int, optional
        Steps of the teacher below `tau`; by default those of the reference there.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    name: ClassVar[str] = "hand-over"
    draws: ClassVar[bool] = True

    tau: float = 0.3
    steps: int | None = None

    def __post_init__(self) -> None:
        _check_tau(self.tau)
        _check_steps(self.steps)

    @property
    def meaning(self) -> str:
        """One sentence: which law the images are drawn from."""
        return (
            f"Hand-over at tau {self.tau:g}: the student decides what there is at the noise of "
            "that time and the teacher's solver draws the rest, so that the images are the "
            "teacher's posterior draws for its own noise as far as the student's way to tau is "
            "exact, and differ from them where it is not."
        )


@dataclass(frozen=True, kw_only=True)
class Refine:
    """A student's sample, re-noised to `tau` and drawn again by the teacher, several times.

    The teacher's law stays as it is under one round, and any other comes nearer to it. In a
    direction of posterior variance c, with ``rho = alpha^2 c / (alpha^2 c + beta^2)`` at `tau`, a
    round leaves ``sqrt(rho)`` of an error of the mean and ``rho`` of one of the variance with the
    kernel ``"ode"``, ``rho`` and ``rho^2`` with ``"sde"`` (SDEdit, Meng et al. 2022, as a Markov
    chain).

    Parameters
    ----------
    tau : float
        Time up to which noise is added, between 0 (clean) and 1 (noise).
    kernel : str
        ``"ode"``: the teacher's deterministic solver; ``"sde"``: a stochastic one, which forgets
        the student faster and keeps the variance less exactly.
    times : int
        Rounds, 1 to `MAX_ROUNDS`.
    steps : int, optional
        Steps of the teacher in a round; by default those of the reference below `tau`.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    name: ClassVar[str] = "refine"
    draws: ClassVar[bool] = True

    tau: float = 0.3
    kernel: Kernel = "sde"
    times: int = 1
    steps: int | None = None

    def __post_init__(self) -> None:
        _check_tau(self.tau)
        _check_choice("kernel", self.kernel, Kernel)
        _check_rounds("times", self.times, least=1)
        _check_steps(self.steps)

    @property
    def meaning(self) -> str:
        """One sentence: which law the images are drawn from."""
        rounds = "once" if self.times == 1 else f"{self.times} times"
        return (
            f"Refined {rounds} from tau {self.tau:g}: the teacher draws anew what is finer than "
            "the noise of that time, so that there the images are the teacher's posterior draws "
            "within its solver's error; what is coarser stays the student's in part, and the "
            "noise is no longer that of the teacher's samples of the same seed."
        )


@dataclass(frozen=True, kw_only=True)
class Guided:
    """A student of several steps, led by its teacher in the first of them: Distillation++.

    After Park et al. 2024 (arXiv 2412.08871). The clean image of a step is re-noised, and either
    moved by a share `lam` towards the teacher's mean given that, which loses variance by a known
    amount, see `predicted_variance_loss`; or exchanged with probability `lam` for a draw of the
    teacher given that, which keeps the law of an exact student.

    Parameters
    ----------
    lam : float
        Share or probability, from 0 (the student) to 1.
    k : int
        Steps that are led, from the first one on; the last step of a student is not.
    renoise : str
        Noise of the teacher's look: ``"next"``, of the time the step leads to, or ``"random"``, of
        a time between 0.05 and 0.95, drawn for each sample.
    kernel : str
        ``"mean"`` or ``"sample"``.
    steps : int, optional
        Steps of the teacher's draw, for the kernel ``"sample"``; by default those of the reference
        from there.

    Raises
    ------
    InputError
        If a value is out of range, or `steps` is given for the kernel ``"mean"``.
    """

    name: ClassVar[str] = "guided"

    lam: float = 0.1
    k: int = 1
    renoise: Renoise = "next"
    kernel: GuideKernel = "mean"
    steps: int | None = None

    def __post_init__(self) -> None:
        if not (_is_number(self.lam) and 0 <= self.lam <= 1):
            raise InputError(f"lam is {self.lam}; give a number from 0 (the student) to 1")
        _check_rounds("k", self.k, least=0)
        _check_choice("renoise", self.renoise, Renoise)
        _check_choice("kernel", self.kernel, GuideKernel)
        _check_steps(self.steps)
        if self.steps is not None and self.kernel == "mean":
            raise InputError(
                "the kernel 'mean' asks the teacher once a step; leave steps out, or give "
                "kernel='sample'"
            )

    @property
    def draws(self) -> bool:
        """Whether an exact student's images would stay posterior draws."""
        return self.kernel == "sample" or self.lam == 0 or self.k == 0

    @property
    def meaning(self) -> str:
        """One sentence: which law the images are drawn from."""
        steps = "the first step" if self.k == 1 else f"the first {self.k} steps"
        if self.lam == 0 or self.k == 0:
            return "Guided with no weight: the images are the student's samples as they are."
        if self.kernel == "sample":
            return (
                f"Guided by the teacher's draws with probability {self.lam:g} in {steps}: the law "
                "of a student that is exact stays the teacher's posterior, and that of another "
                "comes nearer to it."
            )
        return (
            f"Guided by the teacher's mean with weight {self.lam:g} in {steps}: the images are no "
            "posterior draws, even of a student that is exact, since a mean pulls them together."
        )


Correction: TypeAlias = HandOver | Refine | Guided

_KINDS: Final[dict[str, type[HandOver | Refine | Guided]]] = {
    kind.name: kind for kind in (HandOver, Refine, Guided)
}


def read_correction(given: object) -> Correction | None:
    """Return the correction that was asked for.

    Parameters
    ----------
    given : HandOver, Refine, Guided, str or None
        Text is a name, ``"hand-over"``, ``"refine"`` or ``"guided"``, with options where they are
        not the usual ones: ``"hand-over:tau=0.3,steps=6"``.

    Raises
    ------
    InputError
        If it is none of these, or a value is out of range.
    """
    if given is None or isinstance(given, HandOver | Refine | Guided):
        return given
    if not isinstance(given, str):
        raise InputError(f"correction is {given!r}; give {_known()}, or leave it out")
    name, _, rest = given.partition(":")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise InputError(f"the option {part!r} of {name!r} has no value; write {part}=VALUE")
        options[key.strip()] = _value(value.strip())
    return correction_from_record({"kind": name.strip(), **options})


def correction_to_record(correction: Correction) -> dict[str, Any]:
    """Return a correction as JSON can hold it: its name as ``"kind"``, and its fields."""
    return {"kind": correction.name, **asdict(correction)}


def correction_from_record(record: object) -> Correction:
    """Make a correction of its record.

    Raises
    ------
    InputError
        If the kind or an option is unknown, or a value out of range.
    """
    options = dict(record) if isinstance(record, dict) else {}
    name = options.pop("kind", record)
    if not isinstance(name, str) or name not in _KINDS:
        raise InputError(f"the correction {name!r} is unknown; use {_known()}")
    kind = _KINDS[name]
    allowed = [field.name for field in fields(kind)]
    unknown = [key for key in options if key not in allowed]
    if unknown:
        raise InputError(f"{name!r} has no option {unknown[0]!r}; it has {', '.join(allowed)}")
    return kind(**options)


def correction_source(correction: Correction) -> str:
    """Return a correction as Python source, where the package is ``npo``."""
    kind = type(correction)
    given = [f"{key}={value!r}" for key, value in asdict(correction).items() if value is not None]
    return f"npo.{kind.__name__}({', '.join(given)})"


def _known() -> str:
    return "'hand-over', 'refine' or 'guided'"


def _value(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _is_number(value: object) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value)  # type: ignore[arg-type]  # a number by now


def _check_tau(tau: object) -> None:
    if not (_is_number(tau) and 0 < tau < 1):  # type: ignore[operator]  # a number by now
        raise InputError(f"tau is {tau!r}; give a time between 0 (clean) and 1 (noise)")


def _check_steps(steps: object) -> None:
    if steps is not None and (not _is_whole(steps) or not 1 <= steps <= 512):  # type: ignore[operator]
        raise InputError(f"the teacher takes 1 to 512 steps below tau, not {steps!r}")


def _check_rounds(name: str, value: object, *, least: int) -> None:
    if not _is_whole(value) or not least <= value <= MAX_ROUNDS:  # type: ignore[operator]
        raise InputError(f"{name} is {value!r}; give a whole number from {least} to {MAX_ROUNDS}")


def _check_choice(name: str, value: object, choices: Any) -> None:
    known = get_args(choices)
    if value not in known:
        raise InputError(f"{name} is {value!r}; use {' or '.join(map(repr, known))}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
