"""What does a run need beside an idle process? Peak memory of a large run, against K and steps.

    python benchmarks/memory.py [--size 2048] [--samples 2 8] [--steps 1 4] [--threads 0]

Linux only. Every case is a process of its own: it opens the model, notes its resident memory (the
idle process), restores a simulated image of `size` x `size` into a folder on disk, and notes its
highest. Printed in GB, with the number of samples and steps of a student: the idle process, what
the run needed above it, and seconds a sample. The target is 1.5 GB for K = 64 in one step, and
that neither more samples nor more steps need more. `--samples 64` is the full claim.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGET = 1.5
STUDENTS = {1: "kd"}
"""Which student takes so many steps; other numbers are for `lmd`, which takes any."""


def resident(field: str) -> float:
    """Read a field of this process's memory, ``"VmRSS"`` or ``"VmHWM"``, in GB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(field))
    return int(line.split()[1]) * 1024 / 1e9


def run_case(model: str, size: int, samples: int, steps: int, threads: int) -> None:
    """Restore in this process and print what it took as JSON."""
    from engine import CAMERA, PSF, simulate
    from napari_posterior import api
    from timing import set_threads

    set_threads(threads)
    image, bundle = simulate(size), api.load_model(model)
    student = STUDENTS.get(steps, "lmd")
    bundle.sampler(student)
    bundle.conditioner()
    idle, start = resident("VmRSS"), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        api.restore(
            image,
            model=bundle,
            sampler=student,
            steps=steps,
            samples=samples,
            camera=CAMERA,
            psf=PSF,
            device="cpu",
            out=Path(folder) / "run",
            progress=False,
        )
    seconds = (time.perf_counter() - start) / samples
    print(json.dumps({"idle": idle, "above": resident("VmHWM") - idle, "seconds": seconds}))


def main() -> None:
    """Run every case in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="fluo2d")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--samples", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--case", action="store_true", help="measure in this process")
    options = parser.parse_args()
    if options.case:
        run_case(options.model, options.size, options.samples[0], options.steps[0], options.threads)
        return
    print(f"{options.size} x {options.size}; GB; target {TARGET} above the idle process")
    print(f"{'steps':>6s}{'samples':>9s}{'idle':>8s}{'above':>8s}{'s/sample':>10s}")
    first = options.samples[0]
    cases = [(options.steps[0], count) for count in options.samples]
    cases += [(steps, first) for steps in options.steps[1:]]
    for steps, samples in cases:
        numbers = {"size": options.size, "samples": samples, "steps": steps}
        numbers |= {"threads": options.threads}
        words = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, __file__, "--case", "--model", options.model, *words]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found = json.loads(told.splitlines()[-1])
        print(
            f"{steps:6d}{samples:9d}{found['idle']:8.2f}{found['above']:8.2f}"
            f"{found['seconds']:10.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
