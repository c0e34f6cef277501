"""Maps of where two runs differ: for looking at, since no single pixel can get a verdict.

The mean is tested with Welch's t, the variance with the t of the distances from the median of each
run (Brown & Forsythe 1974, JASA 69:364). "Somewhere in the image" is claimed by the largest |t| of
all pixels against that of shuffled labels (Westfall & Young 1993), shared by all bands of rows;
the second overlay is that of Benjamini & Hochberg (1995), J. R. Stat. Soc. B 57:289.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage, stats

from napari_posterior.checks.finding import Finding, number
from napari_posterior.checks.maps import MapImage
from napari_posterior.checks.spread.shrinkage import shrink_variances
from napari_posterior.checks.spread.variance import log2_variance_ratio_map
from napari_posterior.physics.psf import TARGET_SIGMA

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ALPHA", "PixelTests"]

ALPHA: Final = 0.05
"""Error of the claim "somewhere", and false-discovery rate of the second overlay."""

_REACH: Final = 4.0  # standard deviations of the smoothing
_BLOCK: Final = 8192  # px that are shuffled at once
_ROUNDING: Final = 1e-6  # of a value: what float32 cannot tell apart


class PixelTests:
    """Tests one plane of two runs pixel by pixel, in bands of rows that bound the memory.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    counts : tuple of int
        Samples of teacher and student, 3 or more.
    paired : bool
        Whether sample i of both runs share their noise: then signs within pairs are shuffled.
    permutations : int
        Shuffles of the labels.
    seed : int
        Of the shuffles.
    sigma : float
        Width in pixels of the Gaussian that every sample is smoothed with: a resolution element.

    Attributes
    ----------
    halo : int
        Rows that `add` needs above and below those it tests.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        counts: tuple[int, int],
        *,
        paired: bool,
        permutations: int = 199,
        seed: int = 0,
        sigma: float = TARGET_SIGMA,
    ) -> None:
        self.halo: Final = round(_REACH * sigma)
        self._sigma = sigma
        self._shape, self._counts, self._paired = shape, counts, paired
        shuffles = _sign_flips if paired else _label_shuffles
        self._weights = shuffles(counts, permutations, np.random.default_rng(seed))
        self._difference = np.zeros(shape, np.float32)
        self._variances = np.zeros((2, *shape), np.float32)
        self._tests = [_Test(np.zeros(shape, np.float32), np.zeros(permutations)) for _ in range(2)]

    def add(
        self,
        teacher: np.ndarray,
        student: np.ndarray,
        start: int,
        stop: int,
        *,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        """Test the rows from `start` to `stop`.

        Parameters
        ----------
        teacher, student : ndarray, (K, h, W) float32
            Photoelectrons per pixel, rows ``max(start - halo, 0)`` to ``min(stop + halo, H)``.
        start, stop : int
            Rows to test.
        on_step : callable, optional
            Called often; may raise to end it.
        """
        above = start - max(start - self.halo, 0)
        groups = []
        for rows in (teacher, student):
            smooth = self._smooth(rows, on_step)[:, above : above + stop - start]
            groups.append(smooth.reshape(len(smooth), -1))
        band = slice(start * self._shape[1], stop * self._shape[1])
        for first in range(0, groups[0].shape[1], _BLOCK):
            block = [group[:, first : first + _BLOCK] for group in groups]
            place = slice(band.start + first, band.start + first + block[0].shape[1])
            means = [part.mean(0, dtype=np.float64) for part in block]
            self._difference.reshape(-1)[place] = means[1] - means[0]
            size = np.maximum(*[np.abs(part).max(0) for part in block])
            for k, part in enumerate(block):
                self._variances.reshape(2, -1)[k, place] = part.var(0, ddof=1)
            self._test(self._tests[0], block, size, place)
            away = [np.abs(part - np.median(part, 0)) for part in block]
            self._test(self._tests[1], away, size, place)
            if on_step is not None:
                on_step()

    def finish(self) -> tuple[tuple[MapImage, ...], tuple[Finding, ...]]:
        """Return the maps, and what can be said about "somewhere in the image".

        Returns
        -------
        tuple of MapImage
            ``"mean_difference"``, ``"mean_t"``, ``"mean_significant"``, ``"mean_discoveries"``,
            ``"sd_ratio"``, ``"sd_significant"``, ``"sd_discoveries"``.
        tuple of Finding
            ``"mean.somewhere"`` and ``"variance.somewhere"``: p-values and no verdict.
        """
        df = self._counts[0] - 1 if self._paired else sum(self._counts) - 2
        sd = [
            np.sqrt(shrink_variances(part, count - 1))
            for part, count in zip(self._variances, self._counts, strict=True)
        ]
        ratio = 0.5 * log2_variance_ratio_map(sd[0], sd[1])
        mean, spread = (test.result(df) for test in self._tests)
        how = (
            "the largest |t| of all pixels, shuffled labels"
            if not self._paired
            else ("the largest |t| of all pixels, signs shuffled within pairs")
        )
        smoothed = f"smoothed with a Gaussian of {number(self._sigma, 2)} px"
        blank = np.isnan(ratio)
        maps = (
            MapImage(
                "mean_difference",
                "mean of student − mean of teacher",
                self._difference,
                "photoelectrons/px",
                f"Difference of the means of the samples, {smoothed}.",
            ),
            MapImage(
                "mean_t",
                "difference of the means, t",
                self._tests[0].t,
                "standard errors",
                "The difference of the means over its standard error, at one pixel.",
            ),
            *_overlays("mean", "means", mean, np.zeros_like(blank)),
            MapImage(
                "sd_ratio",
                "SD of student / SD of teacher",
                ratio.astype(np.float32),
                "log2",
                f"Binary logarithm of the ratio of the standard deviations, samples {smoothed}, "
                "each variance pulled towards those around it; blank where both are certain.",
            ),
            *_overlays("sd", "standard deviations", spread, blank),
        )
        findings = (
            self._find("mean.somewhere", "mean", "means", mean, how, maps[:4]),
            self._find("variance.somewhere", "variance", "error bars", spread, how, maps[4:]),
        )
        return maps, findings

    def _smooth(self, rows: np.ndarray, on_step: Callable[[], None] | None) -> np.ndarray:
        found = np.empty(rows.shape, np.float32)
        for k, sample in enumerate(rows):
            ndimage.gaussian_filter(
                sample, self._sigma, output=found[k], mode="reflect", truncate=_REACH
            )
            if on_step is not None:
                on_step()
        return found

    def _test(self, test: _Test, block: list[np.ndarray], size: np.ndarray, place: slice) -> None:
        """Add the t of some pixels, and what shuffling makes of its largest."""
        floor = np.square(_ROUNDING * size, dtype=np.float64)
        statistic = _paired_t if self._paired else _welch_t
        observed, shuffled = statistic(block, self._weights, floor)
        test.t.reshape(-1)[place] = observed
        np.maximum(test.largest, shuffled, out=test.largest)

    def _find(
        self,
        key: str,
        question: str,
        noun: str,
        result: _Result,
        how: str,
        maps: tuple[MapImage, ...],
    ) -> Finding:
        pixels = int(result.significant.sum())
        share = f"{pixels} of {result.significant.size} pixels"
        return Finding(
            id=key,
            title=f"{noun} somewhere in the image",
            estimand="largest |t| over pixels",
            unit="standard errors",
            estimate=result.largest,
            interval=(None, None),
            level=1 - ALPHA,
            method="t at each pixel, after smoothing by a resolution element",
            n_teacher=self._counts[0],
            n_student=self._counts[1],
            coupled=self._paired,
            sentence=(
                f"On this image the {noun} differ by up to {number(result.largest, 2)} standard "
                f"errors at one pixel; shuffled samples reach {number(result.line, 2)} in "
                f"{round(100 * ALPHA)} % of cases, which {share} exceed."
            ),
            question=question,
            p_value=result.p_value,
            p_method=f"{how} ({len(self._weights)} times)",
            maps=tuple(one.name for one in maps),
            notes=_NOTES,
            extra={"line": result.line, "pixels": pixels, "discoveries": int(result.found.sum())},
        )


_NOTES: Final = (
    "Maps of single pixels are for looking at: they show where, and no pixel gets a verdict.",
)


@dataclass(frozen=True, eq=False)
class _Result:
    largest: float
    line: float
    p_value: float
    significant: np.ndarray
    found: np.ndarray


@dataclass(frozen=True, eq=False)
class _Test:
    """t of every pixel, and the largest |t| of each shuffle so far."""

    t: np.ndarray
    largest: np.ndarray

    def result(self, df: int) -> _Result:
        size = np.abs(self.t)
        observed = float(size.max())
        everything = np.sort([*self.largest, observed])
        line = float(everything[-max(int(ALPHA * len(everything)), 1)])
        # counted from above with the observed one among them, so that the test is exact
        p_value = float((everything >= observed).mean())
        tails = np.clip(2 * stats.t.sf(size.astype(np.float64), df), 0.0, 1.0)
        adjusted = stats.false_discovery_control(tails.ravel()).reshape(tails.shape)
        return _Result(observed, line, p_value, size >= line, adjusted < ALPHA)


def _overlays(key: str, noun: str, result: _Result, blank: np.ndarray) -> tuple[MapImage, MapImage]:
    def cover(mask: np.ndarray) -> np.ndarray:
        return np.where(blank, np.nan, mask).astype(np.float32)

    return (
        MapImage(
            f"{key}_significant",
            f"where the {noun} differ",
            cover(result.significant),
            "",
            f"1 where the {noun} differ by more than shuffled samples do anywhere in the image, "
            f"in {round(100 * (1 - ALPHA))} % of cases.",
        ),
        MapImage(
            f"{key}_discoveries",
            f"where the {noun} seem to differ",
            cover(result.found),
            "",
            f"1 where the {noun} differ with a false-discovery rate of {round(100 * ALPHA)} %; "
            "rough with few samples.",
        ),
    )


def _label_shuffles(counts: tuple[int, int], count: int, rng: np.random.Generator) -> np.ndarray:
    """Return which samples are taken for the student's, (B, K_T + K_S) float32 of 0 and 1."""
    labels = np.repeat([0.0, 1.0], counts)
    return np.stack([rng.permutation(labels) for _ in range(count)]).astype(np.float32)


def _sign_flips(counts: tuple[int, int], count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the signs of the pairs, (B, K) float32 of -1 and 1."""
    return (2.0 * rng.integers(0, 2, (count, counts[0])) - 1).astype(np.float32)


def _welch_t(
    block: list[np.ndarray], weights: np.ndarray, floor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return Welch's t of each pixel, and the largest |t| of each shuffle.

    Parameters
    ----------
    block : list of ndarray, (K, n) float32
        Teacher and student.
    weights : ndarray, (B, K_T + K_S)
        From `_label_shuffles`.
    floor : ndarray, (n,)
        Square of what is taken for rounding.
    """
    m, n = (len(part) for part in block)
    values = np.concatenate(block)
    values = values - values.mean(0, dtype=np.float64).astype(np.float32)
    own = np.repeat(np.array([0, 1], np.float32), (m, n))[None]
    squares = np.square(values)
    total = squares.sum(0)
    # with the values centred, the sum over the teacher's is minus that over the student's
    teacher, student = 1 / (m * (m - 1)), 1 / (n * (n - 1))
    cut = np.float32(teacher / m + student / n)
    least = np.maximum(floor, float(np.finfo(np.float32).tiny)).astype(np.float32)
    gain = np.float32(1 / m + 1 / n)

    def square_t(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = labels @ values
        variance = np.square(sums)
        top = variance * gain**2
        variance *= -cut
        variance += np.float32(teacher) * total
        if m != n:
            variance += np.float32(student - teacher) * (labels @ squares)
        np.maximum(variance, least, out=variance)
        top /= variance
        return top, sums

    largest = np.sqrt(square_t(weights)[0].max(1))
    observed, sums = square_t(own)
    return (np.sign(sums) * np.sqrt(observed))[0], largest


def _paired_t(
    block: list[np.ndarray], weights: np.ndarray, floor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the paired t of each pixel, and the largest |t| of each flip; see `_welch_t`."""
    differences = block[1] - block[0]
    count = len(differences)
    total = np.square(differences).sum(0) / np.float32(count)
    least = np.maximum(floor, float(np.finfo(np.float32).tiny)).astype(np.float32)

    def square_t(signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        means = signs @ differences / np.float32(count)
        variance = np.maximum((total - np.square(means)) / np.float32(count - 1), least)
        return np.square(means) / variance, means

    largest = np.sqrt(square_t(weights)[0].max(1))
    observed, means = square_t(np.ones((1, count), np.float32))
    return (np.sign(means) * np.sqrt(observed))[0], largest
