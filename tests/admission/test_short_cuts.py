"""What is skipped in a turn where nobody waits changes no decision."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.ticket import Ticket
from concur_proxy.recognition import conversations
from tests.admission.fleets import FleetScene
from tests.recognition.chains import chain

ANSWERED = Answered(prompt_tokens=100, completion_tokens=10, cached_tokens=50, first_token_s=0.1)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["turn", "turn", "turn", "again", "edit", "side", "end"]),
        st.integers(0, 2),
        st.integers(0, 3),
        st.floats(0.0, 8.0),
    ),
    max_size=40,
)


class Script:
    """Plays events on a fleet, and notes what it decides."""

    def __init__(self, events: list[tuple[str, int, int, float]], window: float) -> None:
        self.scene = FleetScene("e", windows={"e": window})
        self.words: dict[int, list[str]] = {agent: ["tools", "task"] for agent in range(3)}
        self.open: list[Ticket] = []
        self.seen: list[object] = []
        for what, agent, pick, seconds in events:
            self.note(self.scene.pass_time(seconds))
            self.play(what, agent, pick)
            self.seen.append((self.scene.fleet.next_deadline(), self.scene.fleet.gates["e"].snapshot()))

    def play(self, what: str, agent: int, pick: int) -> None:
        words = self.words[agent]
        if what == "end":
            if self.open:
                self.note(self.scene.fleet.finish(self.open.pop(pick % len(self.open)), ANSWERED, now=self.scene.now))
            return
        if what == "turn":
            words += [f"{agent} {len(words)}", f"result {pick}"]
        elif what == "edit":
            words[-1] = f"edited {pick}"
        sent = ["tools", f"side {pick}"] if what == "side" else words
        arrival = Arrival(key=f"s{agent}", chain=chain(*sent), model="m", body_bytes=100, hold_s=20.0)
        ticket, decided = self.scene.fleet.arrive(arrival, now=self.scene.now)
        self.open.append(ticket)
        self.seen.append((ticket.session.key, ticket.member.name, ticket.member.parent, ticket.found, ticket.outcome))
        self.note(decided)

    def note(self, decided: list[Ticket]) -> None:
        self.seen.append([(ticket.number, ticket.outcome) for ticket in decided])


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.sampled_from([1.0, 2.0, 100.0]))
def test_a_conversation_that_goes_on_is_found_as_by_the_whole_search(
    events: list[tuple[str, int, int, float]], window: float
) -> None:
    short = Script(events, window)
    with patch.object(conversations, "_goes_on", return_value=None):
        whole = Script(events, window)
    assert short.seen == whole.seen


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.sampled_from([1.0, 2.0, 100.0]))
def test_an_empty_queue_is_filled_as_one_that_is_looked_at(
    events: list[tuple[str, int, int, float]], window: float
) -> None:
    short = Script(events, window)
    with patch("concur_proxy.admission.bounded.Bounded.nobody_waits", return_value=False):
        whole = Script(events, window)
    assert short.seen == whole.seen


def test_the_short_cut_is_taken_by_a_turn_of_an_agent() -> None:
    script = Script([("turn", 0, 0, 0.0), ("end", 0, 0, 1.0)], 100.0)
    with patch.object(conversations.Conversations, "_member_of", side_effect=AssertionError):
        script.play("turn", 0, 1)
    assert script.open[-1].member.name == ""
