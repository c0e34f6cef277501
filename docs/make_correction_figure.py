"""Draw the figure of docs/fast-and-right.md and put its tables into the page.

    python docs/make_correction_figure.py [--out docs/images]

All numbers come from docs/fast_and_right.json, which `benchmarks/corrections.py --write` makes;
what is between the two marks of the page is written anew. Needs matplotlib
(``pip install "napari-posterior[figures]"``).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

from make_family_figures import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HERE = Path(__file__).parent
RESULTS, PAGE, PICTURE = HERE / "fast_and_right.json", HERE / "fast-and-right.md", "fast-and-right"
MARKS = "<!-- tables: made by make_correction_figure.py -->", "<!-- tables: end -->"
BEST = "kd, 1 step"
# colours that are told apart by everyone (Okabe and Ito 2008)
QUANTITIES = {
    "mean": ("mean image", "#0072B2", "o"),
    "variance": ("variance map", "#D55E00", "s"),
    "count": ("puncta count", "#009E73", "^"),
    "events": ("puncta, one by one", "#CC79A7", "D"),
}
LINES = ("-", "--", ":", "-.")
TICKS = (0.5, 1, 2, 3, 5, 8, 12)
LEAST, MOST = 0.4, 14.0
COUNTED = ("count", "events")
WAYS = {
    "nested": "students of pairs counted too, slope 1",
    "independent": "only students without a partner, slope 1",
    "nested, slope of the card": "students of pairs counted too, slope of the card",
    "8 pairs of pilot": "the same, slope and plan paid for with 8 pairs",
    "plan for counts": "plan for counts (made for r = 0.8), slope 0.8",
}
DEFAULT = {
    "mean": "nested",
    "mean, in sd": "nested",
    "variance": "independent",
    "variance, in sd": "independent",
    "count": "nested",
    "events": "nested",
}
MEASURED = {
    "mean": "mean image",
    "mean, in sd": "mean, pixels in their SD",
    "variance": "variance map",
    "variance, in sd": "variance, pixels in theirs",
    "count": "puncta count",
    "events": "puncta, one by one",
}

Result = dict[str, Any]


def main() -> None:
    """Draw the figure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE / "images")
    options = parser.parse_args()
    result = json.loads(RESULTS.read_text(encoding="utf-8"))
    path = options.out / f"{PICTURE}.png"
    draw(result).savefig(path, dpi=100)
    sys.stdout.write(f"{path}\n")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    page = "\n".join([before + MARKS[0], "", *tables(result), "", MARKS[1] + after])
    PAGE.write_text(page, encoding="utf-8")


def draw(result: Result) -> Figure:
    """Return the figure: what students gain, how they follow the teacher, what scenes say."""
    figure = Figure(figsize=(15, 6.4), dpi=100, facecolor="white", layout="constrained")
    axes = figure.subplots(1, 3, width_ratios=(1.1, 0.9, 1.1))
    draw_students(axes[0], result)
    draw_bands(axes[1], result)
    draw_scenes(axes[2], result)
    for one in axes:
        one.tick_params(colors=INK, labelsize=10)
        for side in ("top", "right"):
            one.spines[side].set_visible(False)
        for side in ("left", "bottom"):
            one.spines[side].set_color(FAINT)
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], marker="^", ls="", color=INK, mfc="white", ms=6))
    figure.legend(
        handles,
        [*labels, "puncta with the plan for counts"],
        loc="outside lower center",
        ncols=5,
        frameon=False,
        fontsize=11,
        labelcolor=INK,
    )
    return figure


def draw_students(ax: Axes, result: Result) -> None:
    """Draw the pooled gains of every student."""
    names = sorted(result["together"], key=lambda name: _law(result, name, "mean")[0])
    for key, place, (label, colour, marker) in _spread(QUANTITIES):
        heights = np.arange(len(names)) + place
        rows = [_law(result, name, key) for name in names]
        _points(ax, rows, heights, label, colour, marker)
        if key in COUNTED:
            others = [_law(result, name, key, "plan for counts") for name in names]
            _hollow(ax, [row[0] for row in others], heights, colour, marker)
    _gain_axis(ax, [f"{name}" for name in names])
    ax.set_title("Every student, all scenes", loc="left", color=INK, fontsize=12)


def draw_bands(ax: Axes, result: Result) -> None:
    """Draw the correlation on shared noise by size of detail, as what it leaves over."""
    bands = list(next(iter(result["together"].values()))["bands"])
    shades = ("#0072B2", "#999999", "#E69F00", "#D55E00", "#E69F00", "#E69F00", "#009E73")
    students = list(result["together"])
    styles: dict[str, int] = {}
    for name, shade in zip(students, shades, strict=True):
        place = styles.setdefault(shade, 0)
        styles[shade] += 1
        r = [result["together"][name]["bands"][band][0] for band in bands]
        ax.plot(range(len(bands)), r, LINES[place], color=shade, label=name, marker="o", ms=4)
    ax.set_xticks(range(len(bands)), [band.replace(" to ", "–") for band in bands])
    ax.set_xlabel("spatial frequency, cycles per pixel (coarse to fine)", color=INK)
    ax.set_ylabel("correlation r with the teacher on the same noise", color=INK)
    ax.set_title("How closely they follow", loc="left", color=INK, fontsize=12)
    ax.grid(axis="y", color="0.9")
    ax.legend(loc="lower left", frameon=False, fontsize=9, labelcolor=INK)


def draw_scenes(ax: Axes, result: Result) -> None:
    """Draw the gains of the best student scene by scene."""
    names = list(result["scenes"])[::-1]
    for key, place, (label, colour, marker) in _spread(QUANTITIES):
        rows = []
        for name in names:
            row = result["scenes"][name]["students"][BEST]["law"].get(key, {})
            rows.append((row.get("slope 1"), row.get("plan for counts")))
        heights = np.arange(len(names)) + place
        _points(ax, [(one, one, one) for one, _ in rows], heights, label, colour, marker)
        if key in COUNTED:
            _hollow(ax, [one for _, one in rows], heights, colour, marker)
    _gain_axis(ax, [_scene_name(name, result) for name in names])
    ax.set_title(f"{BEST}, scene by scene", loc="left", color=INK, fontsize=12)


def _points(ax: Axes, rows: list[Any], y: np.ndarray, label: str, colour: str, marker: str) -> None:
    for (value, low, high), place in zip(rows, y, strict=True):
        if value is None:
            continue
        if low is not None:
            end = MOST if high is None else high
            ax.plot((low, end), (place, place), color=colour, lw=1.5, alpha=0.7)
        ax.plot(value, place, marker, color=colour, ms=6, label=label)
        label = "_again"


def _hollow(ax: Axes, values: list[float | None], y: np.ndarray, colour: str, marker: str) -> None:
    for value, place in zip(values, y, strict=True):
        if value is not None:
            ax.plot(value, place, marker, color=colour, mfc="white", ms=6)


def _gain_axis(ax: Axes, names: list[str]) -> None:
    ax.set_xscale("log")
    ax.axvline(1, color=INK, lw=1)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlim(LEAST, MOST)
    ax.xaxis.set_major_locator(FixedLocator(TICKS))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xticklabels([f"{t:g}×" for t in TICKS])
    ax.grid(axis="x", color="0.9")
    ax.set_xlabel("worth so many times more teacher samples", color=INK)


def _spread(rows: dict[str, Any]) -> list[tuple[str, float, Any]]:
    places = np.linspace(0.24, -0.24, len(rows))
    return [(key, float(p), one) for (key, one), p in zip(rows.items(), places, strict=True)]


def tables(result: Result) -> list[str]:
    """Return the tables in Markdown."""
    return [
        *students_table(result),
        "",
        *measured_table(result),
        "",
        *scenes_table(result),
        "",
        *ways_table(result),
    ]


def students_table(result: Result) -> list[str]:
    """Return what every student costs, follows and gains."""
    names = [label for label, _, _ in QUANTITIES.values()]
    names += ["puncta count, plan for counts"]
    lines = [
        f"**Every student**, {len(result['scenes'])} scenes, the time of {result['budget']} "
        "samples of the teacher; gains by the law of the estimator at slope 1, with 95 % intervals "
        "over scenes. Cost: teacher samples for the time of one student sample.",
        "",
        f"| student | cost | pairs + students | r of {' / '.join(names[:-1])} "
        f"| {' | '.join(names)} |",
        f"|{' --- |' * (4 + len(names))}",
    ]
    for name, entry in result["together"].items():
        plan = result["plans"][name]
        ratio = result["times"][name]["wall"][0]
        r = " / ".join(_number(entry["r"].get(key, [None])[0], 3) for key in QUANTITIES)
        found = [_law(result, name, key) for key in QUANTITIES]
        found.append(_law(result, name, "count", "plan for counts"))
        gains = " | ".join(map(_gain, found))
        lines.append(
            f"| {name} | 1/{ratio:.3g} | {plan['pairs']} + {plan['students']} | {r} | {gains} |"
        )
    return lines


def measured_table(result: Result) -> list[str]:
    """Return the gains that repeats had against the large sample of the teacher."""
    labels = list(MEASURED.values())
    truths = [one["teachers"] - result["budget"] for one in result["scenes"].values()]
    lines = [
        "**Measured**: mean squared errors of repeats against the teacher's samples on other noise "
        f"({min(truths)} or more of each scene), beside the law.",
        "",
        f"| student |  | {' | '.join(labels)} |",
        f"|{' --- |' * (2 + len(labels))}",
    ]
    for name, entry in result["together"].items():
        found = [
            entry["measured"].get(key, {}).get(DEFAULT[key], {}).get("gain") for key in MEASURED
        ]
        if not any(found):
            continue
        lines.append(f"| {name} | measured | {' | '.join(map(_gain, found))} |")
        law = [_law(result, name, key) for key in MEASURED]
        lines.append(f"|  | law | {' | '.join(map(_gain, law))} |")
    return lines


def scenes_table(result: Result) -> list[str]:
    """Return the best student's gains and correlations scene by scene."""
    labels = [label for label, _, _ in QUANTITIES.values()]
    bands = list(next(iter(result["together"].values()))["bands"])
    lines = [
        f"**{BEST}, scene by scene**: gains by the law; r in bands of spatial frequency, cycles "
        "per pixel.",
        "",
        f"| scene | teacher samples | puncta | {' | '.join(labels)} | r, {' / '.join(bands)} |",
        f"|{' --- |' * (4 + len(labels))}",
    ]
    for name, scene in result["scenes"].items():
        row = scene["students"][BEST]
        gains = [_number(row["law"].get(key, {}).get("slope 1"), 2) for key in QUANTITIES]
        r = " / ".join(_number(row["bands"][band], 3) for band in bands)
        lines.append(
            f"| {_scene_name(name, result)} | {scene['teachers']} | {scene['puncta']:.1f} | "
            f"{' | '.join(gains)} | {r} |"
        )
    return lines


def ways_table(result: Result) -> list[str]:
    """Return what other ways of weighting and planning gain, measured."""
    entry = result["together"][BEST]
    labels = [label for label, _, _ in QUANTITIES.values()]
    lines = [
        f"**What was tried with {BEST}**, measured, and by the law of each scene.",
        "",
        f"| way | {' | '.join(labels)} |",
        f"|{' --- |' * (1 + len(labels))}",
    ]
    for way, words in WAYS.items():
        found = [entry["measured"].get(key, {}).get(way, {}).get("gain") for key in QUANTITIES]
        lines.append(f"| {words} | {' | '.join(map(_gain, found))} |")
    for name, entry in result["together"].items():
        if name not in (BEST, "pd, 4 steps"):
            continue
        for way, words in (
            ("slope 1", "plan for means, slope 1"),
            ("plan for counts", "plan for counts"),
            ("best plan", "plan and slope made for each scene and quantity"),
        ):
            row = [entry["law"].get(key, {}).get(way, {}).get("gain") for key in QUANTITIES]
            lines.append(f"| law, {name}: {words} | {' | '.join(map(_gain, row))} |")
    for key, words in (("two", "kd, teacher"), ("three", "kd, pd of 4 steps, teacher")):
        found = [_mean_gain(result, quantity, key) for quantity in ("mean", "variance")]
        lines.append(f"| law: levels {words} | {' | '.join(found)} | – | – |")
    return lines


def _mean_gain(result: Result, quantity: str, key: str) -> str:
    gains = [one["levels"][quantity][key]["gain"] for one in result["scenes"].values()]
    return f"{np.exp(np.mean(np.log(gains))):.2g}×"


def _law(result: Result, name: str, key: str, way: str = "slope 1") -> list[float | None]:
    row = result["together"][name]["law"].get(key)
    return [None] * 3 if row is None else row[way]["gain"]


def _gain(row: list[float | None] | None) -> str:
    if not row or row[0] is None:
        return "–"
    value, low, high = row
    if low is None:
        return f"{value:.2g}×"
    if high is None:
        return f"{value:.2g}× (> {low:.2g})"
    return f"{value:.2g}× ({low:.2g}–{high:.2g})"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def _scene_name(name: str, result: Result) -> str:
    kind = result["scenes"][name]["kind"]
    words = name.replace("_", " ") if kind == "real" else kind
    return f"{words} ({'real' if kind == 'real' else 'simulated'})"


if __name__ == "__main__":
    main()
