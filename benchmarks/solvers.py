"""How far each solver's law is from the teacher's, band by band in spatial frequency.

    python benchmarks/solvers.py MODEL [--scenes 6] [--samples 8] [--threads 2] [--quick]

Every solver starts from the same noise on the same held-out scenes of every kind, and is compared
with the refined ruler: DPM-Solver++(2M) with 128 steps, its steps doubled and its last noise level
halved. Printed for each band of spatial frequency (cycles a pixel): the variance of the samples
less that of the ruler's as a share of it, with its 95 % interval over scenes, and the squared
difference of the means as a share of the same variance. What is left open is the far end of the
intervals plus what refining the ruler changed in itself; the cheapest solver that leaves less than
2 % open in every band is what `sampler.json` of a new bundle names as its reference. Other than
`napari-posterior models certify`, this measures all candidates, on as many scenes of each kind.
"""

from __future__ import annotations

import argparse
import time

import torch

from calibration import draw_held_out
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model
from napari_posterior.cli.certify import table
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.bands import compare_bands, measure_bands
from napari_posterior.sampling.certify import certify, refine
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.held_out import draw_scenes_of
from napari_posterior.training.reference import CANDIDATES, RULER, STOCHASTIC


def main() -> None:
    """Measure every candidate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--scenes", type=int, default=6, help="of each kind")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="no stochastic self-check")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    bundle = open_bundle(find_model(options.model))
    path = get_path(bundle.card.path)
    measurements = [
        scene.measurement
        for kind in KINDS
        for scene in draw_held_out(kind, options.scenes, TrainingRange())
    ]
    draws = draw_scenes_of(bundle, measurements, samples=options.samples)
    start = time.monotonic()
    found = certify(
        draws,
        CANDIDATES,
        path=path,
        ruler=RULER,
        stochastic=None if options.quick else STOCHASTIC,
        report=lambda done, total: print(f"{done} of {total} network calls a sample", flush=True),
    )
    print(
        f"{found.scenes} scenes, {found.samples} samples each; {options.threads} threads, "
        f"{(time.monotonic() - start) / 60:.1f} min"
    )
    for line in table(found):
        print(line)
    print(f"chosen: {found.chosen.choice.label}")
    if found.reference is not None:
        choice = found.reference.choice
        print(f"by kind, {choice.label} less its ruler:")
        fine = refine(RULER.times(path), path)
        for i, kind in enumerate(KINDS):
            own = draws[i * options.scenes : (i + 1) * options.scenes]
            parts = [
                measure_bands(draw(RULER.solver, fine), draw(choice.solver, choice.times(path)))
                for draw in own
            ]
            cells = "".join(f"{band.variance:+11.2%}" for band in compare_bands(parts))
            print(f"  {kind:36s}{cells}")


if __name__ == "__main__":
    main()
