"""What SciPy and scikit-learn compute too is computed alike.

Agreements with SciPy that belong to one module stand beside its other tests: Welch and paired t,
Brown and Forsythe, permutation tests, Wasserstein, Cramér-von Mises, Wilson, Fisher's mid-p and
Benjamini-Hochberg.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from sklearn.metrics import adjusted_rand_score, brier_score_loss
from sklearn.metrics.pairwise import cosine_similarity, pairwise_distances, rbf_kernel
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from napari_posterior.checks.affine import explain_gap
from napari_posterior.checks.experiments.ranks import rank
from napari_posterior.checks.gram import GramAccumulator, group
from napari_posterior.checks.known.puncta_truth import fair_brier, fair_crps, reliability
from napari_posterior.checks.known.truth import attainable, rank_pixels
from napari_posterior.checks.mean import gap_squared
from napari_posterior.checks.spread.clusters import find_clusters
from napari_posterior.checks.spread.diversity import vendi_score
from napari_posterior.checks.spread.modes import principal_coordinates
from napari_posterior.checks.two_sample import permutation_test, squared_distances
from napari_posterior.statistics.proportions import newcombe_interval

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram

ROUNDING = 1e-9


def gram_of(teacher: np.ndarray, student: np.ndarray) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


@pytest.fixture(scope="module")
def runs() -> tuple[np.ndarray, np.ndarray]:
    """Two runs of 60 pixels that hang together, on a background of 200."""
    generator = np.random.default_rng(11)
    mixing = generator.normal(size=(60, 60)) * 0.9 ** np.arange(60)[:, None]
    teacher = 200 + generator.normal(size=(24, 60)) @ mixing
    return teacher, 201 + 1.2 * generator.normal(size=(31, 60)) @ mixing


# ---------------------------------------------------------------------------- principal components


def test_variance_of_a_run_is_that_of_its_principal_components(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    gram, teacher = gram_of(*runs), runs[0]
    found = group(gram.matrix[:24, :24])
    fit = PCA().fit(teacher)
    assert found.total_variance == pytest.approx(fit.explained_variance_.sum(), rel=ROUNDING)
    without = [PCA().fit(np.delete(teacher, i, 0)).explained_variance_.sum() for i in range(24)]
    np.testing.assert_allclose(found.without, without, rtol=ROUNDING)


def test_the_effective_dimension_is_the_participation_ratio_of_many_samples() -> None:
    """That of the eigenvalues is too small by about nu / K, which the U-statistic takes off."""
    generator = np.random.default_rng(2)
    x = generator.normal(size=(2000, 12)) * np.sqrt(np.arange(12, 0, -1))
    values = PCA().fit(x).explained_variance_
    ratio = float(values.sum() ** 2 / (values**2).sum())
    exact = 78**2 / float((np.arange(1, 13) ** 2).sum())
    found = group(gram_of(x, x[:2]).matrix[:2000, :2000]).dimension
    assert found == pytest.approx(ratio, rel=0.01)
    assert abs(found - exact) < 0.15
    few = gram_of(x[:20], x[:2]).matrix[:20, :20]
    values = PCA().fit(x[:20]).explained_variance_
    plain = float(values.sum() ** 2 / (values**2).sum())
    assert plain < exact - 2 < group(few).dimension


def test_principal_coordinates_are_the_scores_of_the_pooled_samples(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    found = principal_coordinates(gram_of(*runs))
    scores = PCA(n_components=found.shape[1], svd_solver="full").fit_transform(np.concatenate(runs))
    signs = np.sign((found * scores).sum(0))
    np.testing.assert_allclose(found * signs, scores, atol=1e-6 * np.abs(scores).max())


def test_the_vendi_score_is_the_entropy_of_cosines(runs: tuple[np.ndarray, np.ndarray]) -> None:
    matrix = gram_of(*runs).matrix[:24, :24]
    values = np.linalg.eigvalsh(cosine_similarity(runs[0] - runs[0].mean(0)) / 24)
    expected = np.exp(stats.entropy(np.clip(values, 0, None)))
    assert vendi_score(matrix) == pytest.approx(expected, rel=1e-6)


# --------------------------------------------------------------------------------- two-sample tests


def test_distances_of_samples_are_those_of_scikit_learn(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    expected = pairwise_distances(np.concatenate(runs)) ** 2
    np.testing.assert_allclose(squared_distances(gram_of(*runs)), expected, rtol=1e-9, atol=1e-6)


def test_the_kernel_discrepancy_is_that_of_the_kernel_of_scikit_learn(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    both = np.concatenate(runs)
    squares = pairwise_distances(both) ** 2
    width = np.median(squares[np.triu_indices(len(both), 1)])
    kernel = rbf_kernel(both, gamma=1 / (2 * width))
    expected = kernel[:24, :24].mean() + kernel[24:, 24:].mean() - 2 * kernel[:24, 24:].mean()
    found = permutation_test(gram_of(*runs), statistic="mmd", paired=False, permutations=1)
    assert found.value == pytest.approx(expected, rel=1e-6)


def test_the_energy_distance_of_images_is_that_of_their_distances(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    apart = pairwise_distances(np.concatenate(runs))
    within = apart[:24, :24].mean() + apart[24:, 24:].mean()
    found = permutation_test(gram_of(*runs), statistic="energy", paired=False, permutations=1)
    assert found.value == pytest.approx(2 * apart[:24, 24:].mean() - within, rel=1e-6)


def test_the_share_of_own_neighbours_is_that_of_the_neighbours_of_scikit_learn(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    both = np.concatenate(runs)
    of = np.arange(len(both)) < 24
    _, nearest = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(both).kneighbors(both)
    own = of[nearest[:, 1:]] == of[:, None]
    expected = (own[of].mean() + own[~of].mean()) / 2
    found = permutation_test(gram_of(*runs), statistic="neighbours", paired=False, permutations=1)
    assert found.value == pytest.approx(expected)


def test_the_squared_gap_is_that_of_the_means_less_what_chance_adds(
    runs: tuple[np.ndarray, np.ndarray],
) -> None:
    plain = float(((runs[0].mean(0) - runs[1].mean(0)) ** 2).sum())
    chance = sum(float((stats.sem(run, axis=0) ** 2).sum()) for run in runs)
    assert gap_squared(gram_of(*runs)) == pytest.approx(plain - chance, rel=1e-6)


# ------------------------------------------------------------------------------------------- forms


def test_groups_and_their_evidence_are_those_of_a_gaussian_mixture() -> None:
    generator = np.random.default_rng(5)
    spread = np.array([[2.0, 0.6], [0.6, 0.7]])
    centres = np.array([[0.0, 0.0], [9.0, 2.0], [0.0, 7.0]])
    label = np.repeat([0, 1, 2], [30, 22, 14])
    x = centres[label] + generator.multivariate_normal([0, 0], spread, len(label))
    x = PCA().fit_transform(x)
    found = find_clusters(x)
    fits = [
        GaussianMixture(count, covariance_type="tied", n_init=10, random_state=0, reg_covar=1e-9)
        for count in (1, 2, 3, 4)
    ]
    bic = [fit.fit(x).bic(x) for fit in fits]
    assert int(np.argmin(bic)) + 1 == len(found) == 3
    assert adjusted_rand_score(fits[2].predict(x), found.labels) == 1
    # EM stops at 1e-3 of the log likelihood
    assert found.gain == pytest.approx((bic[0] - bic[2]) / 2, abs=0.01)


# ------------------------------------------------------------------------------------ probabilities


def test_the_brier_score_is_the_plain_one_less_what_few_samples_add() -> None:
    generator = np.random.default_rng(8)
    there = generator.uniform(size=300) < 0.4
    share = generator.binomial(12, 0.2 + 0.5 * there) / 12
    plain = brier_score_loss(there, share)
    chance = float((share * (1 - share)).mean()) / 11
    assert fair_brier(share, there, 12).mean() == pytest.approx(plain - chance, rel=ROUNDING)
    many = fair_brier(share, there, 10**9).mean()
    assert many == pytest.approx(plain, rel=1e-6)


def test_the_reliability_diagram_is_the_calibration_curve() -> None:
    """Of 0.2, between two bins, scikit-learn makes the lower one, and we the upper one."""
    generator = np.random.default_rng(9)
    share = generator.uniform(size=400)
    there = generator.uniform(size=400) < share
    found = reliability(share, there, bins=5)
    of_there, mean = calibration_curve(there, share, n_bins=5, strategy="uniform")
    np.testing.assert_allclose(found.found, of_there, rtol=ROUNDING)
    np.testing.assert_allclose(found.probability, mean, rtol=ROUNDING)
    edge = reliability(np.array([0.2]), np.array([True]), bins=5)
    assert edge.count.tolist() == [0, 1, 0, 0, 0]


def test_the_ranked_probability_score_is_half_the_squared_energy_distance_to_a_point() -> None:
    values = np.random.default_rng(10).gamma(2, size=17)
    plain = stats.energy_distance(values, [1.3]) ** 2 / 2
    spread = np.abs(values[:, None] - values).mean()
    # each value is compared with itself in the plain score and not in the fair one
    fair = plain + spread / 2 - spread / 2 * 17 / 16
    assert fair_crps(values, 1.3) == pytest.approx(fair, rel=ROUNDING)


@pytest.mark.parametrize("counts", [(0, 20, 3, 16), (9, 24, 20, 31), (16, 16, 15, 16)])
def test_the_interval_of_two_proportions_is_made_of_the_wilson_intervals_of_scipy(
    counts: tuple[int, int, int, int],
) -> None:
    """Newcombe (1998), Stat. Med. 17:873, method 10."""
    few, m, many, n = counts
    p, q = few / m, many / n
    one, other = (
        stats.binomtest(hits, total).proportion_ci(0.976, method="wilson")
        for hits, total in ((few, m), (many, n))
    )
    low = p - q - np.hypot(p - one.low, other.high - q)
    high = p - q + np.hypot(one.high - p, q - other.low)
    np.testing.assert_allclose(newcombe_interval(few, m, many, n, level=0.976), (low, high))


# ------------------------------------------------------------------------------------------- ranks


def test_ranks_are_those_of_scipy_with_ties_as_half() -> None:
    generator = np.random.default_rng(12)
    samples = generator.poisson(6, size=(19, 40)).astype(np.float64)
    known = generator.poisson(6, size=40).astype(np.float64)
    below = [stats.percentileofscore(samples[:, i], known[i], kind="mean") / 100 for i in range(40)]
    found = [rank(samples[:, i], known[i]).below for i in range(40)]
    np.testing.assert_allclose(found, below, rtol=ROUNDING)
    # at random among the ranks of the ties, all of which are left open by scipy
    dealt = rank_pixels(samples[:, None], known[None], generator=generator)[0]
    strict, weak = (
        np.array([stats.percentileofscore(samples[:, i], known[i], kind=kind) for i in range(40)])
        for kind in ("strict", "weak")
    )
    counts = 19 * np.stack([strict, weak]) / 100
    assert ((counts[0] - 1e-9 <= dealt) & (dealt <= counts[1] + 1e-9)).all()


@pytest.mark.parametrize(("samples", "level"), [(19, 0.9), (16, 0.9), (15, 0.5), (64, 0.8)])
def test_the_coverage_of_order_statistics_is_that_of_their_beta_law(
    samples: int, level: float
) -> None:
    j, exact = attainable(samples, level)
    ends = [stats.beta(rank, samples + 1 - rank).mean() for rank in (j, samples + 1 - j)]
    assert exact == pytest.approx(ends[1] - ends[0], rel=ROUNDING)


# ------------------------------------------------------------------------------------------- means


def test_gain_and_offset_are_those_of_least_squares_where_means_are_known() -> None:
    """Without noise in the means; with it, least squares give a slope too small."""
    generator = np.random.default_rng(13)
    object_ = 50 + 30 * generator.uniform(size=400)
    noise = 1e-4 * generator.normal(size=(2, 16, 400))
    teacher, student = object_ + noise[0], 1.3 * object_ - 4 + noise[1]
    found = explain_gap(gram_of(teacher, student), teacher.mean(0), student.mean(0), paired=False)
    line = LinearRegression().fit(teacher.mean(0)[:, None], student.mean(0))
    assert found.gain == pytest.approx(line.coef_[0], rel=1e-6)
    assert found.offset == pytest.approx(line.intercept_, abs=1e-4)
