"""The way of a request from its bytes to its session, as the relay goes it."""

import json
from dataclasses import dataclass, field
from typing import Any

from concur_proxy import plugins
from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS, RecogniserChain, RecogniserOptions
from concur_proxy.recognition.segments import chain_of
from concur_proxy.wire.request.view import RequestReader


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A generating request of a client."""

    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any]


class Gateway:
    """Recognisers, chain and fleet, with one engine."""

    def __init__(self, window: float = float("inf")) -> None:
        def gate(engine: str, numbers: Numbers) -> SessionGate:
            options = GateOptions()
            return SessionGate(options=options, lease=FixedLease(1e9), window=window, engine=engine, numbers=numbers)

        self.fleet = Fleet(engines=["e"], make_gate=gate)
        self.gate = self.fleet.gates["e"]
        options = RecogniserOptions()
        self.recognisers = RecogniserChain(
            plugins.build(plugins.RECOGNISERS, name, options) for name in DEFAULT_RECOGNISERS
        )
        self._reader = RequestReader(body_fields=self.recognisers.body_fields)
        self._answers: dict[str, str] = {}
        """The session of each stored answer."""
        self.now = 0.0

    def ask(self, request: Request) -> Ticket:
        """A request arrives."""
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        view = self._reader.view("POST", request.path.encode(), request.path, headers)
        view.body = json.dumps(request.body).encode()
        view.continued_session = self._answers.get(view.json.previous_response_id or "")
        recognised = self.recognisers.recognise(view)
        found = recognised.recognition
        assert view.fault is None
        arrival = Arrival(
            key=None if found is None else found.key,
            member="" if found is None else found.member,
            parent="" if found is None else found.parent,
            parent_key=None if found is None else found.parent_key,
            prompt_role=recognised.prompt_role,
            hint=self.recognisers.hint(view),
            chain=chain_of(view),
            model=view.json.model,
            body_bytes=len(view.body),
            hold_s=1e6,
        )
        ticket, _ = self.fleet.arrive(arrival, now=self.now)
        ticket.recognised_by = ticket.recognised_by or ("" if found is None else found.by)
        return ticket

    def answer(self, ticket: Ticket, *, prompt: int, completion: int, answer_id: str | None = None) -> None:
        """The answer has ended."""
        if answer_id is not None:
            self._answers[answer_id] = ticket.session.key
        self.now += 0.001
        answered = Answered(prompt_tokens=prompt, completion_tokens=completion, first_token_s=0.1)
        self.fleet.finish(ticket, answered, now=self.now)

    def fail(self, ticket: Ticket) -> None:
        """The client has left before the end of the answer."""
        self.fleet.finish(ticket, Answered(client_gone=True), now=self.now)
