"""One allowed request through the gateway, from its body to the end of its answer."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import cast

from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.api.answer import Answer
from concur_proxy.api.late_error import MAX_BODY_BYTES
from concur_proxy.api.messages import BodyTooLarge, ClientGone, Receive, Scope, read_body
from concur_proxy.api.model_lists import merged_models
from concur_proxy.api.parts import GatewayParts
from concur_proxy.api.response_id_tap import ResponseIdTap
from concur_proxy.api.tap import NoTap, Tap, choose_tap
from concur_proxy.runtime.upstream import EngineBroke, EngineUnreachable, UpstreamResponse
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.endpoints import Endpoint
from concur_proxy.wire.fault import GatewayFault
from concur_proxy.wire.headers import request_headers
from concur_proxy.wire.include_usage import inject_include_usage
from concur_proxy.wire.models import LIST_PATH
from concur_proxy.wire.request_head import BodyFault, RequestHead
from concur_proxy.wire.sse import StreamTap

logger = logging.getLogger(__name__)

OVERLOADED = frozenset({429, 503})
"""Statuses by which an engine says that it has no room."""

HOLD_SHARE = 0.9
"""Part of a client's own time-out after which its hold ends, so that it gets an answer that it can act upon."""

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})

_COMMENT = b":"
"""Begins an event stream's comment, with which an engine may keep a connection alive before its first token."""

FAULTS = {
    Outcome.QUEUE_FULL: GatewayFault.QUEUE_FULL,
    Outcome.HOLD_TIMEOUT: GatewayFault.HOLD_TIMEOUT,
    Outcome.DRAINING: GatewayFault.DRAINING,
}


class Exchange:
    """Admits, relays and accounts for one request; whatever happens, its place is given up exactly once."""

    def __init__(self, parts: GatewayParts, endpoint: Endpoint, scope: Scope, receive: Receive, answer: Answer) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._answer = answer
        self._client_gone = False
        self._tap: Tap = NoTap()
        self._first_token_at: float | None = None
        self._strips = False
        """Whether the engine was asked for usage that the client did not ask for."""

    async def run(self) -> None:
        """Serve the request; returns when the answer has ended, has broken off, or nobody listens any more."""
        began, limit = self._parts.clock(), self._parts.options.max_body_bytes
        try:
            body = await read_body(self._receive, self._scope["headers"], limit=limit)
        except ClientGone:
            return
        except BodyTooLarge:
            await self._refuse(GatewayFault.BODY_TOO_LARGE, f"the limit is {limit} bytes")
            return
        await self._while_client_listens(body)
        if self._answer.status is not None:
            self._parts.metrics.answered(self._endpoint.route, self._answer.status, self._parts.clock() - began)

    async def _while_client_listens(self, body: bytes) -> None:
        """Serve, and stop at once when the client goes away: the engine must not work for nobody."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        watcher = asyncio.ensure_future(self._receive())

        def on_gone(_: object) -> None:
            self._client_gone = True
            task.cancel()

        watcher.add_done_callback(on_gone)
        try:
            await (self._generate(body) if self._endpoint.is_generating else self._pass(body))
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
            task.uncancel()
            self._parts.metrics.failed("client_gone")
        finally:
            watcher.remove_done_callback(on_gone)
            watcher.cancel()

    async def _pass(self, body: bytes) -> None:
        """A request that makes no tokens goes through at once, to an engine that serves its model."""
        engines = self._parts.store.candidates(None)
        if len(engines) > 1 and self._endpoint.route == LIST_PATH and self._scope["method"] == "GET":
            models = await merged_models(engines, partial(self._send_on, body=body, plain=True))
            if models is not None:
                await self._answer.give(models)
                return
        await self._relay(self._engine_for(body), body, lambda _: NoTap())

    async def _generate(self, body: bytes) -> None:
        """A request that makes tokens waits for its session's place."""
        parts = self._parts
        facts = parts.readers.facts.read(self._scope["headers"])
        head = parts.readers.heads.read(body) if facts.is_json else RequestHead()
        if isinstance(head, BodyFault):
            await self._refuse(head.fault, head.detail)
            return
        key = facts.session_key or parts.readers.keys.read(head.session_fields)
        if key is None and head.previous_response_id is not None:
            key = parts.response_homes.session_after(head.previous_response_id)
        if key is None:
            parts.metrics.unkeyed()
        hold_s = parts.options.max_hold_s
        if facts.client_timeout_s is not None:
            hold_s = min(hold_s, facts.client_timeout_s * HOLD_SHARE)
        ticket = await parts.admitter.arrive(key, hold_s=hold_s, body_bytes=len(body), model=head.model)
        try:
            outcome = await self._hold(ticket, head)
            if outcome is Outcome.ADMITTED:
                await self._relay_counted(ticket.engine, body, head, key)
            else:
                await self._refuse_held(ticket, outcome)
        finally:
            self._settle(ticket, key if facts.ends_session else None)

    async def _hold(self, ticket: Ticket, head: RequestHead) -> Outcome:
        parts = self._parts
        interval_s = parts.options.keepalive_comments_s if head.is_stream else 0.0
        try:
            while (outcome := ticket.outcome) is None:
                if not await parts.admitter.wait(ticket, timeout_s=interval_s or None):
                    position, wait_s = parts.store.expected_wait(ticket)
                    await self._answer.keep_alive(position=position, expected_wait_s=wait_s)
            return outcome
        finally:
            if ticket.outcome is not None:
                parts.metrics.waited(ticket.outcome, ticket.held_s)

    async def _refuse_held(self, ticket: Ticket, outcome: Outcome) -> None:
        position, wait_s = self._parts.store.expected_wait(ticket)
        retry_after_s = wait_s if outcome is not Outcome.DRAINING else None
        detail = f"place {position} in the line" if outcome is Outcome.HOLD_TIMEOUT else ""
        await self._refuse(FAULTS[outcome], detail, retry_after_s=retry_after_s)

    def _settle(self, ticket: Ticket, ended_key: str | None) -> None:
        was_admitted = ticket.outcome is Outcome.ADMITTED
        if ticket.is_held:
            self._parts.metrics.waited(Outcome.CLIENT_GONE, self._parts.clock() - ticket.arrived_at)
        usage = self._tap.usage
        ticket.first_token_at = self._first_token_at
        self._parts.admitter.finish(
            ticket,
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            completion_tokens=None if usage is None else usage.completion_tokens,
            cached_tokens=None if usage is None else usage.cached_tokens,
            client_gone=self._client_gone,
        )
        if self._parts.recorder is not None and usage is not None:
            self._parts.recorder.record(ticket, usage)
        if was_admitted and ended_key is not None:
            self._parts.admitter.end(ended_key)

    async def _relay_counted(self, engine: str, body: bytes, head: RequestHead, key: str | None) -> None:
        """Relay, and read what the answer cost; ask for it where the client did not.

        Until the engine's fingerprint is known nobody is asked: what asking displaces could not be put back.
        """
        parts, shape = self._parts, self._endpoint.shape
        fingerprint = parts.fingerprints.get(engine)
        asking = None
        if parts.options.ask_usage and self._endpoint.can_ask_usage and engine in parts.fingerprints:
            asking = inject_include_usage(body, head)
        self._strips = asking is not None

        def tap(response: UpstreamResponse) -> Tap:
            chosen = choose_tap(shape, response.headers, strip=self._strips, fingerprint=fingerprint)
            if shape is not ApiShape.RESPONSES:
                return chosen
            return ResponseIdTap(chosen, partial(parts.response_homes.learn, engine=engine, session=key))

        await self._relay(engine, body if asking is None else asking, tap)
        if isinstance(self._tap, StreamTap) and self._tap.has_ended_choice:
            parts.fingerprints[engine] = self._tap.fingerprint

    async def _relay(self, engine: str, body: bytes, tap: Callable[[UpstreamResponse], Tap]) -> None:
        monitor = self._parts.monitors[engine]
        try:
            response = await self._send_on(engine, body)
        except EngineUnreachable as error:
            monitor.on_unreachable(str(error))
            await self._refuse(GatewayFault.ENGINE_UNREACHABLE, str(error))
            return
        except EngineBroke as error:
            await self._refuse(GatewayFault.ENGINE_BROKE, str(error))
            return
        try:
            monitor.on_contact()
            if response.status in OVERLOADED and self._endpoint.is_generating:
                monitor.on_overload()
            self._tap = tap(response)
            await self._hand_on(response, self._tap)
        except EngineBroke as error:
            logger.warning("%s %s: answer cut off: %s", self._scope["method"], self._endpoint.route, error)
            self._answer.cut_off()
            self._parts.metrics.failed("engine_broke_midstream")
        finally:
            response.close()

    async def _hand_on(self, response: UpstreamResponse, tap: Tap) -> None:
        answer = self._answer
        if not answer.can_take(response):
            await answer.end_with_error(response.status, await _beginning(response, MAX_BODY_BYTES))
            return
        await answer.begin(response, keep_length=not (self._strips and isinstance(tap, StreamTap)))
        async for chunk in response.chunks():
            if self._first_token_at is None and not chunk.startswith(_COMMENT):
                self._first_token_at = self._parts.clock()
            passed = tap.feed(chunk)
            if passed:
                await answer.go_on(passed)
        await answer.end(tap.finish(), response.trailers)

    async def _send_on(self, engine: str, body: bytes, *, plain: bool = False) -> UpstreamResponse:
        scope = self._scope
        target: bytes = scope["raw_path"]
        if scope["query_string"]:
            target = b"%b?%b" % (target, scope["query_string"])
        has_body = bool(body) or any(name in _BODY_HEADERS for name, _ in scope["headers"])
        headers = request_headers(scope["headers"])
        if plain or self._strips or self._answer.status is not None:
            # The answer is read, an event shall be taken out of it, or a comment has begun it: not with compression.
            headers = [field for field in headers if field[0] != b"accept-encoding"]
            headers.append((b"accept-encoding", b"identity"))
        return await self._parts.upstream.send(engine, scope["method"], target, headers, body if has_body else None)

    async def _refuse(self, fault: GatewayFault, detail: str = "", *, retry_after_s: float | None = None) -> None:
        self._parts.metrics.failed(fault.code)
        await self._answer.refuse(fault, detail, retry_after_s=retry_after_s)

    def _engine_for(self, body: bytes) -> str:
        """Where a request outside of any session goes."""
        parts, path = self._parts, self._scope["path"]
        home = parts.response_homes.engine_of(path)
        if home is not None:
            return home
        if len(parts.monitors) == 1:
            return next(iter(parts.monitors))
        facts = parts.readers.facts.read(self._scope["headers"])
        return parts.store.candidates(parts.readers.model(path, facts, body))[0]


async def _beginning(response: UpstreamResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])
