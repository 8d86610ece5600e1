"""A change of the leader among gateways: clients go on between any two steps of the new leader."""

import logging

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import EndSession
from concur_proxy.admission.outcome import Outcome
from concur_proxy.admission.ticket import Ticket
from concur_proxy.coordination.protocol import early, leader
from tests.properties.gateways import LEASE_S, TTL_S, Gateway, Group
from tests.properties.ledger import recount

KEYS = "abcdefgh"
WHICH = st.integers(0, 1_000)
SOME = st.integers(1, 6)


class TakeoverMachine(RuleBasedStateMachine):
    """Three gateways. The leader ends, or hands over; others end too. Time can pass, or jump, at any moment."""

    @initialize(window=st.sampled_from([2.0, 12.0]), at_once=st.sampled_from([1, 32]), arrivals=st.integers(6, 24))
    def open(self, window: float, at_once: int, arrivals: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # each change of the leader logs lines
        for module in (early, leader):
            self.patch.setattr(module, "MOST_AT_ONCE", at_once)
        self.group = Group(3, window=window)
        self.group.settle()
        for number in range(arrivals):
            self.arrive(number, KEYS[number % len(KEYS)], 10_000.0)
        self.group.settle()

    # -- what clients do

    @rule(which=WHICH, key=st.none() | st.sampled_from(KEYS), hold=st.sampled_from([3.0, 10_000.0]))
    def arrive(self, which: int, key: str | None, hold: float) -> None:
        member = self.group[which].member
        _, message = member.replica.arrive(Arrival(key=key, body_bytes=40, hold_s=hold), now=self.group.now)
        member.say(message)

    @rule(which=WHICH, whose=WHICH, requests=SOME, gone=st.booleans())
    def finish(self, which: int, whose: int, requests: int, *, gone: bool) -> None:
        gateway = self.group[whose]
        for _ in range(requests):
            if running := gateway.member.replica.released:
                self._finish(gateway, running[which % len(running)], gone=gone)

    @rule(which=WHICH, whose=WHICH, requests=SOME)
    def leave(self, which: int, whose: int, requests: int) -> None:
        gateway = self.group[whose]
        for _ in range(requests):
            if waiting := gateway.member.replica.held:
                gateway.member.refuse(waiting[which % len(waiting)], Outcome.CLIENT_GONE)

    @rule(which=WHICH, key=st.sampled_from(KEYS))
    def end(self, which: int, key: str) -> None:
        member = self.group[which].member
        member.replica.forget(key)
        member.say(EndSession(key=key))

    # -- what the network and time do

    @rule(which=WHICH, messages=SOME)
    def tell_a_follower(self, which: int, messages: int) -> None:
        for _ in range(messages):
            self.group.tell_follower(self.group[which])

    @rule(which=WHICH, messages=SOME)
    def tell_the_leader(self, which: int, messages: int) -> None:
        for _ in range(messages):
            self.group.tell_leader(which)

    @rule()
    def deliver_all(self) -> None:
        self.group.deliver_all()

    @rule()
    def all_agree_in_the_end(self) -> None:
        self.group.settle()
        present = self.group.leader
        assert present is not None
        for gateway in self.group:
            known, replica = present.member.leader.tickets_of(gateway.me), gateway.member.replica
            assert len(known) == len(replica)
            assert sum(ticket.is_held for ticket in known) == len(replica.held)

    @rule(seconds=st.sampled_from([0.0, 0.1, 2.0, 5.0, 20_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.group.time_passes(seconds)

    @rule()
    def keep(self) -> None:
        self.group.keep()

    # -- who leads

    @precondition(lambda self: self.group.leader is None and not self.group.is_taken_over)
    @rule(which=WHICH)
    def one_begins_to_lead(self, which: int) -> None:
        self.group.begin_to_lead(which)

    @precondition(lambda self: self.group.is_taken_over)
    @rule(steps=SOME)
    def it_takes_steps(self, steps: int) -> None:
        for _ in range(steps):
            self.group.take_step()

    @precondition(lambda self: self.group.leader is not None)
    @rule()
    def all_follow(self) -> None:
        self.group.all_follow()

    @rule(which=WHICH)
    def one_follows(self, which: int) -> None:
        self.group.follow(self.group[which])

    @rule(hands_over=st.booleans(), clients=st.integers(0, 3), settles=st.booleans())
    def another_leads_at_once(self, clients: int, *, hands_over: bool, settles: bool) -> None:
        """Some clients of each gateway get their answer or leave before the new leader has received anything."""
        if hands_over:
            self.group.hand_over()
        elif (present := self.group.leader) is not None:
            self.group.end(present)
        self.group.find_leader()
        self.group.all_follow()
        for whose in range(len(self.group.gateways)) if clients else ():
            self.finish(-1, whose, clients, gone=False)
            self.leave(-1, whose, clients)
        if settles:
            self.all_agree_in_the_end()

    @rule()
    def the_leader_hands_over(self) -> None:
        self.group.hand_over()

    # -- what goes wrong

    @rule(which=WHICH)
    def a_connection_is_cut(self, which: int) -> None:
        if (wire := self.group[which].wire) is not None:
            wire.is_cut = True

    @precondition(lambda self: self.group.leader is not None)
    @rule(is_noticed=st.booleans())
    def the_leader_ends(self, *, is_noticed: bool) -> None:
        if (present := self.group.leader) is not None:
            self.group.end(present)
        if is_noticed:
            self.group.deliver_all()

    @rule(which=WHICH)
    def a_gateway_ends(self, which: int) -> None:
        self.group.end(self.group[which])

    # -- invariants

    @invariant()
    def one_leads_and_counts_what_it_has_released(self) -> None:
        assert sum(each.leads or each.taking_over is not None for each in self.group) <= 1
        if (present := self.group.leader) is None:
            return
        leading, gates = present.member.leader, present.member.fleet.gates.values()
        known = [ticket for name in leading.replicas for ticket in leading.tickets_of(name)]
        at_engines = sum(ticket.is_in_flight for ticket in (*known, *leading._abandoned))
        assert sum(gate.snapshot().in_flight for gate in gates) == at_engines
        for gate in gates:
            recount(gate)

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            try:
                self._everybody_comes_to_an_end()
            finally:
                self.patch.undo()

    def _everybody_comes_to_an_end(self) -> None:
        group = self.group
        self.all_agree_in_the_end()
        for _ in range(1_000):
            if not any(len(gateway.member.replica) for gateway in group):
                break
            for gateway in group:
                for ticket in gateway.member.replica.released:
                    self._finish(gateway, ticket, gone=False)
            group.now += LEASE_S
            group.settle()
        assert not any(len(gateway.member.replica) for gateway in group), "a request was forgotten"
        group.now += TTL_S + LEASE_S
        group.settle()
        assert group.leader is not None
        for gate in group.leader.member.fleet.gates.values():
            snapshot = gate.snapshot()
            assert (snapshot.in_flight, snapshot.held, snapshot.waiting, gate.active) == (0, 0, 0, 0), "a place leaked"

    def _finish(self, gateway: Gateway, ticket: Ticket, *, gone: bool) -> None:
        answered = Answered(prompt_tokens=100, completion_tokens=10, client_gone=gone)
        message = gateway.member.replica.finish(ticket, answered, now=self.group.now)
        if message is not None:
            gateway.member.say(message)


TestTakeover = TakeoverMachine.TestCase
TestTakeover.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
