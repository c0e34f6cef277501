"""What can go wrong in a user's hands: each error is one clear sentence that says what to do.

The command line turns every `PosteriorError` into that sentence and exit code 2; anything else
that escapes is a fault of this package.
"""

from __future__ import annotations


class PosteriorError(Exception):
    """A fault that the user can put right; its message is one sentence that says how."""


class InputError(PosteriorError):
    """The image, or a number that describes it, cannot be used (NaN, RGB, too small, ...)."""


class NotTestableError(InputError):
    """The samples cannot answer the question: planes of one stack that were drawn separately."""


class ModelError(PosteriorError):
    """A model bundle is unknown, incomplete or altered."""


class RunError(PosteriorError):
    """A run cannot be made, opened, resumed or compared."""


class OutputError(PosteriorError):
    """A result cannot be written (the folder exists, is read-only, is full, or went away)."""
