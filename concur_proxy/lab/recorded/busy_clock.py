"""Time without the long pauses of a recording."""

from bisect import bisect_right
from collections.abc import Sequence

from concur_proxy.lab.recorded.request import RecordedRequest

LONGEST_IDLE_S = 120.0
"""A time without an open request is shortened to this, in which caches and the gate forget nothing."""


class BusyClock:
    """Time in which long idle times are short, so that nothing is simulated where nothing happened."""

    def __init__(self, requests: Sequence[RecordedRequest]) -> None:
        """`requests` are in the order of their arrival. The first one arrives at 0."""
        self._times: list[float] = []
        self._cut: list[float] = []
        ended_at = requests[0].at if requests else 0.0
        cut = ended_at
        self._times.append(-1.0)
        self._cut.append(cut)
        for request in requests:
            idle_s = request.at - ended_at
            if idle_s > LONGEST_IDLE_S:
                cut += idle_s - LONGEST_IDLE_S
                self._times.append(request.at)
                self._cut.append(cut)
            ended_at = max(ended_at, request.ended_at)

    def read(self, at: float) -> float:
        """The moment on this clock, in seconds."""
        return at - self._cut[bisect_right(self._times, at) - 1]
