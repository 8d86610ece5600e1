from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.numbering import Numbers
from concur_proxy.admission.roster import Roster
from concur_proxy.admission.standings import SLACK, Earliest, Standings
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import Scene


class Stand:
    """Two gates of one place each."""

    def __init__(self) -> None:
        numbers = Numbers()
        self.scenes = {engine: Scene(engine=engine, numbers=numbers) for engine in "ab"}
        self.roster = Roster("ab")
        self.standings = Standings({engine: scene.gate for engine, scene in self.scenes.items()}, self.roster)

    def arrive(self, engine: str, key: str) -> None:
        self.scenes[engine].arrive(key)
        self.standings.touch(engine)

    def asked(self, now: float = 0.0) -> list[str]:
        return [gate.engine for gate in self.standings.to_ask(now)]


def test_nobody_is_asked_while_nobody_new_waits() -> None:
    stand = Stand()
    stand.arrive("a", "x")
    assert stand.asked() == []
    assert stand.standings.longest_waiting_new("b") is None


def test_a_taker_is_asked_once_and_again_only_when_something_has_changed() -> None:
    stand = Stand()
    for engine, key in (("a", "x"), ("b", "y"), ("a", "z")):
        stand.arrive(engine, key)
    gate = stand.standings.longest_waiting_new("b")
    assert (gate and gate.engine, stand.asked(), stand.asked()) == ("a", ["b"], [])
    stand.standings.touch("b")
    assert (stand.asked(), stand.asked()) == (["b"], [])
    stand.arrive("a", "w")  # behind z: the first in the queue is the same
    assert stand.asked() == []


def test_a_taker_is_asked_when_a_lease_has_ended_there() -> None:
    stand = Stand()
    stand.scenes["b"].idle("y")
    for key in "xz":
        stand.arrive("a", key)
    stand.standings.touch("b")
    assert (stand.asked(), stand.asked()) == (["b"], [])
    assert stand.standings.next_deadline() == 5.0
    assert (stand.asked(4.9), stand.asked(5.0)) == ([], ["b"])


def test_engines_that_are_down_or_have_a_line_are_not_asked() -> None:
    stand = Stand()
    for key in "xz":
        stand.arrive("a", key)
    stand.roster.mark_down("b")
    stand.standings.touch("b")
    assert stand.asked() == []
    stand.roster.mark_up("b")
    stand.standings.touch("b")
    assert stand.asked() == ["b"]
    for key in "yw":
        stand.arrive("b", key)
    assert stand.asked() == []


def test_only_gates_with_something_due_are_named() -> None:
    stand = Stand()
    stand.scenes["a"].arrive("x")
    stand.scenes["a"].arrive("z", hold_s=3.0)
    stand.scenes["b"].arrive("y")
    for engine in "ab":
        stand.standings.touch(engine)
    assert stand.standings.next_deadline() == 3.0
    assert stand.standings.due(2.9) == []
    assert [gate.engine for gate in stand.standings.due(3.0)] == ["a"]


def test_an_engine_is_offered_the_eldest_that_it_can_serve() -> None:
    numbers = Numbers()
    scenes = {engine: Scene(engine=engine, numbers=numbers) for engine in "abc"}
    roster = Roster("abc")
    standings = Standings({engine: scene.gate for engine, scene in scenes.items()}, roster)
    for engine, model in (("a", "one"), ("b", "two")):
        for key in "xy":
            scenes[engine].gate.arrive(
                Whereabouts(session=f"{key}{engine}"), Arrival(key=key, hold_s=9.0, model=model), now=0.0
            )
        standings.touch(engine)
    scenes["c"].idle("z")
    standings.touch("c")
    offered = standings.longest_waiting_new("c")
    assert (offered and offered.engine, standings.next_deadline()) == ("a", 5.0)
    roster.serve("a", ["one"])
    roster.serve("c", ["two"])
    offered = standings.longest_waiting_new("c")
    assert (offered and offered.engine, standings.next_deadline()) == ("b", 5.0)
    roster.serve("b", ["two"])
    roster.serve("c", ["three"])
    assert standings.longest_waiting_new("c") is None
    assert standings.next_deadline() == 9.0, "a lease that ends there helps nobody"


KEYS = st.sampled_from("abcdef")
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.integers(0, 9).map(float)), max_size=300)


@given(CHANGES)
def test_the_first_is_the_least_of_all_that_were_put_last(changes: list[tuple[str, float | None]]) -> None:
    earliest = Earliest()
    values: dict[str, float] = {}
    for key, value in changes:
        earliest.put(key, value)
        values = {name: kept for name, kept in values.items() if name != key}
        if value is not None:
            values[key] = value
        assert earliest.first() == min(((kept, name) for name, kept in values.items()), default=None)


@given(CHANGES, st.integers(0, 9))
def test_popping_takes_what_has_come_and_leaves_the_rest(changes: list[tuple[str, float | None]], limit: int) -> None:
    earliest = Earliest()
    for key, value in changes:
        earliest.put(key, value)
    kept = {key: value for key, value in dict(changes).items() if value is not None}
    assert earliest.pop(limit) == {key for key, value in kept.items() if value <= limit}
    rest = [(value, key) for key, value in kept.items() if value > limit]
    assert earliest.first() == min(rest, default=None)
    assert earliest.pop(limit) == set()


def test_outdated_values_do_not_pile_up() -> None:
    earliest = Earliest()
    earliest.put("first", 0.0)
    for number in range(10_000):
        earliest.put("moving", 1.0 + number)
    assert len(earliest._heap) <= 2 * 2 + SLACK + 1
    earliest.put("first", None)
    assert earliest.first() == (10_000.0, "moving")
