"""Ends a run before its time is up, such as that of a job in a queue."""

import math
import time
from collections.abc import Callable

# Left for a first save, whose length nobody knows yet, and for the process to end.
_MARGIN_SECONDS = 5.0


class TimeLimit:
    """How long a run may still take, and how long each of its parts took so far."""

    def __init__(
        self, minutes: float | None, now: Callable[[], float] = time.monotonic
    ):
        """Starts the clock.

        Args:
            minutes: From now; None for no limit. 0 leaves room for one call.
            now: Tells the time in seconds.

        Raises:
            ValueError: If minutes are negative or no number.
        """
        if minutes is not None and not minutes >= 0:
            raise ValueError(
                f"max_minutes={minutes} is not allowed: expected a number of minutes "
                "from 0; set --max_minutes"
            )
        self._now = now
        self._end = math.inf if minutes is None else now() + 60 * minutes
        self._longest: dict[str, float] = {}
        self._longest_save = 0.0

    @property
    def minutes_left(self) -> float | None:
        """Minutes that are left, at least 0; None without a limit."""
        if math.isinf(self._end):
            return None
        return max(0.0, self._end - self._now()) / 60

    def note(self, part: str, seconds: float):
        """Notes how long a call of a part took, such as a stage's, without saving."""
        self._longest[part] = max(seconds, self._longest.get(part, 0.0))

    def note_save(self, seconds: float):
        """Notes how long a save took."""
        self._longest_save = max(seconds, self._longest_save)

    def has_room(self, part: str) -> bool:
        """Whether one more call of a part, and a save, would end in time.

        A part that made no call yet is taken to need as long as the slowest of the
        others. Before the first call of all there is room, however little time is left:
        else a limit below the length of one would be met again and again, and the run
        would never go on.
        """
        if not self._longest:
            return True
        longest = self._longest.get(part, max(self._longest.values()))
        needed = longest + self._longest_save + _MARGIN_SECONDS
        return self._now() + needed <= self._end
