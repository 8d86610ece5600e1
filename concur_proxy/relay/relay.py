"""The engines' paths: what may pass goes on as an `Exchange`, the rest gets the error that it deserves."""

import asyncio
import dataclasses
import logging
from uuid import uuid4

from concur_proxy.relay.answer import Answer
from concur_proxy.relay.exchange import Exchange
from concur_proxy.relay.messages import Receive, Scope, Send
from concur_proxy.relay.naming import named
from concur_proxy.relay.parts import GatewayParts, RelayOptions
from concur_proxy.telemetry.request_note import NOTE, RequestNote, log_request, shown_session
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoints import Refusal
from concur_proxy.wire.request.request_id import REQUEST_ID, find_request_id

logger = logging.getLogger(__name__)


class Relay:
    """A plain ASGI endpoint: one look-up instead of a router, since every allowed path is treated alike."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts

    def reconfigure(self, options: RelayOptions) -> None:
        """Requests that come from now on are treated by these options."""
        self._parts = dataclasses.replace(self._parts, options=options)

    def shown(self, key: str) -> str:
        """A session as log lines name it."""
        return shown_session(key, hashed=self._parts.options.hash_sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request."""
        parts, answer = self._parts, Answer(scope, send)
        began = parts.clock()
        request_id = find_request_id(scope["headers"])
        if parts.options.tell_clients:
            scope, request_id = named(scope, request_id)
            answer.tell(REQUEST_ID, request_id)
        name = None if request_id is None else request_id.decode()
        with parts.tracing.request(scope["method"], scope["path"], scope["headers"], name) as span:
            note = RequestNote(method=scope["method"], request_id=name, span=span)
            token = NOTE.set(note)
            try:
                await self._serve_or_tell(scope, receive, answer, note)
            finally:
                note.ended(answer.status)
                if parts.options.log_requests:
                    log_request(note, status=answer.status, duration_s=parts.clock() - began)
                NOTE.reset(token)

    async def _serve_or_tell(self, scope: Scope, receive: Receive, answer: Answer, note: RequestNote) -> None:
        """Serve; whatever goes wrong, the client is told of it where that is still possible."""
        try:
            await self._serve(scope, receive, answer, note)
        except asyncio.CancelledError:
            # The server stops, and this answer has used up the time that answers in flight are given.
            if answer.status is None:
                await self._refuse(answer, note, GatewayFault.DRAINING)
        except Exception:  # the outermost place where the client can still be told
            reference = uuid4().hex[:12]
            logger.exception("%s %r failed, reference %s", scope["method"], scope["path"][:200], reference)
            if answer.status is None:
                await self._refuse(answer, note, GatewayFault.INTERNAL, f"reference {reference}")
            else:
                self._parts.failed(note, GatewayFault.INTERNAL.code)
                answer.cut_off()

    async def _serve(self, scope: Scope, receive: Receive, answer: Answer, note: RequestNote) -> None:
        path: str = scope["path"]
        limit = self._parts.options.max_header_bytes
        size = 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        if size > limit:
            await self._refuse(answer, note, GatewayFault.HEADERS_TOO_LARGE, f"the limit is {limit} bytes")
            return
        found = self._parts.readers.catalogue.find(scope["method"], path)
        if isinstance(found, Refusal):
            await self._refuse(answer, note, found.fault, f"{scope['method']} {path[:200]}", allow=found.allow)
            return
        note.routed(found.route)
        await Exchange(self._parts, found, scope, receive, answer, note).run()

    async def _refuse(
        self, answer: Answer, note: RequestNote, fault: GatewayFault, detail: str = "", *, allow: tuple[str, ...] = ()
    ) -> None:
        self._parts.failed(note, fault.code)
        await answer.refuse(fault, detail, allow=allow)
