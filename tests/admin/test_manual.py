"""Manual settings in one gateway. `tests/admin/test_replicas.py` tests several gateways."""

import logging
import math
import time

import pytest

from concur_proxy.admin.manual import ManualChanges
from concur_proxy.control.law import Budget
from concur_proxy.coordination.coordinator import Listener
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.coordination.protocol.manual import ManualLaw, ManualSettings, ManualWindow
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.monitoring.pool import EnginePool
from concur_proxy.settings.gateway import GatewaySettings

ONE, TWO, THREE = (f"http://127.0.0.1:{port}" for port in (1, 2, 3))
DNS = "http://name:8000"


class Scene:
    """The engine pool and the coordinator of a gateway, and nothing else."""

    def __init__(self) -> None:
        self.pool = EnginePool(GatewaySettings(engine=(ONE, TWO), engine_dns=(DNS,)), KnownKinds(()), time.monotonic)  # type: ignore[call-arg]
        self.coordinator = LocalCoordinator(self.pool.make_fleet(0), time.monotonic)
        self.pool.open(self.coordinator)
        self.manual = ManualChanges(self.pool, self.coordinator)
        self.coordinator.listen(Listener(on_manual=self.manual.apply))
        self.pool.name_servers(DNS, [])


@pytest.fixture(name="scene")
def _scene() -> Scene:
    return Scene()


def test_a_server_of_the_settings_that_is_removed_stays_so_until_it_is_added(scene: Scene) -> None:
    scene.manual.remove(ONE)
    scene.pool.name_servers("settings", [ONE, TWO])
    assert scene.pool.servers == [TWO]
    scene.manual.add(ONE)
    assert scene.pool.servers == [ONE, TWO]
    scene.pool.name_servers("settings", [TWO])
    assert scene.pool.servers == [TWO], "it was added, and is the settings' business again"


def test_an_address_that_comes_back_is_not_held_to_what_was_said_of_another_engine(scene: Scene) -> None:
    scene.pool.name_servers(DNS, [THREE])
    scene.manual.set_window(THREE, ManualWindow(sessions=2.0, budget=None))
    scene.manual.remove(THREE)
    assert THREE not in scene.pool.servers
    scene.pool.name_servers(DNS, [])
    assert scene.coordinator.manual.removed == ()
    scene.pool.name_servers(DNS, [THREE])
    assert THREE in scene.pool.servers
    assert not scene.pool.monitors[THREE].governor.is_manual


def test_an_engine_that_a_person_added_stays_when_no_name_has_it_any_more(scene: Scene) -> None:
    scene.manual.add(THREE)
    scene.manual.set_window(THREE, ManualWindow(sessions=2.0, budget=None))
    scene.pool.name_servers(DNS, [THREE])
    scene.pool.name_servers(DNS, [])
    assert THREE in scene.pool.servers
    assert scene.pool.monitors[THREE].governor.is_manual


def test_what_cannot_be_changes_nothing(scene: Scene) -> None:
    scene.manual.remove(ONE)
    with pytest.raises(ValueError, match="last engine"):
        scene.manual.remove(TWO)
    with pytest.raises(ValueError, match="different ranks"):
        scene.manual.add(f"{TWO}#dp=2")
    with pytest.raises(ValueError, match="no option"):
        scene.manual.set_law(TWO, "static", {"windw": 3})
    assert scene.coordinator.manual.revision == 1
    assert scene.pool.servers == [TWO]


def test_windows_and_laws_are_followed_and_released(scene: Scene) -> None:
    budget = Budget(tokens=5_000.0)
    scene.coordinator.set_manual(
        ManualSettings()
        .with_window(ONE, ManualWindow(sessions=None, budget=budget))
        .with_law(ONE, ManualLaw(name="off", options={}))
        .with_law(TWO, ManualLaw(name="static", options={"window": 3}))
    )
    governor = scene.pool.monitors[ONE].governor
    assert (governor.window, governor.budget, governor.is_manual) == (math.inf, budget, True)
    assert scene.coordinator.fleet.gates[ONE].snapshot().budget_tokens == 5_000.0
    assert not scene.coordinator.fleet.gates[ONE].is_enforcing
    assert scene.pool.laws.named(TWO) == ("static", {"window": 3})
    decisions = sum(scene.pool.monitors[ONE].decisions.values())
    scene.coordinator.set_manual(scene.coordinator.manual)
    assert sum(scene.pool.monitors[ONE].decisions.values()) == decisions, "the same again is nothing new"
    scene.coordinator.set_manual(ManualSettings())
    assert not governor.is_manual
    assert scene.coordinator.fleet.gates[ONE].is_enforcing
    assert scene.pool.laws.named(TWO) == ("tokens", {})


def test_an_engine_that_is_named_later_gets_what_was_set_of_it(scene: Scene) -> None:
    scene.coordinator.set_manual(ManualSettings().with_window(THREE, ManualWindow(sessions=2.0, budget=None)))
    scene.pool.name_servers("settings", [ONE, THREE])
    assert scene.coordinator.fleet.gates[THREE].snapshot().window == 2.0


def test_what_cannot_be_followed_here_is_logged_once_and_the_rest_is_followed(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    manual = (
        ManualSettings(removed=(ONE, TWO))
        .with_law(ONE, ManualLaw(name="plug-in", options={}))
        .with_window(TWO, ManualWindow(sessions=2.0, budget=None))
    )
    for _ in range(3):
        scene.coordinator.set_manual(manual)
    assert scene.pool.servers == [ONE, TWO]
    assert scene.coordinator.fleet.gates[TWO].snapshot().window == 2.0
    assert len(caplog.records) == 1
