"""The ways of teaching a student, by name: what each is, what it costs, and how it is put together.

A method is a choice of parts for the one recipe of ``recipes.trajectory``, made in
``recipes.presets``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.errors import InputError
from napari_posterior.sampling.grid import uniform
from napari_posterior.training.recipes import presets
from napari_posterior.training.recipes.pairs import Stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.training.recipes.presets import Setup
    from napari_posterior.training.recipes.trajectory import TrajectoryRecipe

__all__ = [
    "COARSE_STEPS",
    "FAMILY",
    "METHODS",
    "QUARTERS",
    "Method",
    "Paper",
    "get_method",
]

QUARTERS: Final = 4
"""Stored trajectories have a state at every quarter of the reference's steps."""

_STATES_OF_STEPS: Final = {1: (0, 4), 2: (0, 2, 4), 3: (0, 1, 2, 4), 4: (0, 1, 2, 3, 4)}
COARSE_STEPS: Final = 8
"""Euler steps of the coarse targets."""


@dataclass(frozen=True)
class Paper:
    """Where a method comes from."""

    authors: str
    year: int
    arxiv: str

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.authors} {self.year}, arXiv:{self.arxiv}"


@dataclass(frozen=True)
class Method:
    """A way of teaching a student.

    Parameters
    ----------
    name : str
        Key of `METHODS`.
    title : str
        Name in words.
    inference : str
        What the student is when it draws, in words.
    make : callable
        ``make(setup, steps)`` returns the recipe of a student of `steps` sampling steps.
    cost : float
        Evaluations of teacher and student in a step of training, forward calls on a whole batch;
        for stages the mean over the default ones. Backward passes and stored targets come on top.
    papers : tuple of Paper
        Where it comes from.
    counts : str
        Numbers of sampling steps a student serves: ``"one"``; ``"exactly"`` the number asked for;
        ``"up to"`` it; or those of the ``"quarters"`` of stored trajectories.
    steps : int
        Number of sampling steps where none is asked for.
    mode : str
        As in :class:`~napari_posterior.bundles.card.FlowMapConfig`.
    any_steps : str, optional
        Grid for any other number of sampling steps.
    coupled : bool
        Whether its images keep the teacher's noise: the same canvas gives the same image but for
        what the student lost.
    posterior : str
        ``"sampler"``; ``"point"``, an estimate that is not a draw; or ``"tilted"``, a sampler of
        another law on purpose.
    targets : str, optional
        Stored trajectories it needs: those of the ``"reference"``, or of a ``"coarse"`` solver.
    train_steps, batch : int
        Steps of the optimiser and images a step, by default.
    rate : float
        Peak learning rate by default.
    staged : bool
        Whether training goes in stages, each with a learning rate that begins anew.
    """

    name: str
    title: str
    inference: str
    make: Callable[[Setup, int], TrajectoryRecipe]
    cost: float
    papers: tuple[Paper, ...]
    counts: Literal["one", "exactly", "up to", "quarters"] = "one"
    steps: int = 1
    mode: Literal["follow", "renoise"] = "follow"
    any_steps: str | None = None
    coupled: bool = True
    posterior: Literal["sampler", "point", "tilted"] = "sampler"
    targets: Literal["reference", "coarse"] | None = None
    train_steps: int = 8_000
    rate: float = 3e-4
    batch: int = 16
    staged: bool = False

    @property
    def takes_steps(self) -> bool:
        """Whether the number of sampling steps can be chosen."""
        return self.counts in ("exactly", "up to")

    def sampler(self, steps: int, times: tuple[float, ...] = ()) -> FlowMapConfig:
        """Return how a student of `steps` sampling steps is sampled.

        Parameters
        ----------
        steps : int
            Number of sampling steps.
        times : tuple of float
            Times of the stored states, for a method with the counts ``"quarters"``.
        """
        if self.counts == "quarters":
            grids = {n: tuple(times[i] for i in _STATES_OF_STEPS[n]) for n in range(1, steps + 1)}
        else:
            least = 1 if self.counts == "up to" else steps
            grids = {n: uniform(n) for n in range(least, steps + 1)}
        return FlowMapConfig(
            mode=self.mode,
            grids={str(n): grid for n, grid in grids.items()},
            default_steps=steps,
            any_steps=self.any_steps,
        )

    def restarts(self, steps: int, train_steps: int) -> tuple[int, ...]:
        """Return the steps of the optimiser at which stages begin."""
        return Stages.down_to(steps).begins(train_steps) if self.staged else ()


def get_method(name: str) -> Method:
    """Return the method called `name`.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}; use one of {', '.join(METHODS)}")
    return METHODS[name]


_LUHMAN = Paper("Luhman & Luhman", 2021, "2101.02388")
_BOFFI = Paper("Boffi, Albergo & Vanden-Eijnden", 2024, "2406.07507")

METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        Method(
            name="kd",
            title="Knowledge distillation",
            inference="one jump from noise to image, taught by converged images of the reference",
            make=presets.one_jump,
            cost=1.0,
            papers=(_LUHMAN,),
            targets="reference",
            train_steps=6_000,
            rate=5e-4,
        ),
        Method(
            name="kd-euler",
            title="Knowledge distillation of coarse targets",
            inference=(
                f"one jump from noise to image, taught by images of {COARSE_STEPS} Euler steps: "
                "the naive recipe, whose variance is lost before training begins"
            ),
            make=presets.one_jump,
            cost=1.0,
            papers=(_LUHMAN,),
            targets="coarse",
            train_steps=6_000,
            rate=5e-4,
        ),
        Method(
            name="pd",
            title="Progressive distillation",
            inference="a fixed number of jumps, each taught by two of the student before",
            make=presets.progressive,
            cost=3.5,
            papers=(Paper("Salimans & Ho", 2022, "2202.00512"),),
            counts="exactly",
            steps=4,
            staged=True,
        ),
        Method(
            name="cd",
            title="Consistency distillation",
            inference=(
                "one jump to an image, repeated with new noise in between; more than one step "
                "forgets the canvas"
            ),
            make=presets.consistency,
            cost=4.0,
            papers=(
                Paper("Song, Dhariwal, Chen & Sutskever", 2023, "2303.01469"),
                Paper("Song & Dhariwal", 2024, "2310.14189"),
            ),
            counts="up to",
            steps=4,
            mode="renoise",
            coupled=False,
            train_steps=4_000,
        ),
        Method(
            name="ctm",
            title="Consistency trajectory model",
            inference="jumps between any two times, any number of them, without new noise",
            make=presets.trajectory_model,
            cost=8.6,
            papers=(Paper("Kim et al.", 2024, "2310.02279"),),
            counts="up to",
            steps=4,
            any_steps="uniform",
        ),
        Method(
            name="shortcut",
            title="Shortcut model",
            inference="jumps between any two times, each taught by its two halves",
            make=presets.shortcut,
            cost=4.05,
            papers=(Paper("Frans, Hafner, Levine & Abbeel", 2024, "2410.12557"),),
            counts="up to",
            steps=4,
            any_steps="uniform",
        ),
        Method(
            name="lmd",
            title="Lagrangian map distillation",
            inference="jumps between any two times, which move as the teacher flows",
            make=presets.lagrangian,
            cost=2.5,
            papers=(
                _BOFFI,
                Paper("Boffi, Albergo & Vanden-Eijnden", 2025, "2505.18825"),
                Paper("Sabour, Fidler & Kreis", 2025, "2506.14603"),
            ),
            counts="up to",
            steps=4,
            any_steps="uniform",
            train_steps=6_000,
        ),
        Method(
            name="boot",
            title="Bootstrapped distillation",
            inference="one jump from noise to image, taught by its own way there",
            make=presets.bootstrapped,
            cost=4.2,
            papers=(Paper("Gu, Zhai, Zhang, Liu & Susskind", 2023, "2306.05544"),),
        ),
        Method(
            name="flowmap",
            title="Direct flow map",
            inference="jumps between the quarters of the reference's way, taught by its states",
            make=presets.any_jump,
            cost=1.0,
            papers=(_LUHMAN, _BOFFI),
            counts="quarters",
            steps=QUARTERS,
            targets="reference",
            train_steps=6_000,
            rate=5e-4,
        ),
    )
}
"""Ways of teaching a student, by name."""

FAMILY: Final = ("kd", "kd-euler", "pd", "lmd", "cd")
"""Methods of the students that are made where none is named."""
