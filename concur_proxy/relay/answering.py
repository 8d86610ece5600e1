"""Passes an engine's answer on to the client, and reads on the way what it cost."""

import logging
from collections.abc import Callable

from concur_proxy.coordination.protocol.messages import Overloaded
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.monitoring.monitor import EngineMonitor
from concur_proxy.recognition.tenants import split_name
from concur_proxy.relay.client import Client, ClientAnswer
from concur_proxy.relay.parts import RelayParts
from concur_proxy.telemetry.events import BROKE_MIDSTREAM, Attempt, RequestRecord
from concur_proxy.upstream.client import UpstreamResponse
from concur_proxy.upstream.failures import EngineBroke
from concur_proxy.wire.answer.dialect import Tap
from concur_proxy.wire.answer.events import MAX_ERROR_BYTES
from concur_proxy.wire.answer.json_tap import ResponseIdTap
from concur_proxy.wire.answer.tap import NoTap, StreamTap, choose_tap
from concur_proxy.wire.api_shape import ApiShape
from concur_proxy.wire.headers import response_headers
from concur_proxy.wire.request.endpoint_rule import EndpointKind
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.view import RequestView

logger = logging.getLogger(__name__)

OVERLOADED = frozenset({429, 503})
"""Statuses with which an engine refuses a request because it is full."""

REFUSED = frozenset(range(400, 500)) - OVERLOADED
"""Statuses with which an engine refuses a request for what it is or who sent it. The engine has computed nothing."""

ChooseTap = Callable[[UpstreamResponse], Tap]

_WITHOUT_BODY = frozenset({204, 304})
"""Such an answer has no body, whatever its content-length says (RFC 9112, 6.3). An ASGI server would wait for one."""


class Answering:
    """Passes the answer to one request on."""

    __slots__ = ("_answer", "_client", "_endpoint", "_may_ask", "_parts", "_strips", "_tenant", "_view", "record")

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
