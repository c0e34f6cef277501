from __future__ import annotations

import ast
import subprocess
import sys

from napari_posterior import __version__
from napari_posterior.physics.camera import Camera
from napari_posterior.runs.provenance import Provenance, collect_provenance, to_script


def test_provenance_says_versions_machine_and_model(make_request):
    made = collect_provenance(make_request(), weights_hash="cd34")
    assert made.package == __version__
    assert made.bundle == "fluo2d"
    assert (made.bundle_hash, made.weights_hash) == ("ab12", "cd34")
    assert made.threads >= 1
    assert made.device
    assert Provenance.model_validate_json(made.model_dump_json()) == made


def call_of(script):
    (call,) = (
        node
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "restore"
    )
    return {word.arg: word.value for word in call.keywords}


def test_the_script_asks_for_the_same_restoration(make_request):
    request = make_request(tile=256, samples=12)
    words = call_of(to_script(request))
    for field in ("model", "sampler", "steps", "samples", "seed", "device", "tile", "batch"):
        assert ast.literal_eval(words[field]) == getattr(request, field)
    assert ast.unparse(words["camera"]) == (
        "npo.Camera(gain=2.1, offset=100.0, read_noise=1.6, source='given')"
    )
    assert ast.unparse(words["psf"]) == "npo.Psf(sigma=1.6, source='given')"
    assert "blind" not in words
    unusual = call_of(to_script(make_request(blind=True, background=2.5, camera=Camera())))
    assert ast.literal_eval(unusual["blind"]) is True
    assert ast.literal_eval(unusual["background"]) == 2.5
    point = call_of(to_script(make_request(role="point", sampler="mse", steps=1, samples=1)))
    assert "steps" not in point


def test_the_script_takes_the_image_from_the_run_where_there_is_one(make_request, tmp_path):
    script = to_script(make_request(), run=tmp_path / "a.posterior.zarr")
    assert f"npo.open_run({str(tmp_path / 'a.posterior.zarr')!r}).image" in script
    assert "image = 'cell.tif'" in to_script(make_request())


def test_reading_and_writing_runs_needs_neither_torch_nor_a_window():
    probe = (
        "import sys, napari_posterior.image, napari_posterior.runs.store, "
        "napari_posterior.runs.runner, napari_posterior.runs.sink, napari_posterior.runs.run; "
        "print([m for m in ('torch', 'napari', 'qtpy', 'zarr', 'skimage') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
