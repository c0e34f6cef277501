"""Reports made by hand, one for each way in which a comparison can end."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from napari_posterior.checks.counted.site_changes import SiteTable, find_site_changes
from napari_posterior.checks.finding import Finding
from napari_posterior.checks.maps import MapImage
from napari_posterior.checks.report import Figures, Report, RunPictures, Values
from napari_posterior.checks.solver import OpenBand, SolverTrust
from napari_posterior.checks.source import Description
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.checks.verdicts.judging import Settled, conclude, settle
from napari_posterior.checks.verdicts.looks import ALPHA, Looks
from napari_posterior.checks.verdicts.tolerances import Tolerances

__all__ = ["KINDS", "make_report"]

KINDS = (
    "preserved",
    "not preserved",
    "open",
    "few",
    "untestable",
    "questionable",
    "post hoc",
    "between looks",
)
"""How a comparison can end."""

CERTIFIED = SolverTrust(
    reference=True,
    certified=True,
    words="certified: up to 1.72 % of the variance left open",
    solver="Heun, 18 steps",
    ruler="Heun, 36 steps",
    left_open=(OpenBand(0.0, 0.5, 0.0172),),
    mean_gap=0.012,
    tolerance=0.05,
    level=0.9,
    scenes=12,
    samples=32,
)

LOST = ("variance", "tiles", "spectrum", "puncta_count", "sites.lost")


def make_report(kind: str = "preserved", *, side: int = 96, samples: int = 64) -> Report:
    """Make a report that ends as `kind`, one of `KINDS`, on an image of `side` pixels."""
    counts = (samples, samples)
    counts = (12, 12) if kind == "few" else counts
    looks, tolerances = Looks(), Tolerances.choose({"variance": (0.75, 1.33)})
    solver = replace(CERTIFIED, reference=False) if kind == "questionable" else CERTIFIED
    findings = _findings(kind, counts, looks.level)
    settled = None
    if kind == "post hoc":
        settled = Settled(post_hoc=frozenset({"variance", "puncta_count"}))
    if kind == "between looks":
        settled = Settled(decides=False, earlier={"variance": "preserved"}, next_look=128)
    judged = settle(findings, tolerances, looks, solver=solver, settled=settled)
    doubts = (
        (
            "The teacher was drawn with other steps than those of its reference, so its own error "
            "is not known.",
            "The teacher's own samples have a reduced chi-squared of 1.21 on this image (97.6 % "
            "interval 1.20 to 1.22); a draw from the posterior of this camera has 0.98 to 1.02.",
        )
        if kind == "questionable"
        else ()
    )
    return Report(
        findings=judged,
        figures=_figures(judged, side, counts),
        teacher=_describe("teacher", "teacher", counts[0], 18, 36, solver, side),
        student=_describe("student", "kd", counts[1], 1, 1, None, side),
        level=looks.level,
        coupled=False,
        rho=None,
        scope=(
            f"cell_1 ({side} × {side} pixels): {counts[1]} samples of kd, 1 step against "
            f"{counts[0]} samples of teacher, 18 steps."
        ),
        warnings=("Gain, offset or read noise were estimated from the image.",),
        thresholds={"puncta_amplitude": [21.3], "puncta_amplitude_input": [42.6]},
        overall=conclude(judged, looks, questionable=doubts),
        plan={
            "declared_at": "2026-11-20T09:12:44+00:00",
            "looks": list(looks.samples),
            "tail": looks.tail,
            "alpha": ALPHA,
            "question": "I look at the restoration and its error bars",
            "restarts": int(kind == "post hoc"),
            "tolerances": tolerances.to_dict(),
            "ledger": [
                {
                    "samples_teacher": n,
                    "samples_student": n,
                    "look": n,
                    "created": f"2026-11-20T1{i}:00:00+00:00",
                    "verdicts": {"mean": "not enough samples", "alarm": None},
                }
                for i, n in enumerate((16, 32))
            ],
        },
        created="2026-11-20T12:30:00+00:00",
    )


def _findings(kind: str, counts: tuple[int, int], level: float) -> list[Finding]:
    wide = {"open": 6.0, "few": 6.0}.get(kind, 1.0)
    lost = kind == "not preserved"

    def ratio(key: str, title: str, value: float, se: float, **also: object) -> Finding:
        value = 0.52 if lost and key in LOST else value
        return _finding(key, title, value, wide * se, counts, level, log=True, **also)

    def plain(key: str, title: str, unit: str, value: float, se: float, **also: object) -> Finding:
        value = -18.4 if lost and key in LOST and not also.get("distance") else value
        return _finding(key, title, value, wide * se, counts, level, unit=unit, **also)

    sites = 0.16 if lost else 0.012
    found = [
        plain("mean", "mean gap", "posterior SD", 0.06, 0.02, distance=True, question="mean"),
        ratio("variance", "variance ratio", 0.97, 0.03, question="variance"),
        ratio(
            "tiles",
            "variance ratio of tiles",
            1.04,
            0.05,
            question="variance",
            maps=("tile_ratio",),
        ),
        ratio("spectrum", "variance ratio by size of detail", 0.95, 0.04, question="variance"),
        plain(
            "puncta_count",
            "puncta count",
            "puncta",
            0.4,
            1.1,
            kind="statistic",
            question="task",
            extra={"teacher_mean": 84.2, "teacher_sd": 9.6},
        ),
        ratio("puncta_count.spread", "spread of the puncta count", 1.02, 0.06, kind="spread",
              question="task"),
        plain("sites.lost", "puncta lost", "share of puncta", sites, 0.004, distance=True,
              question="task"),
        plain("likelihood", "likelihood residual", "reduced chi-squared", 0.003, 0.002,
              question="likelihood"),
        ratio("dimension", "effective dimension", 0.93, 0.05, question="diversity"),
        replace(
            plain("alarm", "any difference at all", "", 0.02, 0.01, question="diversity"),
            kind="",
            p_value=0.41,
            p_method="energy distance, 999 permutations",
        ),
    ]  # fmt: skip
    if kind == "untestable":
        words = "details finer than 180 nm lie beyond the optical cut-off of the PSF"
        found = [
            replace(one, untestable="the camera is not known")
            if one.id == "likelihood"
            else replace(one, interval=(None, None), estimate=None, untestable=words)
            if one.id == "spectrum"
            else one
            for one in found
        ]
    return found


def _finding(
    key: str,
    title: str,
    value: float,
    se: float,
    counts: tuple[int, int],
    level: float,
    *,
    unit: str = "",
    log: bool = False,
    kind: str | None = None,
    distance: bool = False,
    **also: object,
) -> Finding:
    reach = 2.3 * se
    if log:
        interval = (value * float(np.exp(-reach)), value * float(np.exp(reach)))
    else:
        interval = (max(value - reach, 0.0) if distance else value - reach, value + reach)
    evidence = TEvidence(value, se, sum(counts) - 2, log=log)
    return Finding(
        id=key,
        title=title,
        estimand=f"{title}, student against teacher",
        unit=unit,
        estimate=value,
        interval=interval,
        level=level,
        method="Welch t",
        n_teacher=counts[0],
        n_student=counts[1],
        coupled=False,
        sentence=f"The {title} is {value:.3g} (97.6 % interval {interval[0]:.3g} to "
        f"{interval[1]:.3g}).",
        no_difference=1.0 if log else 0.0,
        kind=key if kind is None else kind,
        distance=distance,
        evidence=evidence,
        **also,  # type: ignore[arg-type]
    )


def _describe(
    role: str,
    sampler: str,
    samples: int,
    steps: int,
    nfe: int,
    solver: SolverTrust | None,
    side: int,
) -> Description:
    return Description(
        role=role,
        sampler=sampler,
        samples=samples,
        model="fluo2d",
        bundle_hash="b" * 64,
        steps=steps,
        nfe=nfe,
        seed=len(role),
        precision="float32",
        camera_words="gain 2.00 ADU/e-, offset 100 ADU, read noise 1.5 e- (given)",
        psf_words="Gaussian, sigma 1.50 px",
        image_name="cell_1",
        image_sha256="a" * 64,
        image_shape=(side, side),
        scale=(0.08, 0.08),
        units=("micrometer", "micrometer"),
        translate=(0.0, 2.4),
        solver=solver,
    )


def _figures(findings: tuple[Finding, ...], side: int, counts: tuple[int, int]) -> Figures:
    generator = np.random.default_rng(0)
    rows, columns = np.indices((side, side)) / side
    mean = 6 + 20 * np.exp(-((rows - 0.45) ** 2 + (columns - 0.6) ** 2) / 0.05)
    for row, column in _places(side):
        yy, xx = np.indices((side, side))
        mean += 50 * np.exp(-((yy - row) ** 2 + (xx - column) ** 2) / 2)

    def run(scale: float, samples: int) -> RunPictures:
        sd = scale * np.sqrt(mean)
        gallery = mean + sd * generator.normal(size=(min(samples, 3), side, side))
        return RunPictures(*(a.astype(np.float32) for a in (mean, sd, gallery)))

    tile = max(side // 4, 1)

    def tiled(values: np.ndarray) -> np.ndarray:
        whole = np.repeat(np.repeat(values, tile, 0), tile, 1)[:side, :side]
        return whole.astype(np.float32)

    logs = tiled(generator.normal(0, 0.3, (4, 4)))
    codes = tiled(generator.integers(0, 3, (4, 4)))
    difference = generator.normal(0, 0.4, (side, side))
    difference[: side // 4, : side // 4] += 2
    maps = (
        MapImage("mean_difference", "mean of student − mean of teacher",
                 difference.astype(np.float32), "photoelectrons/px", "Difference of the means."),
        MapImage("mean_significant", "where the means differ",
                 (difference > 1.5).astype(np.float32), "", "1 where the means differ."),
        MapImage("tile_ratio", "variance ratio, tile by tile", logs,
                 "log2", "Binary logarithm of the student's variance over the teacher's."),
        MapImage("tile_verdict", "tiles within and beyond the limit",
                 codes, "",
                 "0 (clear): within 0.67 to 1.5 times the teacher's variance; 1 (hatched): beyond "
                 "it; 2 (dots): cannot be told."),
    )  # fmt: skip
    return Figures(
        input=(100 + 2 * generator.poisson(mean)).astype(np.float32),
        teacher=run(1.0, counts[0]),
        student=run(0.9, counts[1]),
        log2_variance_ratio=generator.normal(-0.2, 0.4, (side, side)).astype(np.float32),
        values=(
            Values("puncta_count", "puncta count", "puncta", generator.poisson(84, counts[0]),
                   generator.poisson(84, counts[1])),
            Values("likelihood", "likelihood residual", "reduced chi-squared",
                   generator.normal(1, 0.006, counts[0]), generator.normal(1.004, 0.006, counts[1]),
                   1.0, 0.012),
        ),
        pixel_size=(0.08, 0.08),
        unit="micrometer",
        maps=maps,
        charts=_charts(generator),
        sites=_sites(side, counts),
    )  # fmt: skip


def _places(side: int) -> np.ndarray:
    """Where puncta are, row and column in pixels, (24, 2)."""
    return np.random.default_rng(2).uniform(4, side - 5, (24, 2))


@lru_cache
def _sites(side: int, counts: tuple[int, int]) -> SiteTable:
    """Puncta that are there in most samples; the first is lost, the last is invented."""
    generator = np.random.default_rng(1)
    places = _places(side)
    share = np.full((2, len(places)), 0.9)
    share[:, 0], share[:, -1] = (0.95, 0.2), (0.05, 0.9)
    runs = [
        [
            np.insert(places[generator.uniform(size=len(places)) < p], 0, 0, axis=1)
            for _ in range(count)
        ]
        for p, count in zip(share, counts, strict=True)
    ]
    _, table = find_site_changes(*runs, level=Looks().level, paired=False)
    return table


def _charts(generator: np.random.Generator) -> dict[str, object]:
    edges = np.geomspace(1 / 96, 0.48, 11)
    ratio = np.linspace(1.02, 0.8, 10)
    thresholds = 21.3 * np.geomspace(0.5, 2, 9)
    counts = 84 * (thresholds / 21.3) ** -0.6
    eigen = 30 * np.exp(-np.arange(31) / 9)
    nominal = np.array([0.5, 0.7, 0.8, 0.9])
    return {
        "spectrum": [
            {"edges": [float(a), float(b)], "ratio": float(r), "low": float(0.93 * r),
             "high": float(1.08 * r), "beyond_cutoff": bool(a > 0.3)}
            for a, b, r in zip(edges[:-1], edges[1:], ratio, strict=True)
        ],
        "curve": {"thresholds": thresholds.tolist(), "unit": "photoelectrons/px", "chosen": 21.3,
                  **{role: {"value": (f * counts).tolist(), "low": (f * counts - 3).tolist(),
                            "high": (f * counts + 3).tolist()}
                     for role, f in (("teacher", 1.0), ("student", 0.97))}},
        "eigen": {"teacher": eigen.tolist(), "student": (0.9 * eigen).tolist(),
                  "low": (0.85 * eigen).tolist(), "high": (1.15 * eigen).tolist()},
        "scatter": {"teacher": generator.normal(size=(64, 2)).tolist(),
                    "student": (0.9 * generator.normal(size=(64, 2))).tolist()},
        "coverage": {"nominal": nominal.tolist(),
                     "teacher": {"value": (nominal - 0.01).tolist(),
                                 "low": (nominal - 0.03).tolist(),
                                 "high": (nominal + 0.01).tolist()},
                     "student": {"value": (0.9 * nominal).tolist(),
                                 "low": (0.9 * nominal - 0.02).tolist(),
                                 "high": (0.9 * nominal + 0.02).tolist()}},
        "ranks": {"teacher": [0.1] * 10, "student": [0.16, 0.1, 0.09, 0.08, 0.07] * 2,
                  "low": 0.08, "high": 0.12},
    }  # fmt: skip
