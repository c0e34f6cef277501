from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_posterior.errors import InputError
from napari_posterior.image import AXES, Geometry, Image, as_image, check_image, load_image

# ---------------------------------------------------------------- geometry


@st.composite
def geometries(draw):
    leading = draw(st.lists(st.sampled_from(AXES[:3]), unique=True, max_size=3))
    n = len(leading) + 2
    number = st.floats(0.01, 100)
    place = st.floats(-1000, 1000)
    return Geometry(
        (*leading, "y", "x"),
        tuple(draw(st.lists(number, min_size=n, max_size=n))),
        tuple(draw(st.lists(st.sampled_from(["micrometer", "pixel"]), min_size=n, max_size=n))),
        tuple(draw(st.lists(place, min_size=n, max_size=n))),
    )


@st.composite
def geometries_and_crops(draw, crops):
    geometry = draw(geometries())
    part = st.builds(slice, st.integers(0, 20), st.none(), st.integers(1, 3))
    n = geometry.ndim
    return geometry, [draw(st.lists(part, min_size=n, max_size=n)) for _ in range(crops)]


@settings(deadline=None, max_examples=50)
@given(geometries_and_crops(1), st.data())
def test_a_pixel_keeps_its_place_in_the_world_when_cropped(case, data):
    geometry, (crop,) = case
    cropped = geometry.crop(crop)
    for axis, part in enumerate(crop):
        inside = data.draw(st.integers(0, 50))
        before = geometry.translate[axis] + geometry.scale[axis] * (part.start + part.step * inside)
        after = cropped.translate[axis] + cropped.scale[axis] * inside
        assert after == pytest.approx(before, rel=1e-9, abs=1e-9)
    assert cropped.axes == geometry.axes
    assert cropped.units == geometry.units


@settings(deadline=None, max_examples=50)
@given(geometries_and_crops(2))
def test_two_crops_are_one_crop(case):
    geometry, (first, second) = case
    both = [
        slice(a.start + a.step * b.start, None, a.step * b.step)
        for a, b in zip(first, second, strict=True)
    ]
    twice, once = geometry.crop(first).crop(second), geometry.crop(both)
    assert twice.scale == pytest.approx(once.scale)
    assert twice.translate == pytest.approx(once.translate, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(geometries_and_crops(1))
def test_the_sample_axis_comes_first_and_leaves_the_rest_alone(case):
    geometry, (crop,) = case
    stack = geometry.with_samples()
    assert stack.axes == ("sample", *geometry.axes)
    assert (stack.scale[0], stack.units[0], stack.translate[0]) == (1.0, "pixel", 0.0)
    assert stack.project("sample") == geometry
    assert stack.with_samples() == stack
    assert stack.crop([slice(None), *crop]) == geometry.crop(crop).with_samples()


@settings(deadline=None, max_examples=50)
@given(geometries())
def test_a_projection_drops_one_axis_and_nothing_else(geometry):
    for axis in geometry.axes[:-2]:
        flat = geometry.project(axis)
        assert flat.axes == tuple(name for name in geometry.axes if name != axis)
        for name in flat.axes:
            i, j = flat.axes.index(name), geometry.axes.index(name)
            assert (flat.scale[i], flat.units[i], flat.translate[i]) == (
                geometry.scale[j],
                geometry.units[j],
                geometry.translate[j],
            )
    for axis in ("y", "x", "sample"):
        with pytest.raises(InputError, match="cannot be reduced along"):
            geometry.project(axis)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axes": ("x", "y")}, "end with y, x"),
        ({"axes": ("z", "z", "y", "x")}, "once each"),
        ({"axes": ("q", "y", "x")}, "from t, c, z"),
        ({"axes": ("z", "sample", "y", "x")}, "from t, c, z"),
        ({"scale": (1.0, 0.0)}, "positive pixel sizes"),
        ({"scale": (1.0, float("nan"))}, "positive pixel sizes"),
        ({"scale": (1.0,)}, "one of each"),
        ({"units": ()}, "one of each"),
        ({"translate": (0.0, float("inf"))}, "finite numbers"),
    ],
)
def test_a_geometry_that_makes_no_sense_is_refused(changes, words):
    n = len(changes.get("axes", ("y", "x")))
    plain = {
        "axes": ("y", "x"),
        "scale": (1.0,) * n,
        "units": ("pixel",) * n,
        "translate": (0.0,) * n,
    }
    with pytest.raises(InputError, match=words):
        Geometry(**{**plain, **changes})


def test_a_crop_must_go_forwards_and_name_every_axis():
    geometry = Geometry.default((10, 10))
    for crop in ([slice(-3, None), slice(None)], [slice(None)], [slice(None, None, -1)] * 2):
        with pytest.raises(InputError, match="start at 0 or more and step forwards"):
            geometry.crop(crop)


# ---------------------------------------------------------------- images


def test_planes_are_counted_along_all_axes_before_y_and_x():
    data = np.arange(2 * 3 * 8 * 9).reshape(2, 3, 8, 9)
    image = Image(data, Geometry(tuple("zcyx"), (1,) * 4, ("pixel",) * 4, (0,) * 4))
    assert image.n_planes == 6
    assert image.plane_shape == (8, 9)
    np.testing.assert_array_equal(image.plane(4), data[1, 1])
    assert [image.channel_of(i) for i in range(6)] == [0, 1, 2, 0, 1, 2]
    assert np.shares_memory(image.plane(4), data)
    assert len(list(image.planes())) == 6
    flat = as_image(data[0, 0])
    assert (flat.n_planes, flat.channel_of(0)) == (1, 0)
    with pytest.raises(InputError, match="choose one from 0 to 5"):
        image.plane(6)


def layer(data, **attributes):
    plain = {
        "scale": np.ones(data[0].ndim if isinstance(data, list) else data.ndim),
        "name": "cell",
        "rgb": False,
        "multiscale": False,
    }
    return SimpleNamespace(data=data, **{**plain, **attributes})


def test_a_layer_gives_its_geometry_and_name():
    image = as_image(
        layer(
            np.ones((3, 9, 10)),
            scale=np.array([2.0, 0.5, 0.5]),
            translate=np.array([0.0, 1.0, 2.0]),
            units=("second", "um", "um"),
            axis_labels=("T", "y", "x"),
            source=SimpleNamespace(path="cell.tif"),
        )
    )
    assert image.geometry == Geometry(
        ("t", "y", "x"), (2, 0.5, 0.5), ("second", "micrometer", "micrometer"), (0, 1, 2)
    )
    assert (image.name, image.source) == ("cell", "cell.tif")


@pytest.mark.parametrize("labels", [("-3", "-2", "-1"), ("a", "y", "x"), ("y", "y", "x"), ()])
def test_a_layer_whose_axes_say_nothing_counts_as_a_z_stack(labels):
    assert as_image(layer(np.ones((3, 9, 10)), axis_labels=labels)).geometry.axes == tuple("zyx")


def test_a_multiscale_layer_gives_its_full_resolution():
    image = as_image(layer([np.ones((64, 64)), np.ones((32, 32))], multiscale=True))
    assert image.data.shape == (64, 64)


def test_a_colour_layer_is_refused():
    with pytest.raises(InputError, match=r"colour \(RGB\).*give one grey-level channel"):
        as_image(layer(np.ones((64, 64, 3), np.uint8), rgb=True))


def test_a_napari_layer_is_taken_as_it_is():
    from napari import layers

    made = layers.Image(
        np.random.default_rng(0).random((3, 20, 20)),
        scale=(1, 0.5, 0.5),
        units=("pixel", "um", "um"),
        axis_labels=("z", "y", "x"),
        name="real layer",
    )
    image = as_image(made)
    assert image.geometry.axes == ("z", "y", "x")
    assert image.geometry.units == ("pixel", "micrometer", "micrometer")
    assert image.geometry.scale == (1, 0.5, 0.5)
    assert image.name == "real layer"
    pyramid = layers.Image([np.ones((64, 64)), np.ones((32, 32))], multiscale=True)
    assert as_image(pyramid).data.shape == (64, 64)


def test_arrays_lists_and_images_are_taken_and_other_things_are_not():
    assert as_image(np.ones((9, 9)), name="n").name == "n"
    assert as_image([[1, 2], [3, 4]]).data.shape == (2, 2)
    image = as_image(np.ones((9, 9)))
    assert as_image(image) is image
    assert as_image(image, name="b").name == "b"
    assert as_image(np.ones((9, 9), ">u2")).data.dtype.isnative
    for thing in (3, None, {"a": 1}):
        with pytest.raises(InputError, match="is not an image; give an array"):
            as_image(thing)
    with pytest.raises(InputError, match="rows of equal length"):
        as_image([[1, 2], [3]])
    for shape in ((), (9,), (2,) * 6):
        with pytest.raises(InputError, match="2 to 5 axes"):
            as_image(np.ones(shape))


# ---------------------------------------------------------------- what cannot be restored


def spoiled(value):
    data = np.random.default_rng(0).random((16, 16))
    data[3, 4] = value
    return data


def test_an_image_may_have_five_axes_and_a_stack_of_its_samples_is_no_image():
    geometry = Geometry.default((2, 2, 2, 16, 16))
    data = np.arange(2 * 2 * 2 * 16 * 16.0).reshape(2, 2, 2, 16, 16)
    check_image(Image(data, geometry))
    with pytest.raises(InputError, match="has 6 axes; give at most 5"):
        check_image(Image(data[None], geometry.with_samples()))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (spoiled(np.nan), "1 NaN or infinite pixel; crop them away"),
        (spoiled(np.inf), "1 NaN or infinite pixel; crop them away"),
        (np.full((16, 16), 7), "constant.*give an image with a signal"),
        (np.zeros((0, 16)), "is empty.*give an image with pixels"),
        (np.ones((1, 1)), "1 x 1 pixels; give at least 8 x 8"),
        (np.ones((16, 7)), "16 x 7 pixels; give at least 8 x 8"),
        (np.ones((16, 16), complex), "complex numbers; give its magnitude"),
        (np.ones((16, 16), bool), "boolean mask; give the grey-level image"),
        (np.ones((16, 16), object), "object values; give integers or floats"),
        (np.full((16, 16), "a"), "values; give integers or floats"),
        (np.ones((16, 16, 3), np.uint8), "colour"),
        (np.ones((16, 16, 4), np.uint8), "colour"),
        (np.ones((2, 16, 16, 3), np.uint8), "colour"),
        (np.full((16, 16), 2, np.clongdouble).real, "values; give float32 or float64"),
    ],
)
def test_an_image_that_cannot_be_restored_is_refused_in_one_sentence(data, words):
    image = as_image(data, name="cell")
    with pytest.raises(InputError, match=words) as caught:
        check_image(image)
    told = str(caught.value)
    assert told.startswith("cell ")
    assert "\n" not in told
    assert not re.search(r"\b(true|valid|identical|safe)", told)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64])
def test_usual_images_pass_with_negative_values_too(dtype):
    rng = np.random.default_rng(0)
    check_image(as_image((rng.random((2, 16, 17)) * 100).astype(dtype)))
    check_image(as_image((rng.normal(0, 50, (16, 17))).astype(np.float32)))


# ---------------------------------------------------------------- files


def noise(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m"])
def test_an_imagej_tiff_gives_axes_pixel_size_and_units(tmp_path, unit):
    data = noise(2, 3, 20, 24)
    tifffile.imwrite(
        tmp_path / "a.tif",
        data,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"axes": "ZCYX", "spacing": 0.8, "unit": unit},
    )
    image = load_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, data)
    assert image.data.dtype.isnative
    assert image.geometry.axes == ("z", "c", "y", "x")
    assert image.geometry.scale == pytest.approx((0.8, 1.0, 0.5, 0.25))
    assert image.geometry.units == ("micrometer", "pixel", "micrometer", "micrometer")
    assert (image.name, image.source) == ("a", str(tmp_path / "a.tif"))


def test_a_time_series_gives_its_interval(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(3, 20, 24),
        imagej=True,
        metadata={"axes": "TYX", "finterval": 2.5, "unit": "um"},
        resolution=(10, 10),
    )
    geometry = load_image(tmp_path / "a.tif").geometry
    assert (geometry.axes[0], geometry.scale[0], geometry.units[0]) == ("t", 2.5, "second")


def test_an_ome_tiff_gives_axes_pixel_size_and_units(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        noise(2, 3, 20, 24),
        metadata={
            "axes": "CZYX",
            "PhysicalSizeX": 110.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.22,
            "PhysicalSizeYUnit": "\u00b5m",
            "PhysicalSizeZ": 0.5,
            "PhysicalSizeZUnit": "\u00b5m",
        },
    )
    image = load_image(tmp_path / "a.ome.tif")
    assert image.geometry.axes == ("c", "z", "y", "x")
    assert image.geometry.scale == (1.0, 0.5, 0.22, 110.0)
    assert image.geometry.units == ("pixel", "micrometer", "micrometer", "nanometer")
    assert image.name == "a"


def test_a_plain_tiff_has_pixels_and_a_screen_resolution_is_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(20, 24), resolution=(72, 72), resolutionunit="INCH")
    assert load_image(tmp_path / "a.tif").geometry == Geometry.default((20, 24))
    tifffile.imwrite(tmp_path / "b.tif", noise(5, 20, 24))
    assert load_image(tmp_path / "b.tif").geometry.axes == ("z", "y", "x")


def test_npy_and_png_are_read(tmp_path):
    from skimage.io import imsave

    data = noise(20, 24)
    np.save(tmp_path / "a.npy", data)
    np.testing.assert_array_equal(load_image(tmp_path / "a.npy").data, data)
    imsave(tmp_path / "a.png", data, check_contrast=False)
    np.testing.assert_array_equal(load_image(str(tmp_path / "a.png")).data, data)
    np.testing.assert_array_equal(as_image(tmp_path / "a.png", name="b").data, data)


def make_bad_files(folder):
    from skimage.io import imsave

    (folder / "text.tif").write_text("not a picture")
    (folder / "text.txt").write_text("not a picture")
    (folder / "text.png").write_text("not a picture")
    (folder / "text.npy").write_text("not an array")
    (folder / "empty.tif").write_bytes(b"")
    (folder / "folder.tif").mkdir()
    np.save(folder / "objects.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.savez(folder / "archive.npz", a=np.ones(3))
    np.save(folder / "line.npy", np.ones(9))
    colour = noise(20, 24, 3, dtype=np.uint8)
    imsave(folder / "colour.png", colour, check_contrast=False)
    tifffile.imwrite(folder / "colour.tif", colour, photometric="rgb")
    tifffile.imwrite(folder / "whole.tif", noise(64, 64))
    (folder / "half.tif").write_bytes((folder / "whole.tif").read_bytes()[:3000])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.tif", "does not exist; check the name"),
        ("text.tif", "cannot be read as an image"),
        ("text.txt", "give a TIFF, NPY, PNG or JPEG file"),
        ("text.png", "cannot be read as an image"),
        ("text.npy", "does not hold a plain array; save numbers"),
        ("empty.tif", "cannot be read as an image"),
        ("half.tif", "cannot be read as an image"),
        ("folder.tif", "is a folder; give a TIFF"),
        ("objects.npy", "does not hold a plain array; save numbers"),
        ("archive.npz", "give a TIFF, NPY, PNG or JPEG file"),
        ("line.npy", "2 to 5 axes"),
        ("colour.png", "colour"),
        ("colour.tif", "colour"),
    ],
)
def test_a_file_that_is_no_image_is_refused_in_one_sentence(tmp_path, name, words):
    make_bad_files(tmp_path)
    with pytest.raises(InputError, match=words) as caught:
        load_image(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- real files


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "shape", "axes", "pixel", "unit"),
    [
        ("miro_tirf_mito_raw", (4, 400, 400), "tyx", 1.0, "pixel"),
        ("neubias_er_exit_sites_noisy", (512, 512), "yx", 0.22967, "micrometer"),
        ("fmd_confocal_mouse_nuclei_raw4", (4, 512, 512), "tyx", 1.0, "pixel"),
        ("trackpy_stuck_5frames", (5, 512, 512), "zyx", 1.0, "pixel"),
        ("neubias_autophagosomes", (182, 148), "yx", 1.0, "pixel"),
        ("neubias_cell_dna_mts_actin", (3, 350, 350), "cyx", 0.13249, "micrometer"),
        ("neubias_nucleus_confocal_vs_widefield_zstack", (45, 2, 130, 133), "zcyx", 0.51188,
         "micrometer"),
        ("spotiflow_terra_live", (640, 640), "yx", 0.11, "micrometer"),
        ("mpicbg_beads_confocal_zstack", (41, 150, 150), "zyx", 0.022492, "micrometer"),
        # written with a resolution but the unit "pixel": no size is stated
        ("punctatools_gfp_solution_100uM", (2, 211, 211), "zyx", 1.0, "pixel"),
    ],
)  # fmt: skip
def test_real_files_open_with_the_axes_and_pixel_size_they_state(
    real_data, name, shape, axes, pixel, unit
):
    image = load_image(real_data / f"{name}.tif")
    check_image(image)
    assert image.data.shape == shape
    assert image.data.dtype.isnative
    assert image.geometry.axes == tuple(axes)
    assert image.geometry.scale[-2:] == pytest.approx((pixel, pixel), rel=1e-4)
    assert image.geometry.units[-2:] == (unit, unit)
