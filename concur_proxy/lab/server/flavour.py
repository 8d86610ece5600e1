"""What an emulated engine copies from a real engine kind: its metrics."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import Metric


class Flavour(Protocol):
    """The metrics of one rank. `now` is in the engine's seconds."""

    def on_step_end(self, now: float) -> None:
        """The engine has ended a step."""
        ...

    def collect(self, now: float) -> Iterator[Metric]:
        """The series that a scrape reads."""
        ...
