"""Sends one request to an engine, and passes its answer back."""

import asyncio
import logging
from dataclasses import dataclass
from functools import partial

from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.tenants import CREDENTIALS
from concur_proxy.relay.answering import Answering, ChooseTap
from concur_proxy.telemetry.events import CLIENT_GONE, Attempt
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.connection import Body
from concur_proxy.upstream.failures import EngineBroke, EngineTimedOut, EngineUnreachable, GatewayExhausted
from concur_proxy.wire.answer.dialect import Tap
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.answer.tap import NoTap
from concur_proxy.wire.headers import TRACE_CONTEXT, Headers, request_headers
from concur_proxy.wire.request.include_usage import inject_include_usage
from concur_proxy.wire.request.repeating import may_repeat

logger = logging.getLogger(__name__)

UNKNOWN = frozenset({404, 405, 501})
"""Statuses of an engine that does not know a response, or has no responses API."""

ENGINE_HEADER = b"x-concur-engine"


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


class Hop(Answering):
    """Passes one request on to an engine, and its answer back. If the first engine fails early, the request goes to a
    second one.
    """

    __slots__ = ()

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


def _no_tap(_: UpstreamResponse) -> Tap:
    return NoTap()


def _no_tap_if_known(response: UpstreamResponse) -> Tap:
    if response.status in UNKNOWN:
        raise Unknown
    return NoTap()


def failure_of(error: BaseException) -> str:
    """Return the reason why an attempt broke off, as `Attempt.failure` has it."""
    return CLIENT_GONE if isinstance(error, asyncio.CancelledError) else type(error).__name__
