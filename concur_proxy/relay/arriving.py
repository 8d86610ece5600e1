"""Reads a request that is to be admitted: what the gate must know about it."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.coordination.responses import StoredResponse
from concur_proxy.recognition.segments import chain_in_steps, fingerprint_of
from concur_proxy.recognition.tenants import Tenant, scoped, split_name
from concur_proxy.recognition.whereabouts import PromptRole
from concur_proxy.relay.client import ClientAnswer
from concur_proxy.relay.parts import RelayParts
from concur_proxy.relay.passing import is_of_another
from concur_proxy.telemetry.events import RequestRecord, shown_session
from concur_proxy.turns import in_turns
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.request.view import RequestView

WAIT_SHARE = 0.9
"""Part of a client's own timeout after which its wait ends, so that the client still gets an error that it can handle.
"""


async def read_arrival(
    parts: RelayParts, tenant: Tenant, view: RequestView, record: RequestRecord, answer: ClientAnswer
) -> tuple[Arrival, float] | None:
    """Read the request and find its session. Returns what the gate must know, and until when the request may wait;
    None if it was refused.
    """
    await in_turns(view.read_in_steps())
    body, timeout_s = view.json, view.client_timeout_s
    if view.fault is not None:
        answer.refuse(view.fault.fault, view.fault.detail)
        return None
    record.model, record.is_stream = body.model, body.is_stream
    stored = None
    if body.previous_response_id is not None:
        stored = await parts.coordinator.responses.find(body.previous_response_id)
        if stored is not None and is_of_another(stored, tenant):
            answer.refuse(GatewayFault.UNKNOWN_RESPONSE, body.previous_response_id[:200])
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
        record.session = shown_session(recognition.key, hashed=parts.options.hash_sessions)
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


def _key_of(stored: StoredResponse | None, tenant: Tenant) -> str | None:
    """The key of the session that a stored response belongs to; None if it is not known or another tenant's."""
    if stored is None or stored.session is None:
        return None
    owner, key = split_name(stored.session)
    return key if owner == tenant.name else None
