"""What was measured: totals of requests, tokens and waits, over time and by tenant and model."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from concur_proxy.lab.recorded.lanes import Lanes
from concur_proxy.lab.recorded.request import RecordedRequest
from concur_proxy.lab.report.spread import Spread

MOST_SESSIONS = 100_000
"""Sessions whose conversations are known. An older one counts as new when it comes back."""
MOST_NAMES = 20
"""Tenants and models that are listed. The others are counted together."""
OTHERS = "others"
WIDTHS_S = (60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 86400.0)
"""Widths of a span of the time line."""
MOST_SPANS = 26
"""A day by the hour, whenever it begins."""
SHORTEST_WAIT_S = 0.05
"""A shorter wait is none."""


@dataclass(slots=True, kw_only=True, eq=False)
class Totals:
    """Sums over some requests. Tokens and counts from Prometheus can be fractions. None: not measured."""

    requests: float = 0.0
    sessions: float = 0.0
    unrecognised: float | None = None
    would_have_waited: float | None = None
    """Sessions that would have waited under control."""
    prompt_tokens: float = 0.0
    cached_tokens: float | None = None
    """Prompt tokens that the engine had in its cache."""
    answer_tokens: float = 0.0
    returning_tokens: float = 0.0
    """Prompt tokens that had been computed before for the same conversation, of requests whose cached tokens are known.
    """
    recomputed_tokens: float | None = None
    """The part of them that the engine computed again."""
    waits: Spread = field(default_factory=Spread)
    turns: Spread = field(default_factory=Spread)
    """Times from the request to the end of its answer, the wait included."""

    @property
    def recomputed_share(self) -> float | None:
        """Part of the returning tokens that was computed again; None if that was not measured."""
        if self.recomputed_tokens is None or not self.returning_tokens:
            return None
        return self.recomputed_tokens / self.returning_tokens

    @property
    def unrecognised_share(self) -> float | None:
        """Part of the requests whose session was not found; None if that was not measured."""
        return None if self.unrecognised is None or not self.requests else self.unrecognised / self.requests

    def add(self, request: RecordedRequest, *, promised: int, is_new: bool) -> None:
        """Count a request. `promised` is the part of its prompt that its conversation had before."""
        self.requests += 1
        self.sessions += is_new
        if request.is_recognised is not None:
            self.unrecognised = (self.unrecognised or 0.0) + (not request.is_recognised)
        self.prompt_tokens += request.prompt_tokens
        self.answer_tokens += request.completion_tokens
        if request.cached_tokens is not None:
            self.cached_tokens = (self.cached_tokens or 0.0) + request.cached_tokens
            self.returning_tokens += promised
            lost = max(0, promised - request.cached_tokens)
            self.recomputed_tokens = (self.recomputed_tokens or 0.0) + lost
        self.waits.add(request.wait_s)
        self.turns.add(request.duration_s)

    def merge(self, other: "Totals") -> None:
        """Add the sums of other requests."""
        self.requests += other.requests
        self.sessions += other.sessions
        self.unrecognised = _sum(self.unrecognised, other.unrecognised)
        self.would_have_waited = _sum(self.would_have_waited, other.would_have_waited)
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens = _sum(self.cached_tokens, other.cached_tokens)
        self.answer_tokens += other.answer_tokens
        self.returning_tokens += other.returning_tokens
        self.recomputed_tokens = _sum(self.recomputed_tokens, other.recomputed_tokens)
        self.waits.merge(other.waits)
        self.turns.merge(other.turns)


def _sum(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that was measured."""

    source: str
    """The file or the server that it was read from."""
    began_at: float
    ended_at: float
    has_dates: bool
    """Whether times are seconds since 1970; else they are seconds since the recording began."""
    totals: Totals
    width_s: float
    """Length of the spans of `over_time`."""
    over_time: Sequence[tuple[float, Totals]]
    """Spans with requests, by their beginning."""
    by_tenant: Mapping[str, Totals] = field(default_factory=dict)
    """Empty if there is only one. The same holds for the models."""
    by_model: Mapping[str, Totals] = field(default_factory=dict)
    served_by_tenant: Mapping[str, float] = field(default_factory=dict)
    """Prompt and answer tokens of each tenant, where nothing else is known by tenant."""
    cut_lines: int = 0


class Measuring:
    """Adds recorded requests up."""

    def __init__(self) -> None:
        self.totals = Totals()
        self._began_at: float | None = None
        self._ended_at = 0.0
        self._width = 0
        self._over_time: dict[int, Totals] = {}
        self._by_tenant: dict[str, Totals] = {}
        self._by_model: dict[str, Totals] = {}
        self._sessions: OrderedDict[str, Lanes] = OrderedDict()

    def add(self, request: RecordedRequest) -> None:
        """Count a request. Requests come in the order in which their answers ended."""
        lanes = self._sessions.pop(request.session, None)
        is_new = lanes is None
        lanes = self._sessions[request.session] = Lanes() if lanes is None else lanes
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        lane = lanes.find(request)
        promised = lane.promised(request)
        lane.extend(request)
        self._began_at = request.at if self._began_at is None else min(self._began_at, request.at)
        self._ended_at = max(self._ended_at, request.ended_at)
        number = int(request.at // WIDTHS_S[self._width])
        parts = [self.totals, self._over_time.setdefault(number, Totals())]
        parts += [_of(self._by_tenant, request.tenant), _of(self._by_model, request.model)]
        for part in parts:
            part.add(request, promised=promised, is_new=is_new)
        while self._width + 1 < len(WIDTHS_S) and max(self._over_time) - min(self._over_time) >= MOST_SPANS:
            self._widen()

    def result(self, source: str, *, has_dates: bool, cut_lines: int) -> Measured:
        """Everything so far."""
        width_s = WIDTHS_S[self._width]
        return Measured(
            source=source,
            began_at=self._began_at or 0.0,
            ended_at=self._ended_at,
            has_dates=has_dates,
            totals=self.totals,
            width_s=width_s,
            over_time=[(number * width_s, totals) for number, totals in sorted(self._over_time.items())],
            by_tenant=self._by_tenant if len(self._by_tenant) > 1 else {},
            by_model=self._by_model if len(self._by_model) > 1 else {},
            cut_lines=cut_lines,
        )

    def _widen(self) -> None:
        self._width += 1
        factor = round(WIDTHS_S[self._width] / WIDTHS_S[self._width - 1])
        spans, self._over_time = self._over_time, {}
        for number, totals in spans.items():
            self._over_time.setdefault(number // factor, Totals()).merge(totals)


def _of(groups: dict[str, Totals], name: str) -> Totals:
    return groups.setdefault(name if name in groups or len(groups) < MOST_NAMES else OTHERS, Totals())
