"""The command that measures the solvers of a teacher."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from quick_certify import QUICK

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.sampling.certify import SolverChoice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAN = replace(
    QUICK,
    candidates=(SolverChoice("euler", "uniform", 2), *QUICK.candidates),
    stochastic=SolverChoice("dpmpp2m_sde", "uniform", 4),
)


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what the command offers where its options do not say it."""

    def set_plan(**changes: Any) -> None:
        monkeypatch.setattr(
            "napari_posterior.training.reference.CertifyPlan",
            lambda **options: replace(PLAN, **{**changes, **options}),
        )

    return set_plan


@pytest.fixture
def alone(tiny_writer: Callable[..., Path], tiny_parts: Any, tmp_path: Path) -> Path:
    """A bundle without students."""
    parts = {name: tiny_parts[name] for name in ("teacher", "point")}
    return tiny_writer(tmp_path / "alone", parts=parts)


def test_certify_prints_each_solver_with_its_bias_and_writes_nothing(
    command: Callable[..., Any], offer: Callable[..., None], alone: Path
) -> None:
    offer()
    before = sorted((p, p.read_bytes()) for p in alone.rglob("*") if p.is_file())
    done = command("models", "certify", alone, "--scenes", 3, "-k", 3, "--device", "cpu")
    assert done.code == 0
    head, columns, *rows = done.out.splitlines()
    assert head.startswith("3 scenes, 3 samples each")
    assert columns.split()[:2] == ["solver", "NFE"]
    assert columns.index("left open") > columns.index("mean") > columns.index("0.2 to 0.71")
    assert rows[0].startswith("euler, 2 steps on uniform")
    assert "passes" not in rows[0]
    assert rows[1].startswith("heun, 16 steps on uniform")
    assert rows[1].endswith("passes")
    assert rows[1][43:47].strip() == "31"
    assert rows[1].count("(") == 4
    assert [row for row in rows if row.startswith("dpmpp2m_sde")]
    assert "Chosen: heun, 16 steps on uniform; certified: up to " in done.out
    assert "Nothing was written" in done.err
    assert "reference: step" in done.err
    assert "nan" not in done.err
    assert sorted((p, p.read_bytes()) for p in alone.rglob("*") if p.is_file()) == before


def test_what_is_written_is_told_by_show_where_it_is_not_certified(
    command: Callable[..., Any], offer: Callable[..., None], alone: Path
) -> None:
    offer(candidates=PLAN.candidates[:1])
    done = command("models", "certify", alone, "--write", "--device", "cpu")
    assert done.code == 0
    assert "No solver stays within 2% of the variance in every band" in done.out
    words = done.out.partition("Chosen: euler, 2 steps on uniform; ")[2].splitlines()[0]
    assert words.startswith("not certified: up to ")
    assert words in open_bundle(alone).info("teacher").description
    assert words in command("models", "show", alone).out


def test_the_reference_of_a_bundle_with_students_is_not_replaced(
    command: Callable[..., Any], offer: Callable[..., None], tiny_bundle: Path, tmp_path: Path
) -> None:
    offer()
    shutil.copytree(tiny_bundle, tmp_path / "copy")
    refused = command("models", "certify", tmp_path / "copy", "--write")
    assert refused.code == 2
    assert "certify the teacher first and distil its students then" in refused.sentence
    assert refused.out == ""


def test_help_tells_how_much_is_measured_by_default(command: Callable[..., Any]) -> None:
    from napari_posterior.training.reference import CertifyPlan

    text = " ".join(command("models", "certify", "--help").out.split())
    for option in ("scenes", "samples"):
        told = text.partition(f"--{option}")[2].partition("--")[0]
        assert f"[default: {getattr(CertifyPlan(), option)}]" in told
