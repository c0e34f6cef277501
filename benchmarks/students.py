"""How much of the teacher's variance does each student keep on a sample image, and at what cost.

    python benchmarks/students.py MODEL [--sample puncta] [--samples 64] [--write]

The reference, the reference again with other noise, and every student at every step count it takes
restore a sample image of the package with its true camera and PSF. Printed, and with `--write` put
into the model's card: the ratio of total variance to the reference's with its 90 % interval, the
difference of the mean puncta count, network evaluations and seconds a sample, all of one call. The
reference against itself says what the intervals are worth: it should hold 1.
"""

from __future__ import annotations

import argparse

from napari_posterior import api
from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.write import write_evaluation
from napari_posterior.cli.demo import read_sample


def main() -> None:
    """Restore, compare and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--sample", default="puncta")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="put the table into the card")
    options = parser.parse_args()
    sample = read_sample(options.sample)
    bundle = api.load_model(options.model)

    def restore(name: str, *, steps: int | None = None, seed: int = 0):
        return api.restore(
            sample.image,
            model=bundle,
            sampler=name,
            steps=steps,
            samples=options.samples,
            seed=seed,
            camera=sample.camera,
            psf=sample.psf,
            background=sample.background,
            progress=False,
        )

    reference = restore("teacher")
    runs = {"teacher, other noise": restore("teacher", seed=1)}
    for name, part in read_parts(bundle.folder, bundle.card).items():
        if isinstance(part.sampler, FlowMapConfig):
            counts = part.sampler.step_counts
            runs |= {f"{name}, {n} step{'s' * (n > 1)}": restore(name, steps=n) for n in counts}
    height, width = reference.samples.shape[-2:]
    device = reference.request.device
    print(f"{options.sample} ({height} x {width}), K = {options.samples}, {device}")
    print(f"{'run':22s}{'NFE':>4s}{'s/sample':>10s}   variance ratio         count difference")
    table = {}
    for name, run in {"teacher": reference, **runs}.items():
        seconds = run.seconds / options.samples
        line = f"{name:22s}{run.request.nfe:4d}{seconds:10.3f}"
        row = {"nfe": run.request.nfe, "seconds_per_sample": round(seconds, 4)}
        if run is not reference:
            report = api.compare(reference, run)
            for key, text in (("variance", "8.3f"), ("puncta_count", "10.2f")):
                found = report[key]
                low, high = found.interval
                line += f"{found.estimate:{text}} ({low:.3f}..{high:.3f})"
                row[key] = [round(value, 4) for value in (found.estimate, low, high)]
        print(line, flush=True)
        table[name] = row
    if options.write:
        figures = {"sample": options.sample, "samples": options.samples, "runs": table}
        write_evaluation(bundle.folder, {**bundle.card.evaluation, "students": figures})


if __name__ == "__main__":
    main()
