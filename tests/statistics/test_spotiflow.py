"""Spotiflow as a detector: one normaliser for all samples; the package itself is optional.

Most tests use a stand-in with the signatures of spotiflow 0.6.5; the last ones use the package
where it is installed.
"""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import (
    Objects,
    Statistic,
    get_statistic,
    list_statistics,
    make_context,
)
from napari_posterior.statistics.adapters.spotiflow import (
    SpotiflowPuncta,
    load_spotiflow,
    measured_levels,
    spotiflow_count,
    spotiflow_puncta,
)
from napari_posterior.statistics.evaluate import evaluate
from napari_posterior.statistics.table import measure_samples

if TYPE_CHECKING:
    from pathlib import Path

PLACES = [(12, 12), (12, 36), (36, 12), (36, 36)]


class StandIn:
    """A detector of local maxima that is called like ``spotiflow.model.Spotiflow``."""

    calls: list[dict[str, Any]]

    def __init__(self, *, is_3d: bool = False, in_channels: int = 1) -> None:
        self.config = SimpleNamespace(is_3d=is_3d, in_channels=in_channels)
        self.calls = []
        self._busy = threading.Lock()

    @classmethod
    def from_folder(
        cls,
        pretrained_path: str,
        inference_mode: bool = True,
        which: str = "best",
        map_location: str = "auto",
        verbose: bool = False,
    ) -> StandIn:
        if "broken" in pretrained_path:
            raise KeyError("state_dict\nand more")
        return cls(is_3d="volume" in pretrained_path, in_channels=1 + ("two" in pretrained_path))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_name: str,
        inference_mode: bool = True,
        which: str = "best",
        map_location: str = "auto",
        cache_dir: Any = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> StandIn:
        if pretrained_name != "general":
            raise ValueError(f"No pretrained model named {pretrained_name} found")
        return cls()

    def predict(
        self,
        img: np.ndarray,
        prob_thresh: float | None = None,
        n_tiles: Any = None,
        max_tile_size: Any = None,
        min_distance: int = 1,
        exclude_border: bool = False,
        scale: Any = None,
        subpix: Any = None,
        peak_mode: str = "fast",
        normalizer: Any = "auto",
        verbose: bool = True,
        progress_bar_wrapper: Any = None,
        device: Any = None,
        distributed_params: Any = None,
        fit_params: bool = False,
        use_tuned_tile_overlap: bool = False,
    ) -> tuple[np.ndarray, SimpleNamespace]:
        assert self._busy.acquire(blocking=False), "asked by two threads at once"
        try:
            self.calls.append({"prob_thresh": prob_thresh, "n_tiles": n_tiles, "verbose": verbose})
            image = img.astype(np.float32)[..., None]
            if normalizer == "auto":
                low, high = np.percentile(image, (1, 99.8))
                scaled = ((image - low) / (high - low)).astype(np.float32)
            else:
                scaled = normalizer(image)
            assert scaled.dtype == np.float32
            assert scaled.shape == image.shape
            light = np.maximum(scaled[..., 0], 0)
            chance = light / (0.5 + light)
            top = (ndimage.maximum_filter(chance, 5) == chance) & (chance > (prob_thresh or 0.5))
            places = np.argwhere(top)
            return places, SimpleNamespace(prob=chance[tuple(places.T)].tolist())
        finally:
            self._busy.release()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("spotiflow.model")
    module.Spotiflow = StandIn  # type: ignore[attr-defined]
    package = ModuleType("spotiflow")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "spotiflow", package)
    monkeypatch.setitem(sys.modules, "spotiflow.model", module)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "mine")


def model_folder(path: Path) -> Path:
    path.mkdir()
    (path / "config.yaml").write_text("levels: 2\n")
    (path / "best.pt").write_bytes(b"")
    return path


def puncta(heights: list[float], *, level: float = 5.0, size: int = 48) -> np.ndarray:
    rows, columns = np.indices((size, size), dtype=np.float64)
    image = np.full((size, size), level)
    for (row, column), height in zip(PLACES, heights, strict=True):
        image += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 2)
    return image


def measured(
    x: np.ndarray, *, seed: int = 0, read_noise: float = 1.0, **options: Any
) -> Measurement:
    noise = np.random.default_rng(seed).normal(0, read_noise, x.shape)
    camera = Camera(gain=2.0, offset=100.0, read_noise=read_noise)
    return Measurement(2.0 * (x + noise) + 100.0, camera, Psf(sigma=1.5), **options)


@pytest.fixture
def measurement() -> Measurement:
    return measured(ndimage.gaussian_filter(puncta([60.0] * 4), 1.1))


def test_levels_are_those_of_the_smoothed_measurement_in_photoelectrons() -> None:
    ramp = np.tile(np.linspace(10.0, 110.0, 400), (400, 1))
    low, high = measured_levels(measured(ramp))
    assert low == pytest.approx(11.0, abs=0.3)
    assert high == pytest.approx(109.8, abs=0.3)


def test_noise_hardly_moves_the_levels_and_a_background_is_taken_off() -> None:
    x = puncta([60.0] * 4)
    clean = np.array(measured_levels(measured(x, read_noise=1e-3)))
    seen = measured(x, read_noise=2.0)
    np.testing.assert_allclose(measured_levels(seen), clean, atol=1.5)
    assert np.percentile(seen.electrons, 1) < clean[0] - 4.0
    lower = measured_levels(measured(x, read_noise=1e-3, background=3.0))
    np.testing.assert_allclose(lower, clean - 3.0)


def test_a_stack_has_one_pair_of_levels() -> None:
    plane = puncta([60.0] * 4)
    stack = measured_levels(measured(np.stack([plane, plane, plane]), read_noise=1e-6))
    np.testing.assert_allclose(stack, measured_levels(measured(plane, read_noise=1e-6)), rtol=1e-3)


@pytest.mark.usefixtures("installed")
def test_one_bright_punctum_leaves_the_others_of_its_sample_alone(measurement, folder) -> None:
    found = spotiflow_puncta(measurement, folder=folder)
    context = make_context(measurement)
    plain, bright = puncta([30.0] * 4), puncta([30.0, 30.0, 30.0, 900.0])
    assert len(found.measure(plain, context)) == 4
    assert len(found.measure(bright, context)) == 4
    # With the percentiles of each sample, the bright one hides the others.
    assert len(found.model.predict(plain)[0]) == 4
    assert len(found.model.predict(bright)[0]) == 1


@pytest.mark.usefixtures("installed")
def test_a_dimmer_sample_has_fewer_puncta(measurement, folder) -> None:
    found = spotiflow_puncta(measurement, folder=folder)
    context = make_context(measurement)
    assert [len(found.measure(puncta([h] * 4), context)) for h in (60.0, 2.0)] == [4, 0]


@pytest.mark.usefixtures("installed")
def test_puncta_have_positions_and_probabilities_and_honour_the_region(measurement, folder) -> None:
    found = spotiflow_puncta(measurement, folder=folder)
    context = make_context(measurement)
    x = puncta([60.0] * 4)
    here = found.measure(x, context)
    assert isinstance(here, Objects)
    assert sorted(map(tuple, here.positions.tolist())) == [tuple(map(float, p)) for p in PLACES]
    assert here.positions.dtype == np.float64
    assert ((here.columns["probability"] > 0.5) & (here.columns["probability"] <= 1)).all()
    top = np.zeros(x.shape, bool)
    top[:24] = True
    assert found.measure(x, context.within(top)).positions[:, 0].tolist() == [12.0, 12.0]
    assert evaluate(found, [x, x], [context, context])[""] == 8.0


@pytest.mark.usefixtures("installed")
def test_it_is_a_statistic_that_tells_of_its_model(measurement, folder) -> None:
    found = spotiflow_puncta(measurement, folder=folder)
    assert isinstance(found, Statistic)
    assert get_statistic(found) is found
    assert (found.name, found.unit, found.combine) == ("spotiflow_count", "puncta", "sum")
    assert found.title == "Spotiflow puncta count (mine)"
    assert found.regions
    assert found.parameters == ()
    assert spotiflow_puncta(measurement, pretrained="general").title.endswith("(general)")


@pytest.mark.usefixtures("installed")
def test_samples_are_measured_in_threads_one_at_a_time(measurement, folder) -> None:
    found = spotiflow_puncta(measurement, folder=folder)
    rows = measure_samples(
        lambda index: [puncta([60.0] * 4 if index % 2 else [1.0] * 4)],
        range(8),
        [found],
        [make_context(measurement)],
        workers=4,
    )
    counts = [row.value for row in rows if row.statistic == "spotiflow_count"]
    assert counts == [0.0, 4.0] * 4


@pytest.mark.usefixtures("installed")
def test_threshold_and_tiles_do_not_depend_on_the_machine(measurement, folder) -> None:
    context = make_context(measurement)
    found = spotiflow_puncta(measurement, folder=folder)
    found.measure(puncta([60.0] * 4), context)
    found.measure(np.zeros((1024, 1025)), context)
    strict = spotiflow_puncta(measurement, folder=folder, probability=0.75)
    strict.measure(puncta([60.0] * 4), context)
    calls = [*found.model.calls, *strict.model.calls]
    assert [call["n_tiles"] for call in calls] == [(1, 1), (1, 2), (1, 1)]
    assert [call["prob_thresh"] for call in calls] == [None, None, 0.75]
    assert not any(call["verbose"] for call in calls)


@pytest.mark.usefixtures("installed")
def test_by_name_the_model_is_a_parameter_and_the_levels_are_those_of_y(
    measurement, folder
) -> None:
    named = spotiflow_count.set(folder=str(folder))
    context = make_context(measurement)
    x = puncta([60.0, 60.0, 60.0, 3.0])
    direct = spotiflow_puncta(measurement, folder=folder).measure(x, context)
    by_name = named.measure(x, context)
    np.testing.assert_array_equal(by_name.positions, direct.positions)
    assert named.name == f"spotiflow_count(folder={str(folder)!r})"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("folder_name", ["volume", "two channels"])
def test_models_that_are_not_for_planes_are_refused(tmp_path: Path, folder_name: str) -> None:
    with pytest.raises(InputError, match="planes of one channel"):
        load_spotiflow(folder=model_folder(tmp_path / folder_name))


@pytest.mark.usefixtures("installed")
def test_models_that_cannot_be_loaded_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot load 'broken'") as caught:
        load_spotiflow(folder=model_folder(tmp_path / "broken"))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="cannot load 'unheard of'"):
        load_spotiflow(pretrained="unheard of")


@pytest.mark.usefixtures("installed")
def test_nothing_is_downloaded_unless_a_name_is_given(tmp_path: Path, folder, monkeypatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise AssertionError("a model was downloaded")

    monkeypatch.setattr(StandIn, "from_pretrained", download)
    assert load_spotiflow(folder=folder)
    for options in ({}, {"folder": folder, "pretrained": "general"}):
        with pytest.raises(InputError, match="needs a model"):
            load_spotiflow(**options)
    with pytest.raises(InputError, match=r"config\.yaml and best\.pt missing"):
        load_spotiflow(folder=tmp_path)


@pytest.mark.parametrize(
    "levels", [(5.0, 5.0), (6.0, 5.0), (float("nan"), 5.0), (0.0, float("inf"))]
)
def test_levels_without_contrast_are_refused(levels: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="with structure"):
        SpotiflowPuncta(StandIn(), *levels)


def test_what_cannot_work_is_refused_before_a_model_is_loaded(measurement) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        spotiflow_puncta(measurement, folder="nowhere", probability=1.5)
    flat = replace(make_context(measurement), levels=(5.0, 5.0))
    with pytest.raises(InputError, match="with structure"):
        spotiflow_count(puncta([60.0] * 4), flat, pretrained="general")


@pytest.mark.skipif(importlib.util.find_spec("spotiflow") is not None, reason="it is installed")
def test_without_the_package_it_is_listed_and_says_what_to_install() -> None:
    assert "spotiflow_count" in list_statistics()
    with pytest.raises(InputError, match=r"napari-posterior\[spotiflow\]"):
        get_statistic("spotiflow_count(folder='mine')")


def test_volumes_are_refused(measurement) -> None:
    with pytest.raises(InputError, match="given planes"):
        SpotiflowPuncta(StandIn(), 0.0, 1.0).measure(np.zeros((2, 8, 8)), make_context(measurement))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folder) -> None:
    monkeypatch.setitem(sys.modules, "spotiflow", None)
    with pytest.raises(InputError, match=r"pip install 'napari-posterior\[spotiflow\]'"):
        load_spotiflow(folder=folder)


@pytest.mark.parametrize("fault", ["raise RuntimeError('operator nms')", "import no_such_thing"])
def test_a_package_that_cannot_start_says_why(tmp_path: Path, folder, monkeypatch, fault) -> None:
    (tmp_path / "spotiflow").mkdir()
    (tmp_path / "spotiflow" / "__init__.py").write_text(fault)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [one for one in sys.modules if one.partition(".")[0] == "spotiflow"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError, match=r"cannot be started \((Runtime|ModuleNotFound)Error"):
        load_spotiflow(folder=folder)


def test_importing_the_adapters_imports_neither_torch_nor_pandas_nor_spotiflow() -> None:
    code = (
        "import sys; import napari_posterior.statistics.adapters.spotiflow;"
        "import napari_posterior.statistics.adapters;"
        "print([name for name in ('torch', 'pandas', 'spotiflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.fixture
def real() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("spotiflow.model", reason="the extra spotiflow is not installed")


def test_the_stand_in_has_the_signatures_of_the_package(real) -> None:
    for name in ("predict", "from_folder", "from_pretrained"):
        ours, theirs = (inspect.signature(getattr(one, name)) for one in (StandIn, real.Spotiflow))
        assert list(ours.parameters) == list(theirs.parameters)


@pytest.mark.filterwarnings("default")
def test_a_model_of_the_package_is_loaded_and_asked(real, tmp_path: Path, measurement) -> None:
    import torch

    torch.manual_seed(0)
    config = real.SpotiflowModelConfig(levels=2, initial_fmaps=4, n_convs_per_level=2)
    real.Spotiflow(config).save(str(tmp_path / "random"), which="best", update_thresholds=True)
    context = make_context(measurement)
    x = puncta([60.0] * 4, size=50)
    strict, lax = (
        spotiflow_puncta(measurement, folder=tmp_path / "random", probability=p, device="cpu")
        for p in (0.999, 0.01)
    )
    assert strict.measure(x, context).positions.shape == (0, 2)
    found = lax.measure(x, context)
    assert len(found) > 0
    assert (found.columns["probability"] > 0.01).all()
    np.testing.assert_array_equal(lax.measure(x, context).positions, found.positions)
    # Twice the light is not the same image, as it would be for the package's own normaliser.
    more = lax.measure(2 * x, context)
    assert not np.array_equal(more.columns["probability"], found.columns["probability"])
