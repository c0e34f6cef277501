"""Pools what `corrections.py` measured on every scene into one table, with intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import stats

LEVEL = 0.95
QUANTITIES = ("mean", "variance", "mean, in sd", "variance, in sd", "count", "events")


def summarise(scenes: dict[str, Any]) -> dict[str, Any]:
    """Pool the scenes: gains, and means of correlations, with intervals."""
    table: dict[str, Any] = {}
    for student in next(iter(scenes.values()))["students"]:
        rows = [scene["students"][student] for scene in scenes.values()]
        entry: dict[str, Any] = {"bands": {}, "r": {}, "law": {}, "measured": {}}
        for band in rows[0]["bands"]:
            entry["bands"][band] = _pool_r([row["bands"][band] for row in rows])
        for quantity in QUANTITIES:
            have = [row for row in rows if quantity in row["r"]]
            if not have:
                continue
            entry["r"][quantity] = _pool_r([row["r"][quantity] for row in have])
            entry["law"][quantity] = {
                way: pool([row["law"][quantity][way] for row in have])
                for way in have[0]["law"][quantity]
            }
            measured = [row["measured"][quantity].get("gain", {}) for row in have]
            ways = {way: None for one in measured for way in one}
            entry["measured"][quantity] = {
                way: pool([one[way] for one in measured if way in one]) for way in ways
            }
        table[student] = entry
    return table


def pool(gains: list[float]) -> dict[str, Any]:
    """Return the gain on all scenes together, with its interval.

    That of the mean, over scenes, of the squared error as a part of the teacher's own: scenes are
    the unit, and one where nothing is gained weighs more than one where much is.
    """
    parts = 1 / np.array(gains)
    middle, reach = float(parts.mean()), math.nan
    if len(parts) > 1:
        half = float(stats.t.isf((1 - LEVEL) / 2, len(parts) - 1))
        reach = half * float(parts.std(ddof=1)) / math.sqrt(len(parts))
    ends = [1 / v if v > 0 else math.nan for v in (middle, middle + reach, middle - reach)]
    return {"gain": rounded(ends), "scenes": len(parts)}


def _pool_r(values: list[float]) -> list[float]:
    z = np.arctanh(np.clip(values, -1 + 1e-9, 1 - 1e-9))
    reach = math.nan
    if len(z) > 1:
        half = float(stats.t.isf((1 - LEVEL) / 2, len(z) - 1))
        reach = half * float(z.std(ddof=1)) / math.sqrt(len(z))
    return [
        round(math.tanh(float(z.mean()) + sign * reach), 4)
        if sign
        else round(math.tanh(float(z.mean())), 4)
        for sign in (0, -1, 1)
    ]


def tell(table: dict[str, Any]) -> None:
    """Print the table."""
    for student, entry in table.items():
        print(f"\n{student}")
        print("  r by band: ", {k: v[0] for k, v in entry["bands"].items()})
        for quantity, r in entry["r"].items():
            print(f"  {quantity:16s} r {r[0]:.3f} ({r[1]}..{r[2]})")
            for source in ("law", "measured"):
                for way, row in entry[source].get(quantity, {}).items():
                    value, low, high = row["gain"]
                    print(f"      {source:9s}{way:28s}{value:6.2f} ({low}..{high})")


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    return value
