"""Requests that need no admission, such as lists of models, embeddings and calls about earlier responses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus

from msgspec.structs import replace

from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.recognition.tenants import Tenant
from concur_proxy.relay.client import ClientAnswer
from concur_proxy.relay.hop import Hop, Setback, Unknown
from concur_proxy.relay.parts import RelayParts
from concur_proxy.turns import in_turns
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.failures import EngineBroke, EngineUnreachable
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.models import LIST_PATH, merge_lists
from concur_proxy.wire.request.view import RequestView

logger = logging.getLogger(__name__)

MAX_LIST_BYTES = 1024 * 1024
"""A larger answer is not a list of models. Real ones have a few kilobytes."""
LIST_TIMEOUT_S = 5.0
"""Engines that take longer are left out of the list of models, so that the client does not wait for the slowest engine.
"""

Ask = Callable[[str], Awaitable[UpstreamResponse]]
"""Sends the client's request to an engine."""


async def pass_at_once(
    parts: RelayParts, tenant: Tenant, view: RequestView, hop: Hop, answer: ClientAnswer
) -> Setback | None:
    """Pass a request on to an engine that serves its model. Returns why no engine answered; None if one did."""
    if view.path == LIST_PATH and view.method == "GET":
        servers = {parts.monitors[engine].address.url: engine for engine in parts.coordinator.fleet.candidates(None)}
        if len(servers) > 1:
            models = await merged_models(list(servers.values()), partial(hop.send, plain=True))
            if models is not None:
                answer.give_json(models)
                return None
    response_id = _named_response(view.path)
    stored = None
    if response_id is not None and (tenant.is_declared or len(parts.monitors) > 1):
        stored = await parts.coordinator.responses.find(response_id)
        if stored is not None and is_of_another(stored, tenant):
            answer.refuse(GatewayFault.UNKNOWN_RESPONSE, response_id[:200])
            return None
    if len(parts.monitors) == 1:
        return await hop.pass_on(next(iter(parts.monitors)))
    if response_id is not None:
        return await _pass_to_its_engine(parts, response_id, stored, hop)
    model = hop.record.model = await in_turns(view.passing_model())
    engine = parts.coordinator.fleet.candidates(model)[0]
    setback = await hop.pass_on(engine)
    if setback is not None and (other := hop.other_engine(engine, setback)) is not None:
        setback = await hop.pass_on(other)
    return setback


def _named_response(path: str) -> str | None:
    """Return the id in a path like `/v1/responses/{id}/cancel`; None for other paths."""
    return path.split("/")[3] if path.startswith("/v1/responses/resp_") else None


def is_of_another(stored: StoredResponse, tenant: Tenant) -> bool:
    """Whether a response belongs to another tenant. A tenant that is a mere credential may continue and
    delete every response: a client may have got a new token since.
    """
    return tenant.is_declared and stored.tenant is not None and stored.tenant != tenant.name


async def _pass_to_its_engine(
    parts: RelayParts, response_id: str, stored: StoredResponse | None, hop: Hop
) -> Setback | None:
    """Pass on a request that names a stored response. If its engine is not known, the engines are asked one after
    another, until one knows the response. Returns a Setback if none knows it and one of them could not be asked: that
    one may have it.
    """
    responses = parts.coordinator.responses
    if stored is not None and stored.engine in parts.monitors:
        return await hop.pass_on(stored.engine)
    down = parts.coordinator.fleet.down
    servers = {monitor.address.url: engine for engine, monitor in parts.monitors.items()}
    engines = sorted(servers.values(), key=lambda engine: engine in down)
    setback = None
    for engine in engines:
        try:
            failed = await hop.pass_on(engine, only_if_known=engine is not engines[-1] or setback is not None)
        except Unknown:
            continue
        if failed is None:
            if hop.record.status is not None and hop.record.status < HTTPStatus.BAD_REQUEST:
                learned = StoredResponse(engine) if stored is None else replace(stored, engine=engine)
                responses.learn(response_id, learned)
            return None
        setback = failed
    return setback


async def merged_models(engines: Sequence[str], ask: Ask) -> bytes | None:
    """Ask these engines for their lists of models and return one list; None if none of them answers with a list."""
    bodies = await asyncio.gather(*(_list_of(engine, ask) for engine in engines))
    return merge_lists([body for body in bodies if body is not None])


async def _list_of(engine: str, ask: Ask) -> bytes | None:
    try:
        async with asyncio.timeout(LIST_TIMEOUT_S):
            response = await ask(engine)
            try:
                body = await _bounded(response)
            finally:
                response.close()
    except (EngineUnreachable, EngineBroke, TimeoutError):
        return None
    if body is None:
        logger.warning("engine %s: its list of models has more than %d bytes and is left out", engine, MAX_LIST_BYTES)
    return body if response.status == HTTPStatus.OK else None


async def _bounded(response: UpstreamResponse) -> bytes | None:
    """The body; None if it is too large for a list."""
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > MAX_LIST_BYTES:
            return None
    return bytes(body)
