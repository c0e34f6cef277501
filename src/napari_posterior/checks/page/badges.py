"""The four verdicts as badges that differ in words, shape and texture, not only in colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_posterior.checks.verdicts.verdict import (
    NOT_ENOUGH,
    NOT_PRESERVED,
    NOT_TESTABLE,
    PRESERVED,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.verdicts.verdict import Verdict

__all__ = ["NOT_ASKED", "SEVERITY", "badge", "icon", "kind_of"]

NOT_ASKED: Final = "not asked"
"""What stands for the verdict of a question that was left out."""

SEVERITY: Final[tuple[Verdict, ...]] = (NOT_PRESERVED, NOT_ENOUGH, NOT_TESTABLE, PRESERVED)
"""The verdicts, the one to be read first in front."""

_KINDS: Final[Mapping[str, str]] = {
    PRESERVED: "kept",
    NOT_PRESERVED: "lost",
    NOT_ENOUGH: "open",
    NOT_TESTABLE: "mute",
    NOT_ASKED: "mute",
}

# 24 x 24: a full disc, a diamond with a bar, a half disc, an empty square with a stroke
_SHAPES: Final[Mapping[str, str]] = {
    PRESERVED: '<circle class="f" cx="12" cy="12" r="10"/><path class="w" d="M7 10h10M7 14.5h10"/>',
    NOT_PRESERVED: '<path class="f" d="M12 .8 23.2 12 12 23.2.8 12z"/>'
    '<path class="w" d="M7 10h10M7 14.5h10M15 6.5 9 17.5"/>',
    NOT_ENOUGH: '<circle class="o" cx="12" cy="12" r="9.6"/>'
    '<path class="f" d="M12 2.4a9.6 9.6 0 0 1 0 19.2z"/>',
    NOT_TESTABLE: '<path class="o" d="M3 3h18v18H3zM5 19 19 5"/>',
    NOT_ASKED: '<path class="o d" d="M3 3h18v18H3z"/>',
}


def kind_of(verdict: str) -> str:
    """Return the style of a verdict: ``"kept"``, ``"lost"``, ``"open"`` or ``"mute"``."""
    return _KINDS[verdict]


def icon(verdict: str, *, size: int = 18) -> str:
    """Draw the shape of a verdict.

    Parameters
    ----------
    verdict : str
        One of the four, or `NOT_ASKED`.
    size : int
        Width and height in pixels of the page.
    """
    return (
        f'<svg class="icon {kind_of(verdict)}" viewBox="0 0 24 24" width="{size}" '
        f'height="{size}" aria-hidden="true">{_SHAPES[verdict]}</svg>'
    )


def badge(verdict: str) -> str:
    """Draw a verdict as shape and words."""
    return f'<span class="badge {kind_of(verdict)}">{icon(verdict)}<b>{verdict}</b></span>'
