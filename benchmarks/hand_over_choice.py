"""Find where students of `fluo2d` may hand over, on the scenes of `corrections.py`.

    python benchmarks/hand_over_choice.py [--scenes puncta-0 er_exit_sites] [--students lmd pd]

Prints a row of a Markdown table for each scene and student: what `choose_hand_over` looked at with
16 pairs at each time, until nothing that matters was found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari_posterior as npo
from correction_samples import choose, data_folder, read_scenes
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.catalogue import find_model

HEAD = (
    "| scene | student | tau: p of mean, p of variance; gap of the mean in SD, variance ratio "
    "| chosen | network calls |"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--folder", type=Path, default=data_folder(), help="of real images")
    parser.add_argument("--scenes", nargs="+")
    parser.add_argument("--students", nargs="+", default=["lmd", "pd"])
    parser.add_argument("--samples", type=int, default=16)
    options = parser.parse_args()
    bundle = open_bundle(find_model(options.model))
    print(HEAD)
    print("| --- | --- | --- | --- | --- |")
    for scene in choose(read_scenes(bundle, Path(), options.folder), options.scenes):
        for student in options.students:
            measured = scene.measurement
            found = npo.choose_hand_over(
                measured.y,
                model=bundle,
                student=student,
                samples=options.samples,
                camera=measured.camera,
                psf=measured.psf,
                background=measured.background,
                blind=scene.blind,
                precision="float32",
                progress=False,
            )
            rows = "; ".join(
                f"{row.tau:g}: {row.look.mean_p:.3f}, {row.look.variance_p:.3f}; "
                f"{row.look.mean_gap:.3f}, {row.look.variance_ratio:.3f}"
                for row in found.looks
            )
            tau = "none" if found.tau is None else f"{found.tau:g}"
            calls = f"{found.looks[-1].calls} of {found.teacher_calls}"
            print(f"| {scene.name} | {student} | {rows} | {tau} | {calls} |", flush=True)


if __name__ == "__main__":
    main()
