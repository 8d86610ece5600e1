"""One allowed request through the gateway, from its body to the end of its answer."""

import asyncio
import logging
from functools import partial
from http import HTTPStatus
from typing import cast

from msgspec.structs import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.relay.answer import Answer
from concur_proxy.relay.asgi import BodyTooLarge, ClientGone, Receive, read_body
from concur_proxy.relay.hop import Hop, Setback
from concur_proxy.relay.model_lists import merged_models
from concur_proxy.relay.parts import GatewayParts
from concur_proxy.telemetry.generations import Generation
from concur_proxy.telemetry.request_note import RequestNote, shown_session
from concur_proxy.telemetry.tracing import WaitSpan
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.models import LIST_PATH
from concur_proxy.wire.request.repeating import may_repeat
from concur_proxy.wire.request.view import RequestView

logger = logging.getLogger(__name__)

QUEUE_WAIT_HEADER = b"x-concur-queue-wait-s"

SESSION_STATE_HEADER = b"x-concur-session-state"
"""Where the session stood when its request came: `queued` (new), `active` (with its place) or `paused` (without)."""

HOLD_SHARE = 0.9
"""Part of a client's own time-out after which its hold ends, so that it gets an answer that it can act upon."""

FAULTS = {
    Outcome.QUEUE_FULL: GatewayFault.QUEUE_FULL,
    Outcome.HOLD_TIMEOUT: GatewayFault.HOLD_TIMEOUT,
    Outcome.DRAINING: GatewayFault.DRAINING,
}


class Exchange:
    """Admits, relays and accounts for one request; whatever happens, its place is given up exactly once."""

    def __init__(
        self,
        parts: GatewayParts,
        endpoint: Endpoint,
        view: RequestView,
        receive: Receive,
        answer: Answer,
        note: RequestNote,
    ) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._view = view
        self._receive = receive
        self._answer = answer
        self._note = note
        self._client_gone = False
        self._was_admitted = False
        self._hop = Hop(parts, endpoint, view, answer, note)

    async def run(self) -> None:
        """Serve the request; returns when the answer has ended, has broken off, or nobody listens any more."""
        began, limit = self._parts.clock(), self._parts.options.max_body_bytes
        try:
            declared = self._view.values.get(b"content-length")
            self._view.body = await read_body(self._receive, declared=declared, limit=limit)
        except ClientGone:
            self._note.failure = "client_gone"
            return
        except BodyTooLarge:
            await self._refuse(GatewayFault.BODY_TOO_LARGE, f"the limit is {limit} bytes")
            return
        await self._while_client_listens()
        if self._answer.status is not None:
            self._parts.metrics.answered(self._endpoint.route, self._answer.status, self._parts.clock() - began)

    async def _while_client_listens(self) -> None:
        """Serve, and stop at once when the client goes away: the engine must not work for nobody."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        watcher = asyncio.ensure_future(self._receive())

        def on_gone(_: object) -> None:
            self._client_gone = True
            task.cancel()

        watcher.add_done_callback(on_gone)
        try:
            await (self._generate() if self._endpoint.is_generating else self._pass())
        except asyncio.CancelledError:
            if not self._client_gone:
                raise
            task.uncancel()
            self._parts.failed(self._note, "client_gone")
        finally:
            watcher.remove_done_callback(on_gone)
            watcher.cancel()

    async def _pass(self) -> None:
        """A request that makes no tokens goes through at once, to an engine that serves its model."""
        parts, view = self._parts, self._view
        servers = {parts.monitors[engine].address.url: engine for engine in parts.coordinator.fleet.candidates(None)}
        if len(servers) > 1 and self._endpoint.route == LIST_PATH and view.method == "GET":
            models = await merged_models(list(servers.values()), partial(self._hop.send, plain=True))
            if models is not None:
                await self._answer.give(models)
                return
        home = next(iter(parts.monitors)) if len(parts.monitors) == 1 else parts.response_homes.engine_of(view.path)
        if home is not None:
            await self._end(await self._hop.pass_on(home))
            return
        model = self._note.model = view.passing_model
        engine = parts.coordinator.fleet.candidates(model)[0]
        setback = await self._hop.pass_on(engine)
        if setback is not None and (other := self._other_engine(engine, setback, model)) is not None:
            setback = await self._hop.pass_on(other)
        await self._end(setback)

    async def _generate(self) -> None:
        """A request that makes tokens waits for its session's place."""
        parts, view = self._parts, self._view
        body = view.json
        if view.fault is not None:
            await self._refuse(view.fault.fault, view.fault.detail)
            return
        recognition = parts.recognisers.recognise(view)
        key = None if recognition is None else recognition.key
        if key is None:
            parts.metrics.unkeyed()
        else:
            self._note.of_session(shown_session(key, hashed=parts.options.hash_sessions))
        self._note.model, self._note.is_stream = body.model, body.is_stream
        hold_s = parts.options.max_hold_s
        if (timeout_s := view.client_timeout_s) is not None:
            hold_s = min(hold_s, timeout_s * HOLD_SHARE)
        until = parts.clock() + hold_s
        arrival = Arrival(key=key, model=body.model, body_bytes=len(view.body), hold_s=hold_s)
        try:
            engine, setback = await self._attempt(arrival)
            if setback is not None and self._other_engine(engine, setback, body.model) is not None:
                hold_s = max(0.0, until - parts.clock())
                _, setback = await self._attempt(replace(arrival, hold_s=hold_s, avoid=engine))
            await self._end(setback)
        finally:
            if view.ends_session and key is not None and self._was_admitted:
                parts.coordinator.apply(EndSession(key=key))

    async def _attempt(self, arrival: Arrival) -> tuple[str, Setback | None]:
        """Wait for the session's place, and pass the request on; returns to which engine, and what went wrong before
        it answered.
        """
        ticket = self._parts.coordinator.arrive(arrival)
        try:
            outcome = await self._hold(ticket)
            self._tell(ticket)
            if outcome is Outcome.ADMITTED:
                self._was_admitted = True
                return ticket.engine, await self._hop.pass_counted(ticket.engine, arrival.key)
            await self._refuse_held(ticket, outcome)
            return ticket.engine, None
        finally:
            self._settle(ticket)

    def _tell(self, ticket: Ticket) -> None:
        """Tell the client what became of its request, in the answer's headers."""
        if self._parts.options.tell_clients:
            self._answer.tell(QUEUE_WAIT_HEADER, b"%.3f" % ticket.held_s)
            if not ticket.session.one_shot:
                self._answer.tell(SESSION_STATE_HEADER, ticket.found.value.encode())

    def _other_engine(self, engine: str, setback: Setback, model: str | None) -> str | None:
        """Another engine for a request that this one failed before it answered, if it may be sent to one."""
        parts, method = self._parts, self._view.method
        if not may_repeat(self._endpoint, method, self._view.json, may_have_begun=setback.may_have_begun):
            return None
        down = parts.coordinator.fleet.down
        other = next((e for e in parts.coordinator.fleet.candidates(model) if e != engine and e not in down), None)
        if other is not None:
            logger.info("%s %s: sent on to another engine: %s", method, self._endpoint.route, setback.detail)
            parts.metrics.retried("broke" if setback.may_have_begun else "unreachable")
        return other

    async def _end(self, setback: Setback | None) -> None:
        """Tell the client of what went wrong for good."""
        if setback is not None:
            await self._refuse(setback.fault, setback.detail)

    async def _hold(self, ticket: Ticket) -> Outcome:
        parts = self._parts
        interval_s = parts.options.keepalive_comments_s if self._note.is_stream else 0.0
        with self._note.span.wait() as span:
            try:
                while (outcome := ticket.outcome) is None:
                    if not await parts.coordinator.wait(ticket, timeout_s=interval_s or None):
                        position, wait_s = parts.coordinator.expected_wait(ticket)
                        await self._answer.keep_alive(position=position, expected_wait_s=wait_s)
                return outcome
            finally:
                self._waited(ticket, span)

    def _waited(self, ticket: Ticket, span: WaitSpan) -> None:
        outcome, seconds = ticket.outcome, ticket.held_s
        if outcome is None:  # nobody has decided: the client has left
            outcome, seconds = Outcome.CLIENT_GONE, self._parts.clock() - ticket.arrived_at
        self._parts.metrics.waited(outcome, seconds)
        self._note.held(seconds)
        span.decided(outcome.value, ticket.engine)

    async def _refuse_held(self, ticket: Ticket, outcome: Outcome) -> None:
        position, wait_s = self._parts.coordinator.expected_wait(ticket)
        retry_after_s = wait_s if outcome is not Outcome.DRAINING else None
        detail = f"place {position} in the line" if outcome is Outcome.HOLD_TIMEOUT else ""
        await self._refuse(FAULTS[outcome], detail, retry_after_s=retry_after_s)

    def _settle(self, ticket: Ticket) -> None:
        usage, first, released_at = self._hop.tap.usage, self._hop.first_token_at, ticket.decided_at
        self._note.usage = usage
        if self._note.is_stream and first is not None:
            self._note.first_token_s = first - ticket.arrived_at
        answered = Answered(
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            completion_tokens=None if usage is None else usage.completion_tokens,
            cached_tokens=None if usage is None else usage.cached_tokens,
            first_token_s=None if first is None or released_at is None else first - released_at,
            client_gone=self._client_gone,
        )
        self._parts.coordinator.finish(ticket, answered)
        self._count_answer(ticket)
        if self._parts.recorder is not None and usage is not None:
            self._parts.recorder.record(ticket, usage)

    def _count_answer(self, ticket: Ticket) -> None:
        """An answer that ended well is counted; of one that broke, nobody would know what its time means."""
        first, status, released_at = self._hop.first_token_at, self._answer.status, ticket.decided_at
        is_whole = self._hop.is_whole and status is not None and status < HTTPStatus.BAD_REQUEST
        if not is_whole or first is None or released_at is None:
            return
        monitor = self._parts.monitors.get(ticket.engine)
        answer = Generation(
            wait_s=ticket.held_s,
            duration_s=self._parts.clock() - released_at,
            first_token_s=first - released_at if self._note.is_stream else None,
            usage=self._hop.tap.usage,
        )
        self._parts.generations.generated(
            ticket.engine, self._note.model, None if monitor is None else monitor.models, answer
        )

    async def _refuse(self, fault: GatewayFault, detail: str = "", *, retry_after_s: float | None = None) -> None:
        self._parts.failed(self._note, fault.code)
        await self._answer.refuse(fault, detail, retry_after_s=retry_after_s)
