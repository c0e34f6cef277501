"""Draw the figures "teacher, student, truth" of docs/models.md, one for each kind of scene.

    python docs/make_family_figures.py [MODEL] [--out docs/images]

One scene of each kind that no training has seen, all with the same seed, peak, PSF and camera, is
restored by the teacher with its reference, by every student of MODEL (a name or a folder) at its
default steps, and by ``mse``. ``family-KIND.png`` shows, from top to bottom, the measurement, the
object and single images; one sample of each sampler from the same noise; and the standard
deviations. Needs matplotlib (``pip install "napari-posterior[figures]"``); takes about a minute of
one CPU core.
"""

from __future__ import annotations

import argparse
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from scipy.spatial import cKDTree

import napari_posterior as npo
from make_sample_data import Recipe, simulate
from napari_posterior.physics.scenes import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.runs.run import Run

FOLDER = Path(__file__).parent / "images"
SEED = 8_000_001
"""Seeds of training are hashes of 63 bits: no training scene has this one."""
PEAK = 60.0
CAMERA = npo.Camera(gain=2.1, offset=100.0, read_noise=1.5)
PSF = npo.Psf(sigma=2.0)

# pixels of the picture, which a page shows at half its size
PANEL, GAP, MARGIN, HEADER, HEADING, BETWEEN = 256, 24, 24, 58, 34, 44
LEAST_COLUMNS = 6  # five single images and the key
COLOURS = "viridis"
GREYS = (128, 96, 64)  # levels to choose from, the most that fit into LARGEST
LARGEST = 150_000  # bytes of a picture
INK, FAINT = "0.1", "0.32"


@dataclass(frozen=True)
class Family:
    """One scene and what every sampler made of it; images (H, W) in photoelectrons per pixel."""

    kind: str
    measured: np.ndarray
    truth: np.ndarray
    runs: dict[str, Run]
    infos: dict[str, SamplerInfo]


@dataclass(frozen=True)
class Panel:
    """One picture with its two lines of header."""

    image: np.ndarray
    name: str
    detail: str
    colours: str = "gray"


def main() -> None:
    """Draw the figure of every kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="fluo2d")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--size", type=int, default=128, help="pixels, a divisor of 256")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bundle = npo.load_model(options.model)
    for kind in KINDS:
        family = restore_family(bundle, kind, size=options.size, samples=options.samples)
        path = options.out / f"family-{kind}.png"
        write_picture(draw_family(family), path)
        sys.stdout.write(f"{path}\n")
        for run in family.runs.values():
            if run.role != "point":
                sys.stdout.writelines(f"  {run.request.sampler}: {w}\n" for w in run.warnings)


def restore_family(bundle: Bundle, kind: str, *, size: int, samples: int) -> Family:
    """Simulate a scene and restore it with every sampler of the bundle, on the same noise."""
    y, truth = simulate(Recipe(kind, PEAK, SEED, size, camera=CAMERA, psf=PSF))
    infos = {name: bundle.info(name) for name in bundle.names}
    runs = {
        name: npo.restore(
            y,
            model=bundle,
            sampler=name,
            samples=1 if info.role == "point" else samples,
            camera=CAMERA,
            psf=PSF,
            device="cpu",
            tile=None,
            batch=samples,
            progress=False,
        )
        for name, info in infos.items()
    }
    return Family(kind, CAMERA.to_electrons(y.astype(np.float32)), truth, runs, infos)


def draw_family(family: Family) -> Figure:
    """Return the figure of one scene."""
    rows = {
        "Measurement, truth and single images": single_images(family),
        "One sample each, drawn from the same noise": one_sample_each(family),
        f"Standard deviation of {len(family.runs['teacher'])} samples each, "
        "and total variance as a part of the teacher's": spreads(family),
    }
    columns = max(LEAST_COLUMNS, *(len(panels) for panels in rows.values()))
    width = 2 * MARGIN + columns * PANEL + (columns - 1) * GAP
    band = HEADING + HEADER + PANEL
    height = 2 * MARGIN + len(rows) * band + (len(rows) - 1) * BETWEEN
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    limits = {
        "gray": Normalize(0, float(np.quantile(family.truth, 0.998))),
        COLOURS: Normalize(0, float(np.quantile(family.runs["teacher"].sd, 0.995))),
    }

    def place(left: float, top: float, wide: float, high: float) -> Axes:
        """Axes at pixels of the picture, so that an image pixel is a whole number of them."""
        return figure.add_axes(
            (left / width, 1 - (top + high) / height, wide / width, high / height)
        )

    for row, (heading, panels) in enumerate(rows.items()):
        top = MARGIN + row * (band + BETWEEN)
        figure.text(
            MARGIN / width, 1 - (top + 20) / height, heading, size=17, color=INK, weight="bold"
        )
        for column, panel in enumerate(panels):
            left = MARGIN + column * (PANEL + GAP)
            axes = place(left, top + HEADING + HEADER, PANEL, PANEL)
            show(axes, panel, limits[panel.colours])
    draw_key(place, MARGIN + (columns - 1) * (PANEL + GAP), family, limits)
    return figure


def single_images(family: Family) -> list[Panel]:
    """Return the panels of the first row."""
    teacher, point = family.runs["teacher"], family.runs["mse"]
    return [
        Panel(family.measured, "measurement", f"peak {PEAK:g}, PSF {PSF.sigma:g} px"),
        Panel(family.truth, "truth", f"{family.kind}, simulated"),
        Panel(teacher.samples[1], "teacher", "from other noise"),
        Panel(teacher.mean, "teacher", f"mean of {len(teacher)} samples"),
        Panel(point.samples[0], "mse", "point estimate"),
    ]


def one_sample_each(family: Family) -> list[Panel]:
    """Return the panels of the second row: all from the first noise canvas."""
    return [
        Panel(family.runs[name].samples[0], name, cost(info))
        for name, info in family.infos.items()
        if info.role != "point"
    ]


def spreads(family: Family) -> list[Panel]:
    """Return the panels of the third row, with total variance in units of the teacher's."""
    whole = float(np.square(family.runs["teacher"].sd).sum())
    panels = []
    for name, info in family.infos.items():
        if info.role != "point":
            sd = family.runs[name].sd
            share = float(np.square(sd).sum()) / whole
            detail = "variance 1" if info.role == "teacher" else f"variance {share:.2f}"
            panels.append(Panel(sd, name, detail, COLOURS))
    return panels


def cost(info: SamplerInfo) -> str:
    """Say what one sample takes."""
    if info.role == "teacher":
        return f"{info.nfe} network calls"
    steps = "1 step" if info.steps == 1 else f"{info.steps} steps"
    return f"{steps}, new noise" if info.needs_noise else steps


def show(axes: Axes, panel: Panel, limits: Normalize) -> None:
    """Draw one image under its header."""
    axes.imshow(panel.image, cmap=panel.colours, norm=limits, interpolation="nearest")
    write_header(axes, panel.name, panel.detail)


def write_header(axes: Axes, name: str, detail: str) -> None:
    """Write two lines over a panel and draw nothing of its axes."""
    axes.set_axis_off()
    for line, above, colour in ((name, 32, INK), (detail, 8, FAINT)):
        axes.text(0, 1 + above / PANEL, line, size=15, color=colour, transform=axes.transAxes)


def draw_key(
    place: Callable[[float, float, float, float], Axes],
    left: float,
    family: Family,
    limits: dict[str, Normalize],
) -> None:
    """Draw colour bars and a scale bar into the last place of the first row."""
    top = MARGIN + HEADING + HEADER
    write_header(place(left, top, PANEL, PANEL), "photoelectrons", "per pixel")
    titles = {"gray": "images", COLOURS: "standard deviation"}
    for number, (colours, title) in enumerate(titles.items()):
        # the number under an end of the bar reaches a little beyond it
        axes = place(left, top + 34 + 92 * number, PANEL - 16, 18)
        bar = axes.figure.colorbar(
            ScalarMappable(limits[colours], colours), cax=axes, orientation="horizontal"
        )
        ticks = MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(0, limits[colours].vmax)
        ticks = ticks[(ticks >= 0) & (ticks <= limits[colours].vmax)]
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
        bar.ax.tick_params(labelsize=14, labelcolor=FAINT, color=FAINT, length=4)
        bar.outline.set_edgecolor(FAINT)
        bar.ax.set_title(title, size=15, color=INK, loc="left", pad=6)
    axes = place(left, top + PANEL - 12, PANEL / 4, 6)
    axes.set_axis_off()
    axes.axhspan(0, 1, color=INK)
    length = f"{family.truth.shape[1] / 4:g} px"
    axes.text(1.15, -0.6, length, size=15, color=INK, transform=axes.transAxes)


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure with as many colours as its size in bytes allows."""
    pixels = io.BytesIO()
    figure.savefig(pixels, format="png")
    rgb = np.asarray(Image.open(pixels).convert("RGB")).astype(np.int32)
    # one number a colour: sorting rows of three takes ten times as long
    codes, index = np.unique(rgb @ (1 << 16, 1 << 8, 1), return_inverse=True)
    colours = codes[:, None] >> (16, 8, 0) & 255
    for levels in GREYS:
        palette = make_palette(levels)
        nearest = cKDTree(palette).query(colours)[1].astype(np.uint8)
        picture = Image.fromarray(nearest[index.reshape(rgb.shape[:2])])
        picture.putpalette(palette.ravel().tolist())
        file = io.BytesIO()
        picture.save(file, format="png", optimize=True)
        if file.tell() < LARGEST:
            break
    path.write_bytes(file.getvalue())


def make_palette(levels: int) -> np.ndarray:
    """Return greys for images and words, then colours for the maps, (n, 3) uint8."""
    greys = np.linspace(0, 255, levels).repeat(3).reshape(-1, 3)
    shades = 255 * mpl.colormaps[COLOURS](np.linspace(0, 1, levels * 5 // 8))[:, :3]
    return np.concatenate([greys, shades]).round().astype(np.uint8)


if __name__ == "__main__":
    main()
