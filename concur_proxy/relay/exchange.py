"""One allowed request through the gateway, from its body to the end of its answer."""

import asyncio
from typing import cast

from msgspec.structs import replace

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.recognition.conversations import PromptRole
from concur_proxy.recognition.segments import chain_in_steps, fingerprint_of
from concur_proxy.recognition.tenants import Tenant, scoped, split_name
from concur_proxy.relay.body import BodyTooLarge, ClientGone, read_body
from concur_proxy.relay.client import Client, ClientAnswer
from concur_proxy.relay.hop import REFUSED, Hop, Setback, failure_of
from concur_proxy.relay.open_requests import BodiesTooLarge, TenantBodiesTooLarge, TooManyOpenRequests
from concur_proxy.relay.parts import RelayParts
from concur_proxy.relay.passing import is_of_another, pass_at_once
from concur_proxy.telemetry.events import CLIENT_GONE, Attempt, RequestRecord, shown_session
from concur_proxy.turns import in_turns
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.endpoint_rule import EndpointKind
from concur_proxy.wire.request.endpoints import Endpoint
from concur_proxy.wire.request.view import RequestView

WAIT_HEADER = b"x-concur-queue-wait-s"

SESSION_STATE_HEADER = b"x-concur-session-state"
"""The session's state when its request arrived: `queued` (new), `active` (with its place) or `paused` (without a
place). `UNRECOGNISED` if the request names no session and continues no known conversation.
"""
UNRECOGNISED = b"unrecognised"

WAIT_SHARE = 0.9
"""Part of a client's own timeout after which its wait ends, so that the client still gets an error that it can handle.
"""

KNOWN_EVERY_S = 0.1
KNOWN_TRIES = 60
"""How often, and how many times, an exchange looks whether the gateway knows an engine that another one has chosen: for
a little longer than the time between two look-ups of a host name.
"""

FAULTS = {
    Outcome.QUEUE_FULL: GatewayFault.QUEUE_FULL,
    Outcome.HOLD_TIMEOUT: GatewayFault.HOLD_TIMEOUT,
    Outcome.DRAINING: GatewayFault.DRAINING,
    Outcome.CONTEXT_LENGTH_EXCEEDED: GatewayFault.CONTEXT_LENGTH_EXCEEDED,
}


class Exchange:
    """Admits one request, passes it on and accounts for it. Whatever happens, it reports the end of the request exactly
    once.
    """

    __slots__ = (
        "_admitted",
        "_answer",
        "_client",
        "_endpoint",
        "_hop",
        "_parts",
        "_record",
        "_tenant",
        "_view",
    )

    def __init__(
        self,
        parts: RelayParts,
        endpoint: Endpoint,
        tenant: Tenant,
        view: RequestView,
        client: Client,
        answer: ClientAnswer,
        record: RequestRecord,
    ) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._tenant = tenant
        self._view = view
        view.tenant = tenant.name
        self._client = client
        self._answer = answer
        self._record = record
        self._admitted: Ticket | None = None
        self._hop = Hop(parts, endpoint, tenant.name, view, client, answer, record)

    async def run(self) -> None:
        """Serve the request. Returns when the answer has ended or broken off, or when the client has left."""
        options, tenant = self._parts.options, self._tenant
        max_bytes = options.max_buffered_bytes
        max_requests = tenant.max_connections or options.max_connections_per_tenant or None
        max_tenant_bytes = tenant.max_buffered_bytes or options.max_buffered_bytes_per_tenant or None
        limit = min(options.max_body_bytes, max_bytes, max_tenant_bytes or max_bytes)
        try:
            with self._parts.open_requests.begin(
                tenant.name, max_requests=max_requests, max_bytes=max_bytes, max_tenant_bytes=max_tenant_bytes
            ) as request:
                declared = self._view.values.get(b"content-length")
                self._view.body = await read_body(
                    self._client.next_part, declared=declared, limit=limit, request=request
                )
                self._record.is_received = True
                if self._endpoint.kind is EndpointKind.GENERATE:
                    setback = await self._generate()
                else:
                    setback = await pass_at_once(self._parts, tenant, self._view, self._hop, self._answer)
                if setback is not None:
                    self._answer.refuse(setback.fault, setback.detail)
        except ClientGone:
            self._record.failures.append(CLIENT_GONE)
        except BodyTooLarge:
            self._answer.refuse(GatewayFault.BODY_TOO_LARGE, f"the limit is {limit} bytes")
        except BodiesTooLarge:
            self._answer.refuse(GatewayFault.BODIES_TOO_LARGE, f"the limit is {max_bytes} bytes")
        except TenantBodiesTooLarge:
            self._answer.refuse(GatewayFault.TENANT_BODIES_TOO_LARGE, f"the limit is {max_tenant_bytes} bytes")
        except TooManyOpenRequests:
            self._answer.refuse(GatewayFault.TOO_MANY_FROM_TENANT, f"the limit is {max_requests}")
        except asyncio.CancelledError:
            if not self._client.is_gone:
                raise
            self._record.failures.append(CLIENT_GONE)

    async def _generate(self) -> Setback | None:
        """Let a request wait for admission and pass it on. Returns why no engine answered; None if one did."""
        parts, view = self._parts, self._view
        read = await self._read()
        if read is None:
            return None
        arrival, until = read
        del read
        view.forget_prompt()
        try:
            engine, setback = await self._attempt(arrival)
            if setback is not None and (self._hop.other_engine(engine, setback) is not None or setback.is_unknown):
                left_s = max(0.0, until - parts.clock())
                _, setback = await self._attempt(replace(arrival, hold_s=left_s, avoid=engine), is_last=True)
            return setback
        finally:
            ticket = self._admitted
            if ticket is not None and view.ends_session and not arrival.member:
                key = ticket.session.key if ticket.recognised_by else arrival.key
                if key is not None:
                    parts.coordinator.apply(EndSession(key=key))

    async def _read(self) -> tuple[Arrival, float] | None:
        """Read the request and find its session. Returns what the gate must know, and until when the request may wait;
        None if it was refused.
        """
        parts, tenant, view, record = self._parts, self._tenant, self._view, self._record
        await in_turns(view.read_in_steps())
        body, timeout_s = view.json, view.client_timeout_s
        if view.fault is not None:
            self._answer.refuse(view.fault.fault, view.fault.detail)
            return None
        record.model, record.is_stream = body.model, body.is_stream
        stored = None
        if body.previous_response_id is not None:
            stored = await parts.coordinator.responses.find(body.previous_response_id)
            if stored is not None and is_of_another(stored, tenant):
                self._answer.refuse(GatewayFault.UNKNOWN_RESPONSE, body.previous_response_id[:200])
                return None
            view.continued_session = _key_of(stored, tenant)
        found = parts.recognisers.recognise(view)
        recognition = found.recognition
        key: str | None = None
        parent_key: str | None = None
        member = parent = ""
        if recognition is not None:
            key, member, parent = scoped(tenant.name, recognition.key), recognition.member, recognition.parent
            if recognition.parent_key is not None:
                parent_key = scoped(tenant.name, recognition.parent_key)
            record.recognised_by = recognition.by
            record.session = self._shown(recognition.key)
        hold_s = parts.options.max_hold_s
        if timeout_s is not None:
            hold_s = min(hold_s, timeout_s * WAIT_SHARE)
        until = parts.clock() + hold_s
        chain = await in_turns(chain_in_steps(view))
        is_blind = key is None and (chain is None or found.prompt_role is PromptRole.NEVER)
        hint = parts.recognisers.hint(view)
        return Arrival(
            key=key,
            member=member,
            parent=parent,
            parent_key=parent_key,
            hint=None if hint is None else scoped(tenant.name, hint),
            chain=chain,
            model=body.model,
            body_bytes=len(view.body),
            hold_s=hold_s,
            home=None if stored is None else stored.engine,
            fingerprint=fingerprint_of(view) if is_blind else None,
            prompt_role=found.prompt_role,
            tenant=tenant.name,
            weight=tenant.weight,
            priority=tenant.priority,
            max_active=tenant.max_active,
            max_waiting=tenant.max_waiting,
        ), until

    async def _attempt(self, arrival: Arrival, *, is_last: bool = False) -> tuple[str, Setback | None]:
        """Wait for admission and pass the request on. Returns the engine, and why it did not answer."""
        ticket = self._parts.coordinator.arrive(arrival)
        attempt = Attempt(arrived_at=ticket.arrived_at, session_key=ticket.session.key)
        self._record.attempts.append(attempt)
        setback = None
        try:
            if ticket.outcome is None:
                self._view.forget_values()
                interval_s = self._parts.options.keepalive_comments_s if self._record.is_stream else 0.0
                while not await self._parts.coordinator.wait(ticket, timeout_s=interval_s or None):
                    self._keep_alive(ticket)
            self._report_wait(ticket, attempt)
            if ticket.outcome is Outcome.ADMITTED:
                self._admitted = ticket
                if is_last:
                    await self._until_known(ticket.engine)
                setback = await self._hop.generate(
                    attempt, ticket.engine, None if ticket.session.one_shot else ticket.session.key
                )
            else:
                self._refuse(ticket)
        except BaseException as error:
            attempt.failure = attempt.failure or failure_of(error)
            raise
        finally:
            self._settle(ticket, attempt)
        return ticket.engine, setback

    def _keep_alive(self, ticket: Ticket) -> None:
        """Send a comment to the client of a stream that waits."""
        position, wait_s = self._parts.coordinator.expected_wait(ticket)
        with_chunks = self._parts.options.keepalive_chunks
        self._answer.keep_alive(position=position, expected_wait_s=wait_s, with_chunks=with_chunks)

    async def _until_known(self, engine: str) -> None:
        """Wait until this gateway knows an engine that the leader of several gateways has chosen. Each of them asks for
        the engines behind a host name at its own times.
        """
        tries = 0
        while engine not in self._parts.monitors and tries < KNOWN_TRIES:
            tries += 1
            await asyncio.sleep(KNOWN_EVERY_S)

    def _report_wait(self, ticket: Ticket, attempt: Attempt) -> None:
        """Report how the wait has ended, also to the client."""
        decided_at = ticket.decided_at
        if attempt is self._record.attempts[0]:
            if (ticket.recognised_by or self._record.session is None) and not ticket.session.one_shot:
                self._record.session = self._shown(ticket.session.key)
            self._record.recognised_by = ticket.recognised_by or self._record.recognised_by
            for hear in self._parts.events.recognised:
                hear(self._record)
        attempt.engine, attempt.outcome = ticket.engine, ticket.outcome or Outcome.CLIENT_GONE
        attempt.session_key, attempt.member = ticket.session.key, ticket.member.name
        attempt.wait_s = (self._parts.clock() if decided_at is None else decided_at) - ticket.arrived_at
        for hear in self._parts.events.waited:
            hear(self._record)
        if self._parts.options.tell_clients:
            self._answer.add_header(WAIT_HEADER, b"%.3f" % attempt.wait_s)
            state = ticket.found.value.encode() if self._record.recognised_by else UNRECOGNISED
            self._answer.add_header(SESSION_STATE_HEADER, state)

    def _shown(self, key: str) -> str:
        """The session's name for log lines and traces."""
        return shown_session(key, hashed=self._parts.options.hash_sessions)

    def _refuse(self, ticket: Ticket) -> None:
        outcome = cast("Outcome", ticket.outcome)
        position, wait_s = self._parts.coordinator.expected_wait(ticket)
        retry_after_s = wait_s if outcome is not Outcome.DRAINING else None
        detail = f"place {position} in the queue" if outcome is Outcome.HOLD_TIMEOUT else ""
        self._answer.refuse(FAULTS[outcome], detail, retry_after_s=retry_after_s)

    def _settle(self, ticket: Ticket, attempt: Attempt) -> None:
        """Give the place up and account for what the answer cost."""
        attempt.ended_at = self._parts.clock()
        usage, first, decided_at = attempt.usage, attempt.first_token_at, ticket.decided_at
        answered = Answered(
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            completion_tokens=None if usage is None else usage.completion_tokens,
            cached_tokens=None if usage is None else usage.cached_tokens,
            first_token_s=None if first is None or decided_at is None else first - decided_at,
            client_gone=self._client.is_gone,
            refused=attempt.status in REFUSED,
        )
        self._parts.coordinator.finish(ticket, answered)
        if attempt.outcome is None:  # the client has left while its request waited
            self._report_wait(ticket, attempt)


def _key_of(stored: StoredResponse | None, tenant: Tenant) -> str | None:
    """The key of the session that a stored response belongs to; None if it is not known or another tenant's."""
    if stored is None or stored.session is None:
        return None
    owner, key = split_name(stored.session)
    return key if owner == tenant.name else None
