from concur_proxy.admission.placements.least_pressure import LeastPressure
from tests.admission.gates import Scene


def test_a_gate_with_room_is_preferred_to_a_shorter_line_or_fewer_tokens() -> None:
    full, roomy = Scene(window=1.0, engine="full"), Scene(window=3.0, engine="roomy")
    full.arrive("a", tokens=1)
    roomy.arrive("b", tokens=500)
    roomy.arrive("c", tokens=500)
    assert LeastPressure().choose([full.gate, roomy.gate], key="k", tokens=0.0) is roomy.gate


def test_of_full_gates_the_one_with_the_shortest_line_is_chosen() -> None:
    long, short = Scene(window=1.0), Scene(window=1.0)
    for key in "abc":
        long.arrive(key)
    for key in "de":
        short.arrive(key, tokens=500)
    assert LeastPressure().choose([long.gate, short.gate], key="k", tokens=0.0) is short.gate


def test_of_equal_lines_the_least_cache_spoken_for_decides_then_the_fewest_sessions() -> None:
    heavy, light, empty = Scene(window=9.0), Scene(window=9.0), Scene(window=9.0)
    heavy.arrive("a", tokens=100)
    light.arrive("b", tokens=50)
    assert LeastPressure().choose([heavy.gate, light.gate], key="k", tokens=0.0) is light.gate
    light.gate.end("b", now=0.0)
    one = Scene(window=9.0)
    one.arrive("c")
    assert LeastPressure().choose([one.gate, empty.gate], key="k", tokens=0.0) is empty.gate


def test_of_equals_the_first_is_chosen() -> None:
    gates = [Scene().gate, Scene().gate]
    assert LeastPressure().choose(gates, key="k", tokens=0.0) is gates[0]
