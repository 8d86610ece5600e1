"""The engines' paths. An allowed request becomes an `Exchange`; any other request gets an error."""

import asyncio
import dataclasses
import logging
from random import getrandbits
from uuid import uuid4

from concur_proxy.recognition.tenants import ONLY, Tenant
from concur_proxy.relay.client import Asgi, Client, ClientAnswer, Message, Receive, Scope, Send
from concur_proxy.relay.exchange import Exchange
from concur_proxy.relay.parts import RelayOptions, RelayParts
from concur_proxy.telemetry.events import CURRENT, RequestRecord, shown_session, shown_tenant
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoints import Endpoint, Refusal
from concur_proxy.wire.request.view import REQUEST_ID, RequestReader, RequestView

logger = logging.getLogger(__name__)


def _new_id() -> bytes:
    """A request id with 8 random bytes: as many as in vLLM's own ids. vLLM uses the gateway's id in its answers, so
    their length does not change. It is a name and no secret, so it needs no call of the system.
    """
    return b"%016x" % getrandbits(64)


class Relay:
    """Serves them. It has one look-up instead of a router, because all allowed paths are treated alike."""

    def __init__(self, parts: RelayParts) -> None:
        self._parts = parts

    def reconfigure(self, options: RelayOptions) -> None:
        """Use these options for requests that come from now on."""
        self._parts = dataclasses.replace(self._parts, options=options)

    def holdings(self) -> list[tuple[str, int, int]]:
        """Return each tenant with an open request: its name, its open requests, and the bytes of their bodies."""
        tenants = self._parts.open_requests.tenants
        return [(name, held.requests, held.body_bytes) for name, held in tenants.items()]

    def buffered_limit(self) -> int:
        """Return how many bytes of bodies may be held."""
        return self._parts.options.max_buffered_bytes

    def head_limit(self) -> int:
        """Return how many bytes names and values of a request's header may have."""
        return self._parts.options.max_header_bytes

    def shown(self, key: str) -> str:
        """Return a session's name for log lines."""
        return shown_session(key, hashed=self._parts.options.hash_sessions)

    async def serve(self, client: Client) -> None:
        """Serve one request. Run this as an `eager.Run`, and cancel it when the client leaves.

        Whatever goes wrong, the client gets an error if that is still possible. All of this is one coroutine: another
        one would take 0.3 kB for each request that waits.
        """
        found, tenant, view, answer, record = self._opened(client)
        CURRENT.set(record)  # in the context of the run
        try:
            if isinstance(found, Refusal):
                answer.refuse(found.fault, found.detail, allow=found.allow)
            else:
                record.route = found.route
                await Exchange(self._parts, found, tenant, view, client, answer, record).run()
        except asyncio.CancelledError:
            # The server stops, and this answer did not end within the time for answers in flight.
            if record.status is None:
                answer.refuse(GatewayFault.DRAINING)
        except Exception:  # the last place in the code where the client can still get an answer
            reference = uuid4().hex[:12]
            logger.exception("%s %r failed, reference %s", view.method, view.path[:200], reference)
            if record.status is None:
                answer.refuse(GatewayFault.INTERNAL, f"reference {reference}")
            else:
                record.failures.append(GatewayFault.INTERNAL.code)
                answer.cut_off()
        finally:
            record.ended_at = self._parts.clock()
            for hear in self._parts.events.ended:
                hear(record)

    def _opened(self, client: Client) -> tuple[Endpoint | Refusal, Tenant, RequestView, ClientAnswer, RequestRecord]:
        """Look at the head of a request: what is asked, or why it is refused, and who asks."""
        parts = self._parts
        view = parts.reader.view(client.method, client.target, client.path, client.headers)
        request_id = view.request_id
        if request_id is None and parts.options.tell_clients:
            request_id = _new_id()
            view.give_id(request_id)
        found = parts.catalogue.find(view.method, view.path)
        limit = parts.options.max_header_bytes
        if view.head_bytes > limit:
            detail = f"the limit is {limit} bytes"
            found = Refusal(fault=GatewayFault.HEADERS_TOO_LARGE, detail=detail)
        tenant = parts.tenants.of(view.values)
        if tenant is None and view.method != "OPTIONS":  # a browser asks for permission without credentials
            found = Refusal(fault=GatewayFault.INVALID_API_KEY, detail="")
        record = RequestRecord(
            method=view.method,
            path=view.path,
            headers=view.headers,
            began_at=parts.clock(),
            request_id=None if request_id is None else request_id.decode(),
        )
        if tenant is not None and view.method != "OPTIONS":
            parts.tenants.meet(tenant)
            if tenant.name and parts.tenants.are_several:
                record.tenant = shown_tenant(tenant.name, hashed=parts.options.hash_sessions)
        answer = ClientAnswer(client, record, origin=view.values.get(b"origin"), cors=parts.cors)
        if request_id is not None and parts.options.tell_clients:
            answer.add_header(REQUEST_ID, request_id)
        for hear in parts.events.began:
            hear(record)
        return found, tenant or ONLY, view, answer, record


_READER = RequestReader()


async def serve_own(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` serve a request for one of the gateway's own paths, with the request's id in answer and log lines."""
    view = _READER.view(scope["method"], b"", scope["path"], [*scope["headers"]])
    request_id = view.request_id or _new_id()
    view.give_id(request_id)
    scope = {**scope, "headers": view.headers}

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
        await send(message)

    token = CURRENT.set(RequestRecord(method=view.method, request_id=request_id.decode()))
    try:
        await app(scope, receive, send_named)
    finally:
        CURRENT.reset(token)
