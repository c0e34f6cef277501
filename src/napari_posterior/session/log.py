"""The last words of the package's log, kept in memory to be read in a window."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

__all__ = ["CAPACITY", "LOGGER", "LogRing", "keep_log", "leave_log", "log_lines"]

LOGGER: Final = "napari_posterior"
"""The logger whose records are kept."""

CAPACITY: Final = 500
"""Records that are kept, the newest."""

_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogRing(logging.Handler):
    """Keeps the newest records as text; may be read from any thread.

    Parameters
    ----------
    capacity : int
        How many.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter(_FORMAT))
        self._texts: deque[str] = deque(maxlen=capacity)
        self._count = 0
        self.users = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, its traceback included."""
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        if not logging.root.handlers and (last := logging.lastResort) is not None:
            if record.levelno >= last.level:  # as if nobody kept the log
                last.handle(record)
        self._texts.append(text)  # as text, so that no traceback keeps what it saw
        self._count += 1

    @property
    def texts(self) -> tuple[str, ...]:
        """The records, oldest first; one may be of several lines."""
        with self.lock or threading.Lock():
            return tuple(self._texts)

    @property
    def count(self) -> int:
        """How many there have been: it tells whether there is anything new."""
        return self._count


def keep_log() -> LogRing:
    """Keep the log until `leave_log` is called as often; all who ask share one ring."""
    logger = logging.getLogger(LOGGER)
    ring = _ring_of(logger)
    if ring is None:
        ring = LogRing()
        logger.addHandler(ring)
    ring.users += 1
    return ring


def leave_log(ring: LogRing) -> None:
    """Keep the log no more, once nobody wants it."""
    ring.users -= 1
    if ring.users <= 0:
        logging.getLogger(LOGGER).removeHandler(ring)
        ring.close()


def log_lines(number: int) -> tuple[str, ...]:
    """Return the last lines of the log, oldest first; none where it is not kept."""
    ring = _ring_of(logging.getLogger(LOGGER))
    if ring is None or number <= 0:
        return ()
    return tuple(line for text in ring.texts for line in text.splitlines())[-number:]


def _ring_of(logger: logging.Logger) -> LogRing | None:
    return next((one for one in logger.handlers if isinstance(one, LogRing)), None)
