"""Virtual time: it jumps from each event to the next."""

import heapq
from collections.abc import Callable
from itertools import count


class Alarm:
    """A planned event."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Cancel the event."""
        self.call = None


class Timeline:
    """A clock that jumps from event to event. Events at the same time happen in the order in which they were planned,
    so that a run can be repeated.
    """

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the start."""
        self._numbers = count()
        self._due: list[tuple[float, int, Alarm]] = []

    def at(self, time: float, call: Callable[[], None]) -> Alarm:
        """Plan `call` for `time`, or for now if that is in the past."""
        alarm = Alarm(call)
        heapq.heappush(self._due, (max(time, self.now), next(self._numbers), alarm))
        return alarm

    def after(self, delay_s: float, call: Callable[[], None]) -> Alarm:
        """Plan `call` for `delay_s` seconds from now."""
        return self.at(self.now + delay_s, call)

    def run(self, until: Callable[[], bool]) -> None:
        """Let time pass until `until()` is true after an event, or no event is left."""
        while self._due and not until():
            time, _, alarm = heapq.heappop(self._due)
            call = alarm.call
            if call is not None:
                self.now = time
                alarm.call = None
                call()
