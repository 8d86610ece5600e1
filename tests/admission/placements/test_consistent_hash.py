from collections import Counter

from concur_proxy.admission.placements.consistent_hash import ConsistentHash
from tests.admission.gates import Scene

KEYS = [f"agent-{number}" for number in range(2_000)]
GATES = [Scene(engine=f"http://gpu{number}:8000").gate for number in range(4)]


def _homes(numbers: list[int]) -> dict[str, str]:
    gates = [GATES[number] for number in numbers]
    return {key: ConsistentHash().choose(gates, key=key, tokens=0.0).engine for key in KEYS}


def test_a_key_has_its_engine_whatever_the_engines_order() -> None:
    assert _homes([0, 1, 2, 3]) == _homes([2, 0, 3, 1])


def test_keys_spread_evenly() -> None:
    counts = Counter(_homes([0, 1, 2, 3]).values())
    assert len(counts) == 4
    assert all(400 < count < 600 for count in counts.values())


def test_only_the_sessions_of_an_engine_that_goes_move_and_they_spread_over_all_others() -> None:
    before, after = _homes([0, 1, 2, 3]), _homes([0, 1, 3])
    moved = {key for key in KEYS if before[key] != after[key]}
    assert moved == {key for key in KEYS if before[key] == GATES[2].engine}
    assert all(120 < count < 210 for count in Counter(after[key] for key in moved).values())
