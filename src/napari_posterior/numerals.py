"""Numbers in words: how estimates, intervals and shares are written in sentences."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["confidence", "number", "percent", "rounded"]

Bound = float | None

_MINUS: Final = "−"
_MOST_DECIMALS: Final = 8
_MOST_DIGITS: Final = 4


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number for a sentence: `digits` significant digits and a typographic minus."""
    if value is None or not math.isfinite(value):
        return "unbounded"
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return _fixed(value, digits - 1 - magnitude, sign=sign)


def rounded(
    value: float | None, interval: tuple[Bound, Bound], *, sign: bool = False
) -> tuple[str, str]:
    """Write an estimate and its interval with the decimals that the interval deserves.

    Two significant digits of half its width, or one where the numbers would have more than four;
    three digits of the numbers where it has none.

    Returns
    -------
    tuple of str
        ``("0.70", "0.65 to 0.75")``, or ``"–"`` for what there is not.
    """
    low, high = interval
    if value is None or low is None or high is None or not high > low:
        ends = [number(bound, sign=sign) for bound in interval]
        span = "–" if low is None and high is None else " to ".join(ends)
        return "–" if value is None else number(value, sign=sign), span
    digit = math.floor(math.log10((high - low) / 2))
    largest = math.floor(math.log10(max(abs(value), abs(low), abs(high))))
    decimals = min(1 - digit, max(_MOST_DIGITS - 1 - largest, -digit))
    texts = [_fixed(v, decimals, sign=sign) for v in (value, low, high)]
    return texts[0], f"{texts[1]} to {texts[2]}"


def _fixed(value: float, decimals: int, *, sign: bool) -> str:
    """Write a number with some decimals, without a sign where it rounds to zero."""
    text = f"{abs(value):.{min(max(decimals, 0), _MOST_DECIMALS)}f}"
    if float(text) == 0:
        return "0"
    return (_MINUS if value < 0 else "+" if sign else "") + text


def percent(share: float, digits: int = 0, *, sign: bool = False) -> str:
    """Write a share as a percentage with a space, as in ``"90 %"``."""
    return f"{_fixed(100 * share, digits, sign=sign)} %"


def confidence(level: float) -> str:
    """Write a confidence level, as in ``"97.6 %"``."""
    return f"{100 * level:.3g} %"
