"""Measure how often the checks are right and put the tables into docs/operating_characteristics.md.

    python docs/make_operating_characteristics.py [--repeats 200] [--cache FOLDER] [--rows WORD]

Teachers and students are toy laws whose difference is known (`napari_posterior.toys`), the rows are
those of ``tests/support/toy_rows.py``, and findings and verdicts come from the functions that a
comparison uses. With a cache, a folder outside the repository, what is
there already is not measured again; ``--rows`` measures the rows whose name holds a word and writes
no page. Takes about half an hour on one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from toy_checks import find, judge_all
from toy_rows import (
    BOUNDARY,
    COVERAGE,
    EXACT,
    FAULTS,
    FINER_FAULTS,
    SEQUENCES,
    WATCHED,
    exact_of,
)

from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.verdict import NOT_ENOUGH, NOT_PRESERVED, PRESERVED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toy_rows import Row

PAGE = Path(__file__).parent / "operating_characteristics.md"
LOOKS = Looks()
FAR = Looks((16, 64, 256, 512, 1024))
LEVEL = 0.9
WATCHED_AT = (16, 64)
CHECKED_AT = (16, 32, 64)

Result = dict[str, Any]


def measure_verdicts(row: Row, repeats: int) -> Result:
    """Return how often each verdict is given at the planner's number of samples.

    Where that is beyond the last look, the plan is the one whose looks go further.
    """
    planner = exact_of(row) if row.role == "boundary" else row
    looks, planned = LOOKS, planner.planned(LOOKS)
    if planned is None:
        looks, planned = FAR, planner.planned(FAR)
    samples = planned or looks.samples[-1]
    found = [row.look(samples, seed, looks) for seed in range(repeats)]
    return {
        "samples": samples,
        "enough": planned is not None,
        "far": looks == FAR,
        "verdicts": Counter(str(one.verdict) for one in found),
        "estimate": float(np.median([one.estimate for one in found])),
    }


def measure_coverage(row: Row, repeats: int) -> Result:
    """Return how often 90 % intervals hold what is known, at each number of samples."""
    truth = row.known()
    table = {}
    for samples in CHECKED_AT:
        held = []
        for seed in range(repeats):
            low, high = find(row.draw(samples, seed), (row.check,), level=LEVEL)[
                row.finding
            ].interval
            held.append((low is None or low <= truth) and (high is None or truth <= high))
        table[str(samples)] = int(np.sum(held))
    return {"truth": truth, "held": table}


def measure_watch(row: Row, repeats: int) -> Result:
    """Return how often every check finds a fault."""
    table: dict[str, dict[str, int]] = {}
    for samples in WATCHED_AT:
        tally: Counter[str] = Counter()
        for seed in range(repeats):
            found = judge_all(row.find_all(samples, seed, level=LOOKS.level), LOOKS)
            tally.update(dict.fromkeys(found, 0))  # in the order of the checks
            tally.update(key for key, one in found.items() if one.verdict == NOT_PRESERVED)
        table[str(samples)] = dict(tally)
    return {"found": table, "repeats": repeats}


def measure_sequence(row: Row, repeats: int) -> Result:
    """Return the first verdicts that looks at 16, 32, 64, 128 and 256 samples come to."""
    tally: Counter[str] = Counter()
    used = []
    for seed in range(repeats):
        whole = row.draw(LOOKS.samples[-1], seed)
        verdict, samples = NOT_ENOUGH, 0
        for samples in LOOKS.samples:
            found = find(whole.first(samples), (row.check,), level=LOOKS.level)
            verdict = str(judge_all(found, LOOKS)[row.finding].verdict)
            if verdict != NOT_ENOUGH:
                break
        tally[verdict] += 1
        used.append(samples)
    return {"verdicts": tally, "mean_samples": float(np.mean(used))}


def rows_table(results: Sequence[tuple[Row, Result]], repeats: int) -> str:
    """Return a table of verdicts in Markdown."""
    lines = [
        "| student | finding | samples of each | preserved | not preserved | not enough | median |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row, result in results:
        shares = [
            _share(result["verdicts"].get(v, 0), repeats)
            for v in (PRESERVED, NOT_PRESERVED, NOT_ENOUGH)
        ]
        more = ("" if result["enough"] else "*") + ("†" if result["far"] else "")
        lines.append(
            f"| {row.name} | `{row.finding}` | {result['samples']}{more} | {' | '.join(shares)} | "
            f"{result['estimate']:.3g} |"
        )
    return "\n".join(lines)


def coverage_table(results: Sequence[tuple[Row, Result]], repeats: int) -> str:
    """Return a table of the coverage of intervals in Markdown."""
    heads = " | ".join(f"K = {samples}" for samples in CHECKED_AT)
    lines = [
        f"| student | finding | known value | {heads} |",
        f"| --- | --- | ---: |{' ---: |' * len(CHECKED_AT)}",
    ]
    for row, result in results:
        held = [f"{result['held'][str(samples)] / repeats:.3f}" for samples in CHECKED_AT]
        lines.append(
            f"| {row.name} | `{row.finding}` | {result['truth']:.3g} | {' | '.join(held)} |"
        )
    return "\n".join(lines)


def watch_table(results: Sequence[tuple[Row, Result]]) -> str:
    """Return a table of what each check says of each fault in Markdown."""
    ids = list(dict.fromkeys(k for _, r in results for k in r["found"][str(WATCHED_AT[0])]))
    lines = [
        f"| fault | meant to be found by | {' | '.join(f'`{one}`' for one in ids)} |",
        f"| --- | --- |{' ---: |' * len(ids)}",
    ]
    for row, result in results:
        cells = []
        for one in ids:
            found = [result["found"][str(k)].get(one) for k in WATCHED_AT]
            shares = [f"{n / result['repeats']:.2f}" for n in found if n is not None]
            cells.append(" / ".join(shares) or "–")
        lines.append(f"| {row.name} | `{row.finding}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def sequence_table(results: Sequence[tuple[Row, Result]], repeats: int) -> str:
    """Return a table of what a whole comparison comes to in Markdown."""
    lines = [
        "| student | finding | preserved | not preserved | not enough | samples used, mean |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row, result in results:
        shares = [
            _share(result["verdicts"].get(v, 0), repeats)
            for v in (PRESERVED, NOT_PRESERVED, NOT_ENOUGH)
        ]
        lines.append(
            f"| {row.name} | `{row.finding}` | {' | '.join(shares)} | "
            f"{result['mean_samples']:.0f} |"
        )
    return "\n".join(lines)


def make_page(measured: dict[str, list[tuple[Row, Result]]], repeats: int) -> str:
    """Return the page."""
    error = 1.96 * np.sqrt(0.9 * 0.1 / repeats)
    return f"""# How often the checks are right

The tables are made by `docs/make_operating_characteristics.py`. Teachers and
students are toy posteriors whose difference is known, images of 32 × 32 pixels (96 × 96 for the
coverage) measured through a PSF and a camera. Findings, tolerances and verdicts are those of a
comparison with its default plan: looks at 16, 32, 64, 128 and 256 samples, an error of
{LOOKS.tail:g} on each side of each look. Every number is a share of {repeats} repeats with other
samples, unless said otherwise; a share of .05 is known to within
±{1.96 * np.sqrt(0.05 * 0.95 / repeats):.2f}, one of .80 to within
±{1.96 * np.sqrt(0.8 * 0.2 / repeats):.2f}. What was aimed at stands above each table.

"Samples of each" is what the planner asks for: pilots are drawn at one look after the other until
half of them ask for no more than the next look has. Where they ask for more than the last look, the
row is marked †: its comparison plans looks at {", ".join(map(str, FAR.samples[:-1]))} and
{FAR.samples[-1]} samples, with an error of {FAR.tail:.4f} on each side of each. Where they ask for
more than that has, it is judged at the last look and marked *. Students on a limit are judged at
the number at which the exact one is.

Some rows were changed after a first look at their numbers, which therefore belong here:

- Forms are 16 posterior SD apart. At 6 they are mostly taken for one cloud up to 64 samples, and a
  form of 25 % that is dropped was found in 10 of 15 trials at 256.
- Shares of forms, which may be off by .1, were first judged at 256 samples, where an exact student
  was *preserved* in .03: it takes about 640, which the planner now says, and the default looks stop
  before.
- Less detail is planted in three bands or more. With .8 of the power in the two finest bands
  alone, 15 of 150 trials at 64 samples and, after faint bands were left out, 11 of 40 were
  *preserved*. The unit that samples are standardised with has been smoothed since, which was half
  of it; the other is that the window spreads power over two frequencies, so that the band beside
  the step, at .85, is within the limit.
- The student on the limit of the coverage was first planted for 64 samples and judged at 16, where
  it differs by .046 only: *preserved* in .095. It is now planted for 16.
- The planner's number is that of 20 pilots, settled ones planned for as well. With 7 or 8 pilots it
  came out as 16 for a variance x 0.6 with varying brightness, which 18 of 40 trials then found.

## A student that is its teacher

Never *not preserved* in more than 2 %, *preserved* in 80 % or more.

{rows_table(measured["exact"], repeats)}

## Students on the limit

*Preserved* in 8 % or less.

{rows_table(measured["boundary"], repeats)}

## Students with a fault

*Not preserved* in 80 % or more, by the check that is meant to find it.

{rows_table(measured["fault"], repeats)}

## Which check finds a fault

Share of {measured["watch"][0][1]["repeats"]} repeats in which each check says *not preserved*, at
{WATCHED_AT[0]} / {WATCHED_AT[1]} samples of each run.

{watch_table(measured["watch"])}

## What intervals hold

Share of nominal {LEVEL:.0%} intervals that hold the known value: aimed at .86 to .95; ±{error:.2f}
by chance. One that begins at zero, as that of a gap within the noise of the samples, can miss on
one side only, and holds in .95.

{coverage_table(measured["coverage"], repeats)}

## Whole comparisons

The first verdict that the looks come to, samples being added until there is one.

{sequence_table(measured["sequence"], repeats)}
"""


PARTS: dict[str, tuple[Sequence[Row], Callable[[Row, int], Result]]] = {
    "exact": (EXACT, measure_verdicts),
    "boundary": (BOUNDARY, measure_verdicts),
    "fault": ((*FAULTS, *FINER_FAULTS), measure_verdicts),
    "watch": (WATCHED, measure_watch),
    "coverage": (COVERAGE, measure_coverage),
    "sequence": (SEQUENCES, measure_sequence),
}


def remembered(
    part: str, row: Row, repeats: int, cache: Path | None, measure: Callable[[Row, int], Result]
) -> Result:
    """Return a result from the cache, or measure it."""
    place = None if cache is None else cache / f"{part}_{row.key}_{repeats}.json"
    if place is not None and place.exists():
        stored: Result = json.loads(place.read_text())
        return stored
    begun = time.perf_counter()
    result: Result = json.loads(json.dumps(measure(row, repeats)))
    sys.stderr.write(f"{part}: {row.name}: {time.perf_counter() - begun:.0f} s: {result}\n")
    if place is not None:
        place.write_text(json.dumps(result))
    return result


def _share(count: int, repeats: int) -> str:
    return f"{count / repeats:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--rows", default="")
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args(arguments)
    if given.cache is not None:
        given.cache.mkdir(parents=True, exist_ok=True)
    measured: dict[str, list[tuple[Row, Result]]] = {}
    for part, (rows, measure) in PARTS.items():
        repeats = max(given.repeats // 4, 1) if part == "watch" else given.repeats
        measured[part] = [
            (row, remembered(part, row, repeats, given.cache, measure))
            for row in rows
            if given.rows in row.name
        ]
    if not given.rows:
        given.out.write_text(make_page(measured, given.repeats), encoding="utf-8")


if __name__ == "__main__":
    main()
