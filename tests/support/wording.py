"""Words that no sentence shown to a user has: they promise what no comparison can."""

from __future__ import annotations

import re

FORBIDDEN = ("validated", "identical", "true", "safe")


def forbidden_in(text: str) -> list[str]:
    """Return the words of a text that promise too much."""
    return [word for word in FORBIDDEN if re.search(rf"\b{word}\b", text, re.IGNORECASE)]
