"""A trace that is ready for replays: its agents, and engines with a cache of the chosen size and speeds of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from concur_proxy.lab.engine.engine import EngineShape
from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.formats import open_trace
from concur_proxy.lab.recorded.known_speeds import Speeds, speeds_alone, speeds_under_load
from concur_proxy.lab.recorded.part import FleetLoad, fleets_of, was_controlled
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.recorded.working_set import working_set_tokens
from concur_proxy.lab.simulation.policy import POLICIES
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.trace import TracePopulation

LEAST_TOKENS = 1024
"""The smallest cache."""
MOST_TOKENS = 20_000_000
"""The longest prompt with its answer, twice the longest context of any model. Longer ones would be simulated for hours.
"""


@dataclass(frozen=True, slots=True)
class WorkingSets:
    """A size of the cache, as a multiple of what the load needs so that nothing is computed twice."""

    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLoad:
    """The requests of engines that serve the same models, and a scenario that replays them."""

    scenario: Scenario
    speeds: Speeds
    requests: int
    sessions: int
    working_set_tokens: int
    """For all engines together."""

    @property
    def capacity_tokens(self) -> int:
        """The cache of all engines together."""
        return self.scenario.engines * self.scenario.shape.capacity_tokens


class Trace:
    """A trace in memory. It can be replayed with several caches and paces."""

    def __init__(self, path: Path) -> None:
        """Read it. Raises `TraceProblem` if the file is no trace."""
        reader = open_trace(path)
        requests = sorted(reader.requests(), key=lambda request: request.at)
        if not requests:
            raise TraceProblem(f"{path}: no request has token counts: record with ask_usage = true, the default")
        largest = max(request.prompt_tokens + request.completion_tokens for request in requests)
        if largest > MOST_TOKENS:
            raise TraceProblem(
                f"{path}: a request has {largest:,} tokens; more than {MOST_TOKENS:,} cannot be simulated"
            )
        self._path = path
        self._shows_load = reader.shows_load
        self._fleets = fleets_of(requests)
        self._working_sets = [working_set_tokens(fleet.requests) for fleet in self._fleets]
        self._was_controlled = was_controlled(requests)
        self._speeds: dict[tuple[int, int], Speeds] = {}
        """What was fitted, by the number of the fleet and the size of its cache if that matters."""

    def loads(
        self,
        *,
        capacity: int | WorkingSets | None = None,
        pace: float = 1.0,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> list[TraceLoad]:
        """A load for each group of engines. `capacity` is the KV cache of each engine in tokens; None: as it was
        recorded. `pace` is a factor on think times, tool calls and the times between sessions. `on_step` is called with
        what is being done. Raises `TraceProblem` if a request does not fit into the cache.
        """
        return [self._load(number, capacity, pace, on_step) for number in range(len(self._fleets))]

    def _load(
        self, number: int, capacity: int | WorkingSets | None, pace: float, on_step: Callable[[str], None]
    ) -> TraceLoad:
        fleet, working_set = self._fleets[number], self._working_sets[number]
        shape = self._shape(fleet, working_set, capacity)
        speeds = self._known_speeds(number, fleet.capacity_tokens or shape.capacity_tokens, on_step)
        models = sorted({request.model for request in fleet.requests} - {""})
        name = self._path.name.partition(".")[0] or self._path.name
        return TraceLoad(
            scenario=Scenario(
                name=name if len(self._fleets) == 1 else f"{name} {', '.join(models)}",
                summary=f"{self._path}",
                populations=[TracePopulation(recorded=agents_of(fleet.requests, pace=pace).plans)],
                shape=replace(shape, cost=speeds.cost),
                engines=fleet.engines,
            ),
            speeds=speeds,
            requests=len(fleet.requests),
            sessions=len({request.session for request in fleet.requests}),
            working_set_tokens=working_set,
        )

    def _known_speeds(self, number: int, capacity_tokens: int, on_step: Callable[[str], None]) -> Speeds:
        key = number, capacity_tokens if self._shows_load else 0
        if key in self._speeds:
            return self._speeds[key]
        on_step("fitting the engine's speeds")
        fleet = self._fleets[number]
        if self._shows_load:
            found = speeds_under_load(
                fleet,
                shape=fleet.shape(capacity_tokens),
                policy=POLICIES["tokens" if self._was_controlled else "off"],
                on_try=lambda: on_step("fitting the engine's speeds"),
            )
        else:
            found = speeds_alone(fleet.requests)
        self._speeds[key] = found
        return found

    def _shape(self, fleet: FleetLoad, working_set: int, capacity: int | WorkingSets | None) -> EngineShape:
        if isinstance(capacity, WorkingSets):
            size = round(capacity.factor * working_set / fleet.engines)
        else:
            size = capacity or fleet.capacity_tokens or EngineShape().capacity_tokens
        shape = fleet.shape(max(LEAST_TOKENS, size))
        largest = max(request.prompt_tokens + max(1, request.completion_tokens) for request in fleet.requests)
        if not shape.fits(largest):
            raise TraceProblem(
                f"{self._path}: a session of {largest} tokens exceeds the cache of {shape.capacity_tokens}: "
                "give a larger --capacity-tokens"
            )
        return shape
