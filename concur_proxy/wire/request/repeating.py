"""Which requests may be sent to a second engine when the first one failed before it answered."""

from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request import known_endpoints
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.head import RequestHead

_STATEFUL = frozenset({"/open_session", "/close_session"})
_COMPUTING = frozenset(path for _, path in (*known_endpoints.GENERATING, *known_endpoints.PASSING)) - _STATEFUL
"""Paths whose requests are answered and forgotten, unless they say otherwise."""


def may_repeat(endpoint: Endpoint, method: str, head: RequestHead, *, may_have_begun: bool) -> bool:
    """Whether another engine can answer this request as well, and it does no harm if the first one had begun on it.

    A request that the first engine never got harms nobody. Nor does one that only computes: no byte of its answer has
    reached the client. One whose answer the engine keeps (`/v1/responses`, unless told not to), or that a configured
    path takes, may have left something behind.
    """
    if head.needs_state or endpoint.route in _STATEFUL:
        return False
    if not may_have_begun or method in {"GET", "HEAD"}:
        return True
    keeps = head.stores is not False if endpoint.shape is ApiShape.RESPONSES else head.stores is True
    return endpoint.route in _COMPUTING and not keeps and not head.is_background
