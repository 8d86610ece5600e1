"""Compares a recording with its replays: how good the replay is, and what control changes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from concur_proxy.lab.recorded.both import ReplayedFleet
from concur_proxy.lab.recorded.busy_clock import BusyClock
from concur_proxy.lab.recorded.known_speeds import Speeds
from concur_proxy.lab.recorded.part import was_controlled
from concur_proxy.lab.recorded.replay import ReplayedTurn
from concur_proxy.lab.simulation.result import percentile

MEAN_BOUND = 0.2
P95_BOUND = 0.3
SHARE_BOUND = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One number as it was recorded and as it was in the replay of the same mode."""

    name: str
    recorded: float
    replayed: float
    is_share: bool = False
    """Whether it is a share of 1, whose error is a difference. It is a time in seconds otherwise, and its error a part
    of it.
    """
    bound: float
    """The largest error with which the replay is believed."""

    @property
    def error(self) -> float:
        """How much more the replay shows."""
        difference = self.replayed - self.recorded
        return difference if self.is_share else difference / max(self.recorded, 1e-9)

    @property
    def is_good(self) -> bool:
        """Whether the error is within its bound."""
        return abs(self.error) <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmNumbers:
    """One replay of all engines. Times are in seconds."""

    busy_s: float
    recomputed_tokens: int
    prompt_tokens: int
    mean_turn_s: float
    p95_turn_s: float
    mean_wait_s: float
    longest_wait_s: float
    """With the waits before a refusal and the pauses before the next try."""
    refusals: int
    kept_no_caches: float
    """Share of the turns at whose end no cache was worth keeping until the next turn, so that nobody had to wait."""

    @property
    def recomputed_share(self) -> float:
        """Part of all prompt tokens that was computed again."""
        return self.recomputed_tokens / max(1, self.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the replays show."""

    requests: int
    sessions: int
    engines: int
    capacities: Sequence[int]
    """The cache of each engine of each group of engines, in tokens."""
    began_at: float
    ended_at: float
    busy_span_s: float
    """The replayed time without idle times."""
    is_part: bool
    """Whether it is the busiest part of a longer recording."""
    was_controlled: bool
    """Whether the recording was made under control, so that it is compared with the replay under control."""
    checked: int
    """Requests with which the replay's error was measured."""
    is_checked_apart: bool
    """Whether these are other requests than those to which the speeds were fitted."""
    speeds_alone: Speeds | None
    """What single answers show of the speeds, if the recording does not show the engines' load: then there are no
    checks. None: the replay was compared with the recording.
    """
    step_s: float
    """Constant part of an engine's step; mean over the groups of engines."""
    prefill_tokens_s: float
    checks: Sequence[Check]
    without: ArmNumbers
    controlled: ArmNumbers

    @property
    def whole_cache_s(self) -> float:
        """How long an engine takes to compute its whole cache, seconds; mean over the groups of engines."""
        return fmean(self.capacities) / self.prefill_tokens_s

    @property
    def is_believable(self) -> bool:
        """Whether all errors are within their bounds."""
        return all(check.is_good for check in self.checks)

    @property
    def error(self) -> float:
        """The error of the mean turn, as a part of it; 0 if it was not measured."""
        return abs(self.checks[0].error) if self.checks else 0.0


def compare(fleets: Sequence[ReplayedFleet], *, is_part: bool) -> Comparison:
    """Compare the replays with each other, and one of them with the recording."""
    requests = sorted((request for fleet in fleets for request in fleet.load.requests), key=lambda each: each.at)
    fits = [fleet.fit for fleet in fleets if fleet.fit is not None]
    fitted = {id(request) for each in fits if each.is_checked for request in each.requests}
    controlled = was_controlled(requests)
    turns = [turn for fleet in fleets for turn in (fleet.controlled if controlled else fleet.without).turns]
    checked = [turn for turn in turns if fits and id(turn.recorded) not in fitted]
    ended_at = max(request.ended_at for request in requests)
    return Comparison(
        requests=len(requests),
        sessions=len({request.session for request in requests}),
        engines=sum(fleet.load.engines for fleet in fleets),
        capacities=[fleet.capacity_tokens for fleet in fleets],
        began_at=requests[0].at,
        ended_at=ended_at,
        busy_span_s=BusyClock(requests).read(ended_at),
        is_part=is_part,
        was_controlled=controlled,
        checked=len(checked),
        is_checked_apart=bool(fitted),
        speeds_alone=None if fits else fleets[0].speeds,
        step_s=fmean(fleet.speeds.cost.step_s for fleet in fleets),
        prefill_tokens_s=fmean(fleet.speeds.cost.prefill_tokens_s for fleet in fleets),
        checks=list(_checks(checked)) if checked else [],
        without=_numbers(fleets, controlled=False),
        controlled=_numbers(fleets, controlled=True),
    )


def _checks(turns: Sequence[ReplayedTurn]) -> Iterable[Check]:
    recorded = [turn.recorded.duration_s for turn in turns]
    replayed = [turn.duration_s for turn in turns]
    yield Check(name="mean turn", recorded=fmean(recorded), replayed=fmean(replayed), bound=MEAN_BOUND)
    yield Check(
        name="95 % of turns within",
        recorded=percentile(recorded, 0.95),
        replayed=percentile(replayed, 0.95),
        bound=P95_BOUND,
    )
    counted = [turn for turn in turns if turn.recorded.cached_tokens is not None]
    tokens = sum(turn.recorded.prompt_tokens for turn in counted)
    if tokens:
        yield Check(
            name="prompt found in cache",
            recorded=sum(turn.recorded.cached_tokens or 0 for turn in counted) / tokens,
            replayed=sum(turn.cached_tokens for turn in counted) / tokens,
            is_share=True,
            bound=SHARE_BOUND,
        )


def _numbers(fleets: Sequence[ReplayedFleet], *, controlled: bool) -> ArmNumbers:
    arms = [fleet.controlled if controlled else fleet.without for fleet in fleets]
    turns = [turn for arm in arms for turn in arm.turns]
    durations = [turn.duration_s for turn in turns]
    return ArmNumbers(
        busy_s=sum(arm.busy_s for arm in arms),
        recomputed_tokens=sum(arm.recomputed_tokens for arm in arms),
        prompt_tokens=sum(arm.prompt_tokens for arm in arms),
        mean_turn_s=fmean(durations),
        p95_turn_s=percentile(durations, 0.95),
        mean_wait_s=fmean(turn.wait_s for turn in turns),
        longest_wait_s=max(turn.wait_s for turn in turns),
        refusals=sum(turn.refusals for turn in turns),
        kept_no_caches=sum(arm.kept_no_caches * len(arm.turns) for arm in arms) / len(turns),
    )
