"""Small work beside a window: reading and writing files, off its thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Aside", "at_once"]


class Aside(Protocol):
    """Does small work beside a window; `QtRunner.call` is one."""

    def __call__(
        self,
        title: str,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Call `function`, then hand what it returned or raised to one of the others."""
        ...


def at_once(
    title: str,
    function: Callable[[], Any],
    then: Callable[[Any], None],
    otherwise: Callable[[Exception], None] | None = None,
) -> None:
    """Do small work in this thread, as a script does; what it raises is raised."""
    try:
        found = function()
    except Exception as error:
        if otherwise is not None:
            otherwise(error)
        raise
    then(found)
