"""Does the answer follow the measurement: restorations of redrawn noise, scored on every redraw.

The camera noise of one known object is drawn B times. A sample of measurement b that follows its
data explains y_b better than the other y_j; by how much, in nats, is the *likelihood gap*, and that
of the student over that of the teacher is the share of the measurement that the student uses. For
a linear Gaussian restoration the gap is linear in the sensitivity to the data.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.experiments.experiment import Experiment, check_number
from napari_posterior.checks.experiments.likelihood_gaps import CLEAR, likelihood_gaps
from napari_posterior.checks.experiments.redraw_evidence import RedrawEvidence
from napari_posterior.checks.experiments.sizes import DEPENDENCE_SAMPLES, MEASUREMENTS
from napari_posterior.checks.finding import Finding, confidence, number, rounded

if TYPE_CHECKING:
    from napari_posterior.checks.source import SampleSource

__all__ = ["find_dependence", "plan_dependence"]

_LEAST: Final = 3
_PERMUTATIONS: Final = 999


def plan_dependence(
    source: SampleSource,
    *,
    measurements: int = MEASUREMENTS,
    samples: int = DEPENDENCE_SAMPLES,
    seed: int = 0,
    coupled: bool = True,
) -> Experiment:
    """Plan to redraw the camera noise of one of the teacher's samples.

    Parameters
    ----------
    source : SampleSource
        The teacher's run.
    measurements : int
        How often the noise is redrawn, 3 or more.
    samples : int
        Samples of each sampler for each measurement, 2 or more.
    seed : int
        Chooses the sample, and makes the noise.
    coupled : bool
        Whether both samplers start from the same noise.

    Raises
    ------
    InputError
        If a number is too small.
    """
    redraws = check_number(measurements, "measurements", _LEAST)
    each = check_number(samples, "samples", 2)
    star = int(np.random.default_rng(seed).integers(source.samples.shape[0]))
    return Experiment(
        name="dependence",
        question="dependence",
        title="Dependence on the measurement",
        source=source,
        stars=(star,) * redraws,
        samples=(each, each),
        seed=seed,
        coupled=coupled,
    )


def find_dependence(
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    level: float,
    paired: bool,
    seed: int = 0,
    maps: tuple[str, ...] = (),
) -> Finding:
    """Compare how strongly the samples of two samplers follow the data.

    Parameters
    ----------
    teacher, student : ndarray, (B, K, B, ...)
        ``ln p(y_j | x_k(y_b))`` at ``[b, k, j]`` in nats, up to what is the same for all j; of
        patches, or of the whole.
    level : float
        Confidence level.
    paired : bool
        Whether sample k of measurement b starts from the same noise in both.
    seed : int
        Of the permutations.
    maps : tuple of str
        Names of the maps that show where.

    Notes
    -----
    ``R = gap_S / gap_T``. Its squared standard error is that of the samples, a jackknife over the
    pairs (b, k), and what a jackknife over the measurements has beyond it: the samplers may differ
    in what they take from the noise. Degrees of freedom by Satterthwaite.
    """
    tables = [_whole(one) for one in (teacher, student)]
    gaps = [likelihood_gaps(one) for one in tables]
    count, each = gaps[0].shape
    restored = count * each, count * gaps[1].shape[1]
    means = [float(one.mean()) for one in gaps]
    noise = math.sqrt(_stratified(gaps[0]))
    p_value = _permute(*gaps, paired=paired, seed=seed)
    common = {
        "id": "dependence",
        "title": "dependence on the measurement",
        "estimand": "likelihood gap of student samples / that of teacher samples",
        "unit": "",
        "level": level,
        "n_teacher": restored[0],
        "n_student": restored[1],
        "coupled": paired,
        "no_difference": 1.0,
        "question": "dependence",
        "kind": "dependence",
        "counted": "restorations of each sampler",
        "p_value": p_value,
        "p_method": f"{_PERMUTATIONS} {'sign flips of pairs' if paired else 'permutations'}",
        "maps": maps,
    }
    extra = {
        "gap_teacher_nats": means[0],
        "gap_student_nats": means[1],
        "gap_teacher_se_nats": noise,
        "measurements": count,
        "samples_of_each": each,
    }
    notes = (
        f"The camera noise of one teacher sample was redrawn {count} times; each measurement was "
        "restored anew by both. That an answer follows the data strongly does not make it right.",
    )
    if not means[0] > CLEAR * noise:
        return Finding(
            **common,
            estimate=None,
            interval=(None, None),
            method="jackknife",
            sentence=(
                "How strongly the student's answer follows the data cannot be compared on this "
                "image: when the camera noise is redrawn, a teacher sample explains its own "
                f"measurement only {number(means[0])} nats better than another one (standard error "
                f"{number(noise)} nats)."
            ),
            untestable=(
                "the teacher's own answer hardly follows the camera noise, so that there is "
                "nothing to compare the student's with; more measurements and samples, or a "
                "brighter image, may tell"
            ),
            notes=notes,
            extra=extra,
        )
    ratio = means[1] / means[0]
    within = _ratio_variance(*gaps, paired=paired)
    without = np.array([_ratio(*(_leave_out(one, b) for one in tables)) for b in range(count)])
    among = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    excess = max(among - within, 0.0)
    variance = within + excess
    units = each - 1 if paired else sum(one.shape[1] - 1 for one in gaps)
    parts = within**2 / (count * units) + excess**2 / (count - 1)
    df = variance**2 / parts if parts > 0 else float(count * units)
    se = math.sqrt(variance)
    reach = float(stats.t.isf((1 - level) / 2, df)) * se
    interval = ratio - reach, ratio + reach
    value, span = rounded(ratio, interval)
    return Finding(
        **common,
        estimate=ratio,
        interval=interval,
        method=f"jackknife over {'pairs of ' if paired else ''}samples and measurements, t",
        sentence=(
            "When the camera noise is redrawn on this image, the student's answer follows the "
            f"data {value} times as strongly as the teacher's ({confidence(level)} interval {span};"
            " 1 is no difference, below 1 the student uses less of the measurement, above 1 it "
            "copies more of the noise)."
        ),
        evidence=RedrawEvidence(ratio, se, df, redraws=count, each=each),
        notes=notes,
        extra={
            **extra,
            "se": se,
            "df": df,
            "se_of_samples": math.sqrt(within),
            "se_of_measurements": math.sqrt(among),
        },
    )


def _whole(logs: np.ndarray) -> np.ndarray:
    """Add up all patches, (B, K, B) float64."""
    return np.asarray(logs.reshape(*logs.shape[:3], -1).sum(-1, dtype=np.float64))


def _leave_out(table: np.ndarray, b: int) -> np.ndarray:
    left = [i for i in range(len(table)) if i != b]
    return np.asarray(table[left][:, :, left])


def _ratio(teacher: np.ndarray, student: np.ndarray) -> float:
    return float(likelihood_gaps(student).mean() / likelihood_gaps(teacher).mean())


def _stratified(values: np.ndarray) -> float:
    """Return the variance of the mean of B groups of K values, (B, K)."""
    count, each = values.shape
    return float(values.var(1, ddof=1).sum() / (each * count**2))


def _ratio_variance(teacher: np.ndarray, student: np.ndarray, *, paired: bool) -> float:
    """Return the jackknife variance of the ratio of the mean gaps over pairs (b, k)."""
    means = teacher.mean(), student.mean()

    def without(gaps: np.ndarray) -> np.ndarray:
        count, each = gaps.shape
        moved = (gaps.mean(1, keepdims=True) - gaps) / (count * (each - 1))
        return np.asarray(gaps.mean() + moved)

    if paired:
        left = [without(student) / without(teacher)]
    else:
        left = [means[1] / without(teacher), without(student) / means[0]]
    return math.fsum((one.shape[1] - 1) * float(one.var(1).sum()) for one in left)


def _permute(teacher: np.ndarray, student: np.ndarray, *, paired: bool, seed: int) -> float:
    """Return the p-value that the gaps of both are alike, labels dealt anew in each measurement."""
    rng = np.random.default_rng(seed)
    if paired:
        apart = student - teacher
        signs = rng.choice([-1.0, 1.0], (_PERMUTATIONS, *apart.shape))
        dealt = (signs * apart).mean((1, 2))
        own = apart.mean()
    else:
        pool = np.concatenate([teacher, student], 1)
        many = np.broadcast_to(pool, (_PERMUTATIONS, *pool.shape))
        mixed = rng.permuted(many, axis=2)
        each = teacher.shape[1]
        dealt = mixed[:, :, each:].mean((1, 2)) - mixed[:, :, :each].mean((1, 2))
        own = student.mean() - teacher.mean()
    least = abs(own) - 1e-9 * float(np.abs(dealt).max(initial=0.0))
    return float((1 + (np.abs(dealt) >= least).sum()) / (_PERMUTATIONS + 1))
