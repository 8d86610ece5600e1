"""What the admin API answers about the gateway's effect, now and in the last hour."""

from pydantic import Field

from concur_proxy.admin.history import POINTS, STEP_S
from concur_proxy.admin.schema import CallInput, CallResult


class HistoryFilter(CallInput):
    """A part of the last hour."""

    engine: str = Field("", description="One engine; empty: all of them together")
    seconds: float = Field(900, ge=STEP_S, le=POINTS * STEP_S, description="How far back")


class HistorySeries(CallResult):
    """The values of each point. null: not known. Sums over all engines, and the mean for `kv_usage`."""

    admitted: list[float | None] = Field(description="Sessions that have a place in the window")
    waiting: list[float | None] = Field(description="Sessions without a place that have a waiting request")
    in_flight: list[float | None] = Field(description="Requests at the engine")
    footprint_tokens: list[float | None] = Field(description="Cache tokens that the admitted sessions need")
    window_tokens: list[float | None] = Field(description="Cache tokens that admitted sessions may use")
    window_sessions: list[float | None] = Field(description="Sessions that may be admitted")
    kv_usage: list[float | None] = Field(description="Share of the KV cache in use, 0 to 1")
    cached_tokens: list[float | None] = Field(description="Prompt tokens per second that were found in the cache")
    computed_tokens: list[float | None] = Field(description="Prompt tokens per second that were computed")
    returning_tokens: list[float | None] = Field(description="Context per second that came back with a later turn")
    recomputed_tokens: list[float | None] = Field(description="The part of it that had to be computed again")
    answered_tokens: list[float | None] = Field(description="Prompt and completion tokens of answers per second")


class HistoryStatus(CallResult):
    """The gateway's own record of the last hour, in memory only: it begins again with each start of the gateway, and
    with each new leader.
    """

    engine: str = Field(description="Empty: all of them together")
    step_s: float = Field(description="Seconds between two points")
    age_s: float = Field(description="Seconds since the newest point")
    series: HistorySeries = Field(description="Oldest point first")


class EffectStatus(CallResult):
    """What the gateway does for its clients. Rates are means of the last 30 s; null: not known."""

    recomputed_tokens_s: float | None = Field(
        description="Tokens per second of returning context that engines computed again, although their cache had held "
        "them before. Known only if answers say how much of the prompt was cached"
    )
    returning_tokens_s: float | None = Field(
        description="Tokens per second of context that came back with later turns: what would be computed again if "
        "every engine had lost all of it. Without control, the value lies between these two"
    )
    computed_tokens_s: float | None = Field(description="Prompt tokens per second that engines computed, new ones too")
    saved_tokens: float = Field(description="Prompt tokens that were served from the cache")
    saved_s: float = Field(description="In how many seconds: since the start, and at most 24 hours")
    waiting_sessions: int = Field(description="Sessions that wait for a place")
    longest_wait_s: float = Field(description="Seconds for which the first of their requests have waited")
