"""How many conversations a fleet remembers."""

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.family import MOST_LIVE
from concur_proxy.admission.fleet import Fleet
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.gate_state import GateOptions
from concur_proxy.admission.lease import FixedLease
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.session import SessionState
from concur_proxy.admission.ticket import Ticket
from tests.recognition.chains import chain

LEASE_S = 5.0
MOST = 20


class Crowd:
    """A fleet that remembers `MOST` conversations, and a clock."""

    def __init__(self, *engines: str, window: float = 1_000.0) -> None:
        def gate(engine: str, numbers: Numbers) -> SessionGate:
            options = GateOptions(session_ttl_s=1e9)
            return SessionGate(
                options=options, lease=FixedLease(LEASE_S), window=window, engine=engine, numbers=numbers
            )

        self.fleet = Fleet(engines=engines or ["e"], make_gate=gate, most_conversations=MOST)
        self.now = 0.0

    def ask(self, *words: str, key: str | None = None, member: str = "") -> Ticket:
        self.now += 0.01
        prompt = chain(*words) if words else None
        return self.fleet.arrive(Arrival(key=key, member=member, chain=prompt, hold_s=1e9), now=self.now)[0]

    def finish(self, ticket: Ticket, **answered: bool) -> None:
        self.fleet.finish(ticket, Answered(first_token_s=0.1, **answered), now=self.now)

    def turn(self, *words: str, key: str | None = None, member: str = "") -> str:
        ticket = self.ask(*words, key=key, member=member)
        self.finish(ticket)
        return ticket.session.key

    @property
    def known(self) -> set[str]:
        return {session.key for gate in self.fleet.gates.values() for session in gate.sessions}


@pytest.mark.parametrize("engines", [["e"], ["e", "f", "g"]])
def test_a_flood_of_first_prompts_leaves_the_newest_conversations(engines: list[str]) -> None:
    crowd = Crowd(*engines)
    names = []
    for number in range(50 * MOST):
        names.append(crowd.turn("s", str(number)))
        crowd.now += LEASE_S
        assert len(crowd.known) <= MOST + 1
    assert crowd.known >= set(names[2 - MOST :])
    ended = sum(gate.counters["end", "memory"] for gate in crowd.fleet.gates.values())
    assert ended == 50 * MOST - len(crowd.known)


def test_none_is_forgotten_that_waits_or_is_in_flight_or_has_a_lease() -> None:
    crowd = Crowd(window=3 * MOST)
    running = [crowd.ask("s", f"running {number}") for number in range(MOST)]
    idle = [crowd.turn("s", f"idle {number}") for number in range(2 * MOST)]
    waiting = [crowd.ask("s", f"waiting {number}") for number in range(MOST)]
    assert crowd.known == {ticket.session.key for ticket in (*running, *waiting)} | set(idle)


def test_those_without_a_place_are_forgotten_before_those_whose_lease_has_ended() -> None:
    crowd = Crowd()
    gone, kept = crowd.ask("s", "gone"), [crowd.turn("s", f"kept {number}") for number in range(MOST - 2)]
    crowd.finish(gone, client_gone=True)
    crowd.now += 2 * LEASE_S
    crowd.turn("s", "new")
    crowd.turn("s", "newer")
    assert gone.session.key not in crowd.known
    assert crowd.known >= set(kept)
    crowd.turn("s", "newest")
    assert crowd.known >= set(kept[1:])
    assert kept[0] not in crowd.known


def test_of_several_engines_the_longest_idle_session_is_forgotten() -> None:
    crowd = Crowd("e", "f")
    names = [crowd.turn("s", str(number)) for number in range(MOST)]
    crowd.now += 2 * LEASE_S
    for number in range(MOST):
        crowd.turn("t", str(number))
        assert crowd.known.isdisjoint(names[: number + 1])
        assert crowd.known >= set(names[number + 1 :])


def test_of_several_engines_those_without_a_place_are_forgotten_first_however_short_they_have_been_idle() -> None:
    crowd = Crowd("e", "f")
    kept = [crowd.turn("s", f"kept {number}") for number in range(MOST - 1)]
    gone = crowd.ask("s", "gone")
    crowd.now += 2 * LEASE_S
    crowd.finish(gone, client_gone=True)
    assert gone.session.state is SessionState.PAUSED
    crowd.ask("s", "new")
    assert crowd.known >= set(kept)
    assert gone.session.key not in crowd.known


def test_sub_agents_count_and_so_do_prompts_that_cannot_be_read() -> None:
    crowd = Crowd()
    for number in range(MOST):
        for member in ("", "a", "b", "c"):
            crowd.turn(key=f"family {number}", member=member)
        crowd.now += 2 * LEASE_S
    assert len(crowd.known) == MOST // 4


def test_fewer_long_conversations_are_remembered() -> None:
    crowd = Crowd()
    for number in range(MOST):
        crowd.turn(*(f"{number} {segment}" for segment in range(1_000)))
        crowd.now += 2 * LEASE_S
    assert 2 <= len(crowd.known) <= MOST * 4_096 // 12_000


def test_a_family_cannot_grow_without_end() -> None:
    crowd = Crowd()
    running = [crowd.ask("s", f"running {number}", key="family", member=f"running {number}") for number in range(10)]
    for number in range(3 * MOST_LIVE):
        crowd.turn("s", str(number), key="family", member=str(number))
    members = running[0].session.members
    assert len(members) == MOST_LIVE
    assert members.keys() >= {"running 0", "running 9", str(3 * MOST_LIVE - 1)}
    assert "0" not in members
