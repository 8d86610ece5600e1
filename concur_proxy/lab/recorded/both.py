"""Replays a recording twice: without control, and with the default law."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from concur_proxy.lab.recorded.agents import agents_of
from concur_proxy.lab.recorded.fit import Fit, fit
from concur_proxy.lab.recorded.known_speeds import LEAST_REQUESTS, Speeds, speeds_alone
from concur_proxy.lab.recorded.part import FleetLoad, fleets_of, was_controlled
from concur_proxy.lab.recorded.replay import Arm, replay
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.simulation.policy import POLICIES


class NoReplay(Exception):  # noqa: N818 - says why
    """The recording cannot be replayed. The message is one line that says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedFleet:
    """The engines of some models, and both replays of their load."""

    load: FleetLoad
    capacity_tokens: int
    fit: Fit | None
    """None: the recording does not show how its engines were loaded, so the replay is not compared with it."""
    speeds: Speeds
    without: Arm
    controlled: Arm


def replay_both(
    requests: Sequence[RecordedRequest],
    *,
    capacity_tokens: int | None,
    on_step: Callable[[str], None],
    shows_load: bool = True,
) -> list[ReplayedFleet]:
    """Replay these requests, which are in the order of their arrival. `capacity_tokens` is the size of each engine's KV
    cache, in place of the recorded one. `on_step` is called with what is being done. `shows_load` is the reader's.

    Raises `NoReplay` if there are too few of them, or the size of the cache is unknown or wrong.
    """
    if len(requests) < LEAST_REQUESTS:
        raise NoReplay(f"only {len(requests)} requests were recorded: a replay needs at least {LEAST_REQUESTS}")
    loads = fleets_of(requests)
    sizes = [_size(load, capacity_tokens) for load in loads]
    policy = POLICIES["tokens" if was_controlled(requests) else "off"]
    fleets = []
    for load, size in zip(loads, sizes, strict=True):
        shape = load.shape(size)
        on_step("fitting the engine's speeds")
        found: Fit | None = None
        if shows_load:
            found = fit(load, shape=shape, policy=policy, on_try=lambda: on_step("fitting the engine's speeds"))
            speeds = Speeds(cost=found.cost)
        else:
            speeds = speeds_alone(load.requests)
        shape = replace(shape, cost=speeds.cost)
        agents = agents_of(load.requests)
        tells_cached = any(request.cached_tokens is not None for request in load.requests)
        arms = []
        for name in ("off", "tokens"):
            on_step("replaying without control" if name == "off" else "replaying with control")
            chosen = replace(POLICIES[name], tells_cached=tells_cached)
            arms.append(replay(agents, engines=load.engines, shape=shape, policy=chosen))
        fleets.append(
            ReplayedFleet(
                load=load, capacity_tokens=size, fit=found, speeds=speeds, without=arms[0], controlled=arms[1]
            )
        )
    return fleets


def _size(load: FleetLoad, given: int | None) -> int:
    size = given or load.capacity_tokens
    if size is None:
        raise NoReplay("the recording does not say how large the engine's cache is: give --capacity-tokens")
    largest = max(request.prompt_tokens + request.completion_tokens for request in load.requests)
    if not load.shape(max(size, 1024)).fits(largest):
        raise NoReplay(f"a request of {largest} tokens exceeds a cache of {size} tokens: give --capacity-tokens")
    return max(size, 1024)
