"""What middleware logs: an outage by a line at its start and one at its end, and another fault at most once a minute. A
line for each request would fill the disk while the daemon is away."""

from __future__ import annotations

import logging
import threading
import time

logger = logging.getLogger("jwtkeeper")
#: Seconds for which the daemon must have answered for an outage to be over.
QUIET = 1.0
AGAIN = 60.0
#: Faults that are remembered, each with the time of its last line and the lines left out since.
MOST_FAULTS = 16


class Reporter:
    """The state of one middleware's log."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused = 0
        self._began = self._last = 0.0
        self._faults: dict[str, list[float]] = {}

    def note(self, status: int, message: str) -> None:
        """Notes what a request came to, and why it could not be judged or a rotation is put off."""
        if status == 503:
            self._unavailable(message)
        elif status == 500:
            self._fails(f"requests fail: {message}")
        else:
            self._answered()
            if message:
                self._fails(f"rotation is put off: {message}")

    def _unavailable(self, message: str) -> None:
        with self._lock:
            self._last = time.monotonic()
            self._refused += 1
            first = self._refused == 1
            if first:
                self._began = self._last
        if first:
            logger.warning("jwtkeeperd does not answer; requests get 503 until it does: %s", message)

    def _answered(self) -> None:
        if not self._refused:
            return
        with self._lock:
            if not self._refused or time.monotonic() - self._last < QUIET:
                return
            refused, lasted, self._refused = self._refused, self._last - self._began, 0
        logger.warning("jwtkeeperd answers again: %d requests got 503 within %.1f s", refused, lasted)

    def _fails(self, fault: str) -> None:
        with self._lock:
            now = time.monotonic()
            logged = self._faults.get(fault)
            if logged is not None and now - logged[0] < AGAIN:
                logged[1] += 1
                return
            omitted = f" ({int(logged[1])} repeated lines were left out)" if logged and logged[1] else ""
            if len(self._faults) >= MOST_FAULTS:
                self._faults.clear()
            self._faults[fault] = [now, 0]
        logger.warning("%s%s", fault, omitted)
