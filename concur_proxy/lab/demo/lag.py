"""Does this machine keep up with the demo?

The demo runs faster than real time, in three processes. On a busy machine each of them waits for the CPU: the engine's
steps take longer than the model says, and agents and gateway deliver requests late. The engine then looks idle although
the fleet is at work, and the comparison says nothing about the gateway. So the lag is measured while a fleet runs:

- the engine: how much longer its steps took than they should have, as a share of the time that they should have taken;
- the turns: how much later tool calls ended, and how long round trips through the other processes took, as a share of
  the shortest time that a turn can take.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import httpx

from concur_proxy.lab.demo.fleet import Progress
from concur_proxy.lab.demo.options import DemoOptions
from concur_proxy.lab.server.clockwork import CLOCK_PATH

TOLERANCE = 0.05
"""Largest lag at which a comparison counts. The lags of two runs cannot differ by more, so neither can their ratio."""
HOPELESS = 2 * TOLERANCE
"""Lag at which a run is stopped before its end."""
SETTLED_S = 5.0
"""Real seconds after which a run may be stopped. Before that, the start of the fleet weighs too much."""
SETTLED_ENGINE_S = 30.0
"""The engine's seconds after which a run may be stopped. Both times must have passed."""
LOWEST_SCALE = 1.5
"""The demo does not lower its time scale below this: the fleet would take too long."""
STEPS_DOWN = (2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)
"""Time scales that are tried on a busy machine, as shares of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far one run fell behind."""

    engine: float | None
    """None for an engine that is not emulated."""
    turns: float

    @property
    def worst(self) -> float:
        """The larger of the two lags."""
        return max(self.engine or 0.0, self.turns)

    @property
    def problem(self) -> str | None:
        """What was too slow, as a part of a sentence; None if the machine kept up."""
        parts = []
        if self.engine is not None and self.engine > TOLERANCE:
            parts.append(f"the emulated engine's steps took {100 * self.engine:.0f} % too long")
        if self.turns > TOLERANCE:
            parts.append(f"agents and gateway made each turn {100 * self.turns:.0f} % too long")
        return " and ".join(parts) or None


def lower_scale(scale: float, *, first: float, lag: Lag) -> float | None:
    """The next time scale to try after this lag, at least half of `scale`; None if it cannot be lowered further.

    The lag of a step is a delay in real time, so its share of the step is about proportional to the time scale.
    """
    lower = sorted(first * share for share in STEPS_DOWN if LOWEST_SCALE <= first * share < scale * 0.99)
    if not lower:
        return None
    wanted = max(scale * TOLERANCE / lag.worst, scale / 2) if lag.worst else scale
    return max((each for each in lower if each <= wanted), default=lower[0])


class LagMeter:
    """Measures the lag of one run."""

    def __init__(self, options: DemoOptions, scale: float, progress: Progress) -> None:
        self._scale = scale
        self._progress = progress
        self._least_turn_s = least_turn_s(options)
        self._clock: dict[str, float] | None = None
        self._round_trips_s: list[float] = []

    @property
    def lag(self) -> Lag:
        """The lag so far."""
        engine = None
        if self._clock is not None:
            engine = max(0.0, self._clock["late_s"] / self._clock["due_s"]) if self._clock["due_s"] else 0.0
        late_s = _mean(self._round_trips_s) + _mean(self._progress.tools_late_s)
        return Lag(engine=engine, turns=late_s * self._scale / self._least_turn_s)

    @property
    def is_hopeless(self) -> bool:
        """Whether to stop the run now: its lag is so large that its result cannot be used."""
        settled_s = max(SETTLED_S, SETTLED_ENGINE_S / self._scale)
        return self._progress.elapsed_s >= settled_s and self.lag.worst > HOPELESS

    async def watch(self, *, emulated_url: str | None, gateway_url: str | None, interval_s: float) -> None:
        """Take a sample in each interval, until `is_hopeless` or cancelled. A URL is None without such a server."""
        async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
            while not self.is_hopeless:
                await asyncio.sleep(interval_s)
                began = time.monotonic()
                if emulated_url is not None:
                    self._clock = (await client.get(emulated_url + CLOCK_PATH)).json()
                if gateway_url is not None:
                    await client.get(f"{gateway_url}/health")
                self._round_trips_s.append(time.monotonic() - began)


def least_turn_s(options: DemoOptions) -> float:
    """Seconds that an average turn takes when nothing waits: the answer on an idle emulated engine and the tool call.

    For a real engine this is the tool call alone, because the engine's speed is not known.
    """
    tool_s = fmean(options.workload.tool_s)
    if options.engine is not None:
        return tool_s
    step_s = options.emulated.shape.cost.duration_s(prefill_tokens=0, decoding=1)
    return tool_s + options.workload.answer_tokens * step_s


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0
