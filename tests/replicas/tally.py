"""What agents have seen, and how they try again, as an SDK does."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from tests.replicas.server import Server

RETRY_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Statuses after which the OpenAI and Anthropic SDKs try again."""
RETRY_DELAY_S = 0.5
"""The first delay of the SDKs, if the answer asks for none."""
TRIES = 8

Kind = Literal["refused", "broken", "cut", "status", "invalid"]
"""No connection; no byte of an answer; an answer that visibly ends early; an error status; an answer that claims to be
whole and is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An attempt without a valid answer."""

    at: float
    replica: Server
    kind: Kind
    status: int = 0
    retry_after_s: float | None = None
    """The delay that the answer asks for."""
    detail: str

    @property
    def may_retry(self) -> bool:
        """Whether an SDK tries again."""
        return self.kind != "status" or self.status in RETRY_STATUSES

    @property
    def delay_s(self) -> float:
        """How long an SDK waits before it does."""
        if self.kind == "refused":
            return 0.05  # nothing was sent, so try the next replica, as a load balancer does
        return RETRY_DELAY_S if self.retry_after_s is None else self.retry_after_s


@dataclass(slots=True, kw_only=True)
class Tally:
    """What the agents have seen. Times are those of `time.monotonic`."""

    answered_at: list[float] = field(default_factory=list)
    """When each whole answer had come, in order."""
    failures: list[Failure] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    """Requests for which all attempts failed."""
    finished: int = 0
    """Sessions that had all their turns."""
    longest_s: float = 0.0
    """The longest time from a request to its answer, over all its attempts."""
    left: Counter[str] = field(default_factory=Counter)
    """Requests whose client left, by the way in which it did."""
    by_tenant: Counter[str] = field(default_factory=Counter)
    """Answers."""

    def answered(self, at: float, since: float, tenant: str = "") -> None:
        """A whole answer has come to a request that was first sent at `since`."""
        self.answered_at.append(at)
        self.longest_s = max(self.longest_s, at - since)
        self.by_tenant[tenant] += 1
