from dataclasses import replace

from tests.real_clients.clients import CLIENTS
from tests.real_clients.helped import HELPED
from tests.real_clients.report import Request, Row, table

REQUESTS = [
    Request(agent=agent, number=number, session=agent, by="headers", status=200)
    for agent in ("a", "b")
    for number in range(1, 5)
]


def test_a_helped_client_must_have_ended_each_session() -> None:
    row = Row(HELPED[0], version="1", requests=REQUESTS, turns=4, ended=["a", "b"])
    assert row.is_right
    assert table([row]).splitlines()[-1].endswith("| 2 of 2 |")
    row = Row(HELPED[0], version="1", requests=REQUESTS, turns=4, ended=["b"])
    assert row.faults == ["a has not ended its session"]
    assert "| 1 of 2 |" in table([row])


def test_other_clients_need_not_end_their_sessions() -> None:
    named = replace(CLIENTS[0], recognised_by="headers")
    row = Row(named, version="1", requests=REQUESTS, turns=4)
    assert row.is_right
    assert "Session ended" not in table([row])
