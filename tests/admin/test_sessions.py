"""Lists of sessions: filters, pages and words."""

import pytest

from concur_proxy.admin.session_schema import SessionFilter, SessionList
from concur_proxy.admin.sessions import SessionLister
from concur_proxy.admission.arrival import Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.manual import Steering
from concur_proxy.admission.session import Session
from concur_proxy.recognition.tenants import scoped
from concur_proxy.recognition.whereabouts import Whereabouts
from tests.admission.gates import HOLD_S, Scene


def arrive(gate: SessionGate, tenant: str, key: str, member: str = "") -> None:
    name = scoped(tenant, key)
    arrival = Arrival(key=name, body_bytes=10, hold_s=HOLD_S, tenant=tenant)
    gate.arrive(Whereabouts(session=name, member=member), arrival, now=0.0)


@pytest.fixture(name="scene")
def _scene() -> Scene:
    """Nine sessions of two tenants. The first three have places, one of them a sub-agent. The last one is paused."""
    scene = Scene(window=3)
    gate = scene.gate
    for number in range(9):
        arrive(gate, ("red", "blue")[number % 2], f"agent-{number}")
    arrive(gate, "red", "agent-0", member="Explore")
    session = gate.sessions.get(scoped("red", "agent-8"))
    assert session is not None
    gate.steer(session, Steering.PAUSE, now=0.0)
    return scene


def listed(scene: Scene, **wanted: object) -> SessionList:
    page = SessionLister(gates=lambda: [scene.gate], clock=lambda: 7.0).page(SessionFilter.model_validate(wanted))
    assert page is not None
    return page


def test_states_are_counted_in_plain_words(scene: Scene) -> None:
    page = listed(scene)
    assert (page.total, page.found, page.page, page.pages) == (len(page.sessions), len(page.sessions), 1, 1)
    assert page.counts.model_dump() == {"running": 3, "between_turns": 0, "waiting": 5, "idle": 0, "paused": 1}
    texts = [row.text for row in page.sessions]
    assert texts[:3] == ["running"] * 3
    assert texts[3].startswith("waiting (place 1, about ")
    assert texts[-1] == "paused by an operator"
    assert page.sessions[3].wait_s == 7


def test_a_session_between_turns_and_an_idle_one() -> None:
    scene = Scene(window=1, lease=None)
    ticket = scene.arrive("a")
    scene.finish(ticket, prompt=10, completion=5)
    assert [(row.text, row.situation) for row in listed(scene).sessions] == [("between turns", "between_turns")]
    scene.now = 20.0
    scene.arrive("b")  # the lease of the other one has ended
    assert [(row.name, row.text, row.situation) for row in listed(scene).sessions] == [
        ("b", "running", "running"),
        ("a", "idle", "idle"),
    ]


def test_search_state_and_tenant_narrow_the_list(scene: Scene) -> None:
    assert [row.name for row in listed(scene, search="AGENT-3").sessions] == ["agent-3"]
    assert [row.name for row in listed(scene, search="explore").sessions] == ["agent-0"], "by a sub-agent's name"
    assert {row.tenant for row in listed(scene, tenant="blue").sessions} == {"blue"}
    running = listed(scene, state="running", tenant="red")
    assert [row.name for row in running.sessions] == ["agent-0", "agent-2"]
    assert (running.found, running.counts.waiting, running.counts.paused) == (2, 2, 1)
    assert listed(scene, search="nobody").sessions == []


def test_a_search_is_for_names_as_they_are_shown() -> None:
    scene = Scene(window=9)
    for name in ("\0 7", "left\0right", scoped("team", "key")):
        scene.arrive(name)
    assert listed(scene, search="without a session").found == 1
    assert [row.name for row in listed(scene, search="Left · R").sessions] == ["left · right"]
    assert [row.name for row in listed(scene, search="KEY").sessions] == ["key"]
    assert listed(scene, search="team").found == 0, "a tenant is no part of the name"


def test_pages_end_at_the_last_one(scene: Scene) -> None:
    first, second, beyond = (listed(scene, rows=5, page=page) for page in (1, 2, 9))
    assert (first.pages, len(first.sessions), len(second.sessions)) == (2, 5, 4)
    assert beyond == second
    assert beyond.page == 2
    names = [row.name for row in (*first.sessions, *second.sessions)]
    assert sorted(names) == [f"agent-{number}" for number in range(9)]


def test_a_family_is_listed_with_its_main_agent_first(scene: Scene) -> None:
    rows = {row.name: row for row in listed(scene).sessions}
    assert [(member.name, member.busy) for member in rows["agent-0"].members] == [("", 1), ("Explore", 1)]
    assert (rows["agent-1"].members_total, rows["agent-1"].members) == (1, [])


def test_only_the_rows_of_the_page_are_described(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    place_of = scene.gate.place_of

    def counted(session: Session) -> int | None:
        asked.append(session)
        return place_of(session)

    monkeypatch.setattr(scene.gate, "place_of", counted)
    listed(scene, rows=2)
    assert len(asked) == 2


def test_an_unknown_session_is_not_an_empty_list(scene: Scene) -> None:
    lister = SessionLister(gates=lambda: [scene.gate], clock=lambda: 0.0)
    assert lister.page(SessionFilter.model_validate({"session_id": "nobody"})) is None
    found = lister.page(SessionFilter.model_validate({"session_id": "agent-1"}))
    assert found is not None
    assert [row.tenant for row in found.sessions] == ["blue"]
