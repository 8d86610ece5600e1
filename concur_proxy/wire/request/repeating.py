"""Decides whether a request may be sent to a second engine after the first one failed before it answered."""

from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.request.body import JsonBody
from concur_proxy.wire.request.endpoints import Endpoint


def may_repeat(endpoint: Endpoint, method: str, body: JsonBody, *, may_have_begun: bool) -> bool:
    """Whether another engine can answer this request, and a beginning at the first engine does no harm.

    A request that the first engine never received may be repeated. So may one that only computes, because no byte of
    its answer has reached the client. A request may have left something behind if the engine keeps its answer
    (`/v1/responses` by default) or if its path is a configured one.
    """
    if body.needs_state or endpoint.is_stateful:
        return False
    if not may_have_begun or method in {"GET", "HEAD"}:
        return True
    keeps = body.stores is not False if endpoint.shape is ApiShape.RESPONSES else body.stores is True
    return endpoint.only_computes and not keeps and not body.is_background
