"""The contract of every placement. A new file in `admission/placements` is tested automatically."""

import pytest

from concur_proxy import plugins
from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.placement import Placement
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.settings.gateway import GatewaySettings
from tests.admission.gates import Scene

OUTSIDE = "tests.contracts.outside_placement:build"


@pytest.fixture(params=[*plugins.available(plugins.PLACEMENTS), OUTSIDE])
def placement(request: pytest.FixtureRequest) -> Placement:
    return plugins.load(plugins.PLACEMENTS, str(request.param))()


def test_it_chooses_one_of_the_gates_and_the_same_while_nothing_changes(placement: Placement) -> None:
    gates = [Scene(engine=engine).gate for engine in "abc"]
    for key in ("x", "y", "\0 7", "\ud800"):
        for tokens in (0.0, 1e9):
            chosen = placement.choose(gates, key=key, tokens=tokens)
            assert chosen in gates
            assert placement.choose(gates, key=key, tokens=tokens) is chosen


def test_of_one_gate_it_chooses_that(placement: Placement) -> None:
    scene = Scene(window=1.0)
    scene.arrive("other")
    gate = scene.gate
    assert placement.choose([gate], key="x", tokens=1.0) is gate


def test_it_changes_no_gate(placement: Placement) -> None:
    scene = Scene(window=1.0)
    scene.idle("a")
    before = scene.gate.snapshot()
    placement.choose([scene.gate, Scene().gate], key="x", tokens=1.0)
    assert scene.gate.snapshot() == before


def test_a_placement_of_another_package_places_the_sessions() -> None:
    settings = GatewaySettings(engine=("http://127.0.0.1:1", "http://127.0.0.1:2"), placement=OUTSIDE)  # type: ignore[call-arg]
    fleet = EnginePool(settings, KnownKinds(()), lambda: 0.0).make_fleet(0)
    tickets = [fleet.arrive(Arrival(key=key), now=0.0)[0] for key in "abc"]
    assert [ticket.engine for ticket in tickets] == ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:1"]
