"""The way to one engine and back."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from concur_proxy.coordination.protocol.messages import Overloaded
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.relay.answer import Answer
from concur_proxy.relay.parts import GatewayParts
from concur_proxy.telemetry.request_note import RequestNote
from concur_proxy.telemetry.tracing import CONTEXT_HEADERS, RelaySpan
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.connection import EngineBroke, EngineUnreachable
from concur_proxy.wire.answer.events import MAX_ERROR_BYTES
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.answer.sse import StreamTap
from concur_proxy.wire.answer.tap import NoTap, ResponseIdTap, Tap, choose_tap
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import Headers, request_headers
from concur_proxy.wire.request.body import inject_include_usage
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.view import RequestView

logger = logging.getLogger(__name__)

OVERLOADED = frozenset({429, 503})
"""Statuses by which an engine says that it has no room."""

ENGINE_HEADER = b"x-concur-engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """An engine failed before any byte of an answer had come."""

    fault: GatewayFault
    detail: str
    may_have_begun: bool
    """Whether it had got the request, and so may have done something about it."""


class Hop:
    """Passes one request on, and its answer back; to a second engine where the first one failed."""

    def __init__(
        self, parts: GatewayParts, endpoint: Endpoint, view: RequestView, answer: Answer, note: RequestNote
    ) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._view = view
        self._answer = answer
        self._note = note
        self._context: Headers = []
        """Headers by which the engine goes on with the request's trace."""
        self.tap: Tap = NoTap()
        """What reads the answer."""
        self.first_token_at: float | None = None
        """When its first token came, by the gateway's clock."""
        self.is_whole = False
        """Whether an engine's answer has been handed on to its end."""
        self._strips = False
        """Whether the engine was asked for usage that the client did not ask for."""

    async def pass_counted(self, engine: str, key: str | None) -> Setback | None:
        """As `pass_on`, and read what the answer cost; ask for it where the client did not.

        Until the engine's fingerprint is known nobody is asked: what asking displaces could not be put back.
        """
        parts, shape = self._parts, self._endpoint.shape
        fingerprint = parts.fingerprints.get(engine)
        asking = None
        if parts.options.ask_usage and self._endpoint.can_ask_usage and engine in parts.fingerprints:
            asking = inject_include_usage(self._view.body, self._view.json)
        self._strips = asking is not None

        def tap(response: UpstreamResponse) -> Tap:
            chosen = choose_tap(shape, response.headers, strip=self._strips, fingerprint=fingerprint)
            if shape is not ApiShape.RESPONSES:
                return chosen
            return ResponseIdTap(chosen, partial(parts.learn_response, engine=engine, session=key))

        setback = await self.pass_on(engine, asking, tap)
        if isinstance(self.tap, StreamTap) and self.tap.has_ended_choice:
            parts.fingerprints[engine] = self.tap.fingerprint
        return setback

    async def pass_on(
        self, engine: str, body: bytes | None = None, tap: Callable[[UpstreamResponse], Tap] = lambda _: NoTap()
    ) -> Setback | None:
        """Send the request and hand the answer on, however it ends. Returns why there is none, if there is none: then
        nothing of one has been sent to the client either.
        """
        monitor = self._parts.monitors.get(engine)
        if monitor is None:  # of several gateways, the one that leads knows an engine that this one does not yet
            detail = f"{engine} is no engine of this gateway"
            return Setback(fault=GatewayFault.ENGINE_UNREACHABLE, detail=detail, may_have_begun=False)
        note = self._note
        note.engine = engine
        if self._parts.options.tell_clients:
            self._answer.tell(ENGINE_HEADER, engine.encode("latin-1", "replace"))
        with note.span.relay(
            engine=engine,
            url=monitor.address.url,
            provider=monitor.kind,
            model=note.model,
            is_stream=note.is_stream,
        ) as span:
            self._context, began = span.context, self._parts.clock()
            setback = await self._exchange(monitor, body, tap, span)
            if setback is not None:
                span.failed(setback.fault.code)
            first = self.first_token_at if note.is_stream else None
            span.told(self.tap.usage, None if first is None else first - began)
        return setback

    async def _exchange(
        self, monitor: EngineMonitor, body: bytes | None, tap: Callable[[UpstreamResponse], Tap], span: RelaySpan
    ) -> Setback | None:
        try:
            response = await self.send(monitor.engine, body)
        except EngineUnreachable as error:
            monitor.on_unreachable(str(error))
            return Setback(fault=GatewayFault.ENGINE_UNREACHABLE, detail=str(error), may_have_begun=False)
        except EngineBroke as error:
            monitor.on_broken(str(error))
            return Setback(fault=GatewayFault.ENGINE_BROKE, detail=str(error), may_have_begun=True)
        try:
            span.answered(response.status)
            monitor.on_answer(response.status)
            if response.status in OVERLOADED and self._endpoint.is_generating:
                self._parts.coordinator.apply(Overloaded(engine=monitor.engine))
            self.tap = tap(response)
            await self._hand_on(response)
        except EngineBroke as error:
            logger.warning("%s %s: answer cut off: %s", self._view.method, self._endpoint.route, error)
            self._answer.cut_off()
            span.failed("engine_broke_midstream")
            self._parts.failed(self._note, "engine_broke_midstream")
        finally:
            response.close()
        return None

    async def send(self, engine: str, body: bytes | None = None, *, plain: bool = False) -> UpstreamResponse:
        """Send the client's request on; `plain`: so that the answer can be read. Raises as `Upstream.send`."""
        view = self._view
        if body is None and view.has_body:
            body = view.body
        headers = request_headers(view.headers)
        if plain or self._strips or self._answer.status is not None:
            # The answer is read, an event shall be taken out of it, or a comment has begun it: not with compression.
            headers = [field for field in headers if field[0] != b"accept-encoding"]
            headers.append((b"accept-encoding", b"identity"))
        monitor = self._parts.monitors[engine]
        if pinned := monitor.rank_headers:
            names = {name for name, _ in pinned}
            headers = [field for field in headers if field[0] not in names] + pinned
        if self._context:
            headers = [field for field in headers if field[0] not in CONTEXT_HEADERS] + self._context
        return await self._parts.upstream.send(monitor.address.url, view.method, view.target, headers, body)

    async def _hand_on(self, response: UpstreamResponse) -> None:
        answer, tap = self._answer, self.tap
        if not answer.can_take(response):
            await answer.end_with_error(response.status, await _beginning(response, MAX_ERROR_BYTES))
            return
        await answer.begin(response, keep_length=not (self._strips and isinstance(tap, StreamTap)))
        async for chunk in response.chunks():
            if self.first_token_at is None and tap.has_token(chunk):
                self.first_token_at = self._parts.clock()
            passed = tap.feed(chunk)
            if passed:
                await answer.go_on(passed)
        if self.first_token_at is None:  # an answer without any: its end is as telling
            self.first_token_at = self._parts.clock()
        await answer.end(tap.finish(), response.trailers)
        self.is_whole = True


async def _beginning(response: UpstreamResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])
