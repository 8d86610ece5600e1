"""Sends one request to an engine, and passes its answer back."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from concur_proxy.coordination.protocol.messages import Overloaded
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.tenants import CREDENTIALS, split_name
from concur_proxy.relay.client import Client, ClientAnswer
from concur_proxy.relay.parts import RelayParts
from concur_proxy.telemetry.events import BROKE_MIDSTREAM, CLIENT_GONE, Attempt, RequestRecord
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.connection import Body, EngineBroke, EngineTimedOut, EngineUnreachable, GatewayExhausted
from concur_proxy.wire.answer.dialect import Tap
from concur_proxy.wire.answer.events import MAX_ERROR_BYTES
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.answer.json_tap import ResponseIdTap
from concur_proxy.wire.answer.tap import NoTap, StreamTap, choose_tap
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import TRACE_CONTEXT, Headers, request_headers, response_headers
from concur_proxy.wire.request.endpoint_rule import EndpointKind
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.include_usage import inject_include_usage
from concur_proxy.wire.request.repeating import may_repeat
from concur_proxy.wire.request.view import RequestView

logger = logging.getLogger(__name__)

OVERLOADED = frozenset({429, 503})
"""Statuses with which an engine refuses a request because it is full."""

REFUSED = frozenset(range(400, 500)) - OVERLOADED
"""Statuses with which an engine refuses a request for what it is or who sent it. The engine has computed nothing."""

UNKNOWN = frozenset({404, 405, 501})
"""Statuses of an engine that does not know a response, or has no responses API."""

ENGINE_HEADER = b"x-concur-engine"

ChooseTap = Callable[[UpstreamResponse], Tap]

_WITHOUT_BODY = frozenset({204, 304})
"""Such an answer has no body, whatever its content-length says (RFC 9112, 6.3). An ASGI server would wait for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """An engine failed before any byte of its answer had come."""

    fault: GatewayFault
    detail: str
    may_have_begun: bool
    """Whether the engine received the request and may have begun to work on it."""
    is_unknown: bool = False
    """Whether this gateway does not know the engine, which another gateway has chosen."""


class Unknown(Exception):  # noqa: N818 - says what happened
    """The engine does not know what the request names."""


class Hop:
    """Passes one request on to an engine, and its answer back. If the first engine fails early, the request goes to a
    second one.
    """

    __slots__ = (
        "_answer",
        "_client",
        "_endpoint",
        "_may_ask",
        "_parts",
        "_strips",
        "_tenant",
        "_view",
        "record",
    )

    def __init__(
        self,
        parts: RelayParts,
        endpoint: Endpoint,
        tenant: str,
        view: RequestView,
        client: Client,
        answer: ClientAnswer,
        record: RequestRecord,
    ) -> None:
        self.record = record
        self._parts = parts
        self._endpoint = endpoint
        self._tenant = tenant
        self._view = view
        self._client = client
        self._answer = answer
        self._may_ask = False
        """Whether the engine may be asked for usage that the client did not ask for."""
        self._strips = False
        """Whether the engine was asked, so that the usage must be removed from the answer."""

    async def pass_on(self, engine: str, *, only_if_known: bool = False) -> Setback | None:
        """Send a request that needs no admission, and pass the answer on unread.

        Returns a Setback if the engine failed before answering; nothing has been sent to the client then. With
        `only_if_known`, raises `Unknown` if the engine does not know what the request names; nothing has been sent to
        the client then either.
        """
        attempt = Attempt()
        self.record.attempts.append(attempt)
        try:
            return await self._relay(attempt, engine, _no_tap_if_known if only_if_known else _no_tap)
        except Unknown:
            raise
        except BaseException as error:
            attempt.failure = attempt.failure or failure_of(error)
            raise
        finally:
            attempt.ended_at = self._parts.clock()

    async def generate(self, attempt: Attempt, engine: str, session: str | None) -> Setback | None:
        """Send an admitted request, pass the answer on and read what it cost. Ask the engine for usage if the client
        did not.

        The engine is asked only after its fingerprint is known: asking makes vLLM move the fingerprint, and the gateway
        must put it back. Returns a Setback as `pass_on` does.
        """
        parts = self._parts
        self._may_ask = parts.options.ask_usage and self._endpoint.can_ask_usage and engine in parts.fingerprints
        return await self._relay(attempt, engine, partial(self._choose_tap, engine, session))

    def other_engine(self, engine: str, setback: Setback) -> str | None:
        """Return another engine for a request that this one failed; None if it must not be sent again."""
        parts, view, route = self._parts, self._view, self._endpoint.route
        if not may_repeat(self._endpoint, view.method, view.json, may_have_begun=setback.may_have_begun):
            return None
        fleet = parts.coordinator.fleet
        candidates = fleet.candidates(self.record.model)
        other = next((each for each in candidates if each != engine and each not in fleet.down), None)
        if other is not None:
            logger.info("%s %s: sent on to another engine: %s", view.method, route, setback.detail)
            for hear in parts.events.retried:
                hear(self.record)
        return other

    async def send(self, engine: str, *, plain: bool = False) -> UpstreamResponse:
        """Send the client's request. `plain` asks for an answer without compression. Raises as `Upstream.send`."""
        view, record = self._view, self.record
        body: Body | None = inject_include_usage(view.body, view.json) if self._may_ask else None
        self._strips = body is not None
        if body is None and view.has_body:
            body = view.body
        removed: frozenset[bytes] = frozenset()
        added: Headers = []
        if plain or self._strips or record.status is not None:
            # The gateway must read the answer: to merge it, to take an event out of it, or because a comment began it.
            removed |= {b"accept-encoding"}
            added.append((b"accept-encoding", b"identity"))
        monitor = self._parts.monitors[engine]
        if monitor.address.dp_rank is not None:
            pinned = monitor.rank_headers
            removed |= {name for name, _ in pinned}
            added += pinned
        if engine_key := self._parts.engine_key:
            removed |= frozenset(CREDENTIALS)
            added.append((b"authorization", b"Bearer " + engine_key.encode()))
        if record.context:
            removed |= TRACE_CONTEXT
            added += record.context
        headers = request_headers(view.headers, removed=removed, added=added)
        return await self._parts.upstream.send(monitor.address.url, view.method, view.target, headers, body)

    async def _relay(self, attempt: Attempt, engine: str, choose: ChooseTap) -> Setback | None:
        parts = self._parts
        attempt.engine = engine
        monitor = parts.monitors.get(engine)
        if monitor is None:  # the leader of several gateways knows an engine that this gateway does not know yet
            detail = f"{engine} is no engine of this gateway"
            fault = GatewayFault.ENGINE_UNREACHABLE
            setback = Setback(fault=fault, detail=detail, may_have_begun=False, is_unknown=True)
        else:
            attempt.sent_at = parts.clock()
            attempt.url, attempt.kind, attempt.listed = monitor.address.url, monitor.kind, monitor.models
            attempt.capacity_tokens = None if monitor.tokens.capacity is None else monitor.tokens.capacity.tokens
            if parts.options.tell_clients:
                self._answer.add_header(ENGINE_HEADER, engine.encode("latin-1", "replace"))
            for hear in parts.events.sent:
                hear(self.record)
            answered = await self._ask(monitor)
            if isinstance(answered, UpstreamResponse):
                await self._receive(attempt, monitor, answered, choose)
                return None
            setback = answered
        attempt.failure = setback.fault.code
        return setback

    async def _ask(self, monitor: EngineMonitor) -> UpstreamResponse | Setback:
        try:
            return await self.send(monitor.engine)
        except GatewayExhausted as error:
            logger.warning("no connection: %s", error)
            return Setback(fault=GatewayFault.GATEWAY_EXHAUSTED, detail=str(error), may_have_begun=False)
        except EngineUnreachable as error:
            monitor.on_unreachable(str(error))
            return Setback(fault=GatewayFault.ENGINE_UNREACHABLE, detail=str(error), may_have_begun=False)
        except EngineTimedOut as error:  # a long prefill: whether the engine works, its metrics and health must say
            return Setback(fault=GatewayFault.ENGINE_TIMED_OUT, detail=str(error), may_have_begun=True)
        except EngineBroke as error:
            monitor.on_broken(str(error))
            return Setback(fault=GatewayFault.ENGINE_BROKE, detail=str(error), may_have_begun=True)

    async def _receive(
        self, attempt: Attempt, monitor: EngineMonitor, response: UpstreamResponse, choose: ChooseTap
    ) -> None:
        try:
            attempt.status = response.status
            monitor.on_answer(response.status)
            if response.status in OVERLOADED and self._endpoint.kind is EndpointKind.GENERATE:
                self._parts.coordinator.apply(Overloaded(engine=monitor.engine))
            await self._hand_on(attempt, monitor, response, choose)
        except EngineBroke as error:
            logger.warning("%s %s: answer cut off: %s", self._view.method, self._endpoint.route, error)
            self._answer.cut_off()
            attempt.failure = BROKE_MIDSTREAM
            self.record.failures.append(BROKE_MIDSTREAM)
        finally:
            response.close()

    async def _hand_on(
        self, attempt: Attempt, monitor: EngineMonitor, response: UpstreamResponse, choose: ChooseTap
    ) -> None:
        """Send the engine's answer to the client as it comes."""
        answer, clock, tap = self._answer, self._parts.clock, choose(response)
        try:
            if self.record.status is None:
                keep_length = response.status not in _WITHOUT_BODY and not (self._strips and isinstance(tap, StreamTap))
                answer.pass_on(response.status, response_headers(response.headers, keep_length=keep_length))
            elif not _is_event_stream(response):  # a comment has begun an event stream: only events can follow
                answer.end_with_error(response.status, await _beginning(response, MAX_ERROR_BYTES))
                return
            last = await self._pass_parts(attempt, response, tap)
            if attempt.first_token_at is None:
                attempt.first_token_at = clock()
            answer.end(last, response.trailers)
            attempt.is_whole = True
        finally:
            first, is_batch = attempt.first_token_at, self._endpoint.takes_batches
            attempt.usage = monitor.tokens.on_usage(tap.usage, first_token_at=first, is_batch=is_batch)
            if isinstance(tap, StreamTap) and tap.has_ended_choice:
                self._parts.fingerprints[attempt.engine] = tap.fingerprint

    async def _pass_parts(self, attempt: Attempt, response: UpstreamResponse, tap: Tap) -> bytes:
        """Send all that comes of the body, each time in one write. Returns its last part, which is not sent."""
        client = self._client

        def pass_chunk(chunk: bytes) -> bool:
            return tap.is_plain(chunk) and client.pass_chunk(chunk)

        while True:
            part = response.take()
            if part and attempt.first_token_at is None and tap.has_token(part):
                attempt.first_token_at = self._parts.clock()
            passed = tap.feed(part) if part else part
            if response.is_complete:
                return passed + tap.finish()
            if passed:
                client.write(passed)
                if client.is_full:
                    await client.drained()
            elif not part:
                client.flush()
                await response.next_part(None if attempt.first_token_at is None else pass_chunk)

    def _choose_tap(self, engine: str, session: str | None, response: UpstreamResponse) -> Tap:
        parts, shape = self._parts, self._endpoint.shape
        if response.status in REFUSED:
            return NoTap()
        tap = choose_tap(shape, response.headers, strip=self._strips, fingerprint=parts.fingerprints.get(engine))
        if shape is not ApiShape.RESPONSES and not (shape is ApiShape.ANTHROPIC and self._view.json.is_in_thread):
            return tap

        def learn(response_id: str) -> None:
            if self._view.json.stores is not False:
                parts.coordinator.responses.learn(response_id, StoredResponse(engine, session, self._tenant))
            if session is not None:
                parts.recognisers.learn(response_id, split_name(session)[1])

        return ResponseIdTap(tap, learn, shape)


def _no_tap(_: UpstreamResponse) -> Tap:
    return NoTap()


def _no_tap_if_known(response: UpstreamResponse) -> Tap:
    if response.status in UNKNOWN:
        raise Unknown
    return NoTap()


def failure_of(error: BaseException) -> str:
    """Return the reason why an attempt broke off, as `Attempt.failure` has it."""
    return CLIENT_GONE if isinstance(error, asyncio.CancelledError) else type(error).__name__


def _is_event_stream(response: UpstreamResponse) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
        for name, value in response.headers
    )


async def _beginning(response: UpstreamResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])
