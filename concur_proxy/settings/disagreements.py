"""Settings whose values are right alone, but do not fit together."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from concur_proxy.settings.admin_listen import MAIN, NONE, parse_admin_listen

if TYPE_CHECKING:
    from concur_proxy.settings.gateway import GatewaySettings


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two settings that do not fit together: `first` must be `relation` `second`."""

    first: str
    relation: str
    second: str
    reason: str


def disagreements(settings: "GatewaySettings") -> Iterator[Disagreement]:
    """Each pair of settings whose values do not fit together."""
    if settings.stale_after_s <= settings.scrape_interval_s:
        yield Disagreement("stale_after_s", "more than", "scrape_interval_s", "else every reading becomes stale")
    address = parse_admin_listen(settings.admin_listen)
    if settings.admin_key is None and address is not None and not address.is_local:
        yield Disagreement("admin_listen", "local with", "admin_key", "other machines could use the admin API")
    if settings.private_metrics and settings.admin_listen in {MAIN, NONE}:
        yield Disagreement("private_metrics", "false with", "admin_listen", "nothing would serve them")
    for name in ("tls_key", "tls_client_ca"):
        if getattr(settings, name) is not None and settings.tls_cert is None:
            yield Disagreement(name, "unset with", "tls_cert", "there is no TLS without a certificate")
    if settings.tls_client_key is not None and settings.tls_client_cert is None:
        yield Disagreement("tls_client_key", "unset with", "tls_client_cert", "a key needs its certificate")
    yield from _goal_disagreements(settings)
    if settings.fail_open_after_s < settings.stale_after_s:
        reason = "the window stays unchanged before it is replaced"
        yield Disagreement("fail_open_after_s", "at least", "stale_after_s", reason)


def _goal_disagreements(settings: "GatewaySettings") -> Iterator[Disagreement]:
    if not settings.first_token_target_s:
        return
    if settings.goal == "throughput":
        reason = "the goal throughput has no target: choose balanced or first-token"
        yield Disagreement("first_token_target_s", "unset with", "goal", reason)
    if settings.first_token_target_s > settings.max_hold_s:
        yield Disagreement("first_token_target_s", "at most", "max_hold_s", "a request gets HTTP 429 before that")
