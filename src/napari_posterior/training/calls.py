"""Count how often networks are evaluated, image by image."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

__all__ = ["count_calls"]


@contextmanager
def count_calls(
    networks: Mapping[str, nn.Module], calls: dict[str, int], times: int = 1
) -> Iterator[None]:
    """Add the images that each network evaluates meanwhile to `calls`, in place.

    Parameters
    ----------
    networks : mapping of str to nn.Module
        What to watch.
    calls : dict of str to int
        Images by name of the network.
    times : int
        What an image counts, the number of processes that do alike.
    """

    def watch(name: str) -> Any:
        def count(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            calls[name] = calls.get(name, 0) + times * len(inputs[0])

        return count

    hooks = [net.register_forward_hook(watch(name)) for name, net in networks.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
