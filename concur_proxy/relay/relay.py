"""The engines' paths: what may pass goes on as an `Exchange`, the rest gets the error that it deserves."""

import asyncio
import dataclasses
import logging
from secrets import token_hex
from uuid import uuid4

from concur_proxy.relay.answer import Answer
from concur_proxy.relay.asgi import Asgi, Message, Receive, Scope, Send
from concur_proxy.relay.exchange import Exchange
from concur_proxy.relay.parts import GatewayParts, RelayOptions
from concur_proxy.telemetry.request_note import NOTE, RequestNote, log_request, shown_session
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoints import Refusal
from concur_proxy.wire.request.view import REQUEST_ID, RequestReader, RequestView

logger = logging.getLogger(__name__)

ID_BYTES = 8
"""vLLM draws as many for an id of its own. It uses ours instead, so its answers keep their length."""

_READER = RequestReader()


async def serve_named(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` serve a request of the gateway's own, with its id in the answer and in log lines."""
    view = _READER.view(scope["method"], b"", scope["path"], scope["headers"])
    request_id = _name(view)
    scope = {**scope, "headers": view.headers}

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
        await send(message)

    token = NOTE.set(RequestNote(method=scope["method"], request_id=request_id.decode()))
    try:
        await app(scope, receive, send_named)
    finally:
        NOTE.reset(token)


def _name(view: RequestView) -> bytes:
    """Return the request's id: the client's, or a new one that is added to the headers."""
    request_id = view.request_id
    if request_id is None:
        request_id = token_hex(ID_BYTES).encode()
        view.give_id(request_id)
    return request_id


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
        target: bytes = scope["raw_path"]
        if scope["query_string"]:
            target = b"%b?%b" % (target, scope["query_string"])
        view = parts.reader.view(scope["method"], target, scope["path"], scope["headers"])
        if parts.options.tell_clients:
            request_id: bytes | None = _name(view)
            answer.tell(REQUEST_ID, request_id or b"")
        else:
            request_id = view.request_id
        name = None if request_id is None else request_id.decode()
        with parts.tracing.request(view.method, view.path, view.headers, name) as span:
            note = RequestNote(method=view.method, request_id=name, span=span)
            token = NOTE.set(note)
            try:
                await self._serve_or_tell(view, receive, answer, note)
            finally:
                note.ended(answer.status)
                if parts.options.log_requests:
                    log_request(note, status=answer.status, duration_s=parts.clock() - began)
                NOTE.reset(token)

    async def _serve_or_tell(self, view: RequestView, receive: Receive, answer: Answer, note: RequestNote) -> None:
        """Serve; whatever goes wrong, the client is told of it where that is still possible."""
        try:
            await self._serve(view, receive, answer, note)
        except asyncio.CancelledError:
            # The server stops, and this answer has used up the time that answers in flight are given.
            if answer.status is None:
                await self._refuse(answer, note, GatewayFault.DRAINING)
        except Exception:  # the outermost place where the client can still be told
            reference = uuid4().hex[:12]
            logger.exception("%s %r failed, reference %s", view.method, view.path[:200], reference)
            if answer.status is None:
                await self._refuse(answer, note, GatewayFault.INTERNAL, f"reference {reference}")
            else:
                self._parts.failed(note, GatewayFault.INTERNAL.code)
                answer.cut_off()

    async def _serve(self, view: RequestView, receive: Receive, answer: Answer, note: RequestNote) -> None:
        limit = self._parts.options.max_header_bytes
        if view.head_bytes > limit:
            await self._refuse(answer, note, GatewayFault.HEADERS_TOO_LARGE, f"the limit is {limit} bytes")
            return
        found = self._parts.catalogue.find(view.method, view.path)
        if isinstance(found, Refusal):
            await self._refuse(answer, note, found.fault, f"{view.method} {view.path[:200]}", allow=found.allow)
            return
        note.routed(found.route)
        await Exchange(self._parts, found, view, receive, answer, note).run()

    async def _refuse(
        self, answer: Answer, note: RequestNote, fault: GatewayFault, detail: str = "", *, allow: tuple[str, ...] = ()
    ) -> None:
        self._parts.failed(note, fault.code)
        await answer.refuse(fault, detail, allow=allow)
