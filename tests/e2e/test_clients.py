"""The loops of SDKs that are installed here, as `python -m tests.real_clients` runs them and many more."""

import sys
from dataclasses import replace

import pytest

from tests.real_clients.clients import CLIENTS
from tests.real_clients.install import Installed
from tests.real_clients.real_clients import main
from tests.real_clients.report import NOT_HERE
from tests.real_clients.run import run_client

BY_NAME = {client.name: client for client in CLIENTS}


@pytest.mark.timeout(300)  # six interpreters import an SDK
@pytest.mark.parametrize("name", ["openai", "anthropic-thread"])
async def test_each_agent_is_one_session(name: str) -> None:
    client = BY_NAME[name]
    module, *arguments = client.loop
    installed = Installed((sys.executable, "-m", f"tests.real_clients.loops.{module}", *arguments), "/usr/bin", "")
    row = await run_client(client, installed, 4, None, with_trouble=False)
    assert row.faults == []
    assert {len(requests) for requests in row.of_agents.values()} == {4}
    by_other_means = replace(client, recognised_by="something else")
    row.client = by_other_means
    assert row.faults == [f"recognised by {client.recognised_by}"]


def test_a_client_that_no_registry_has_is_a_row_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "roo-code"])
    assert (
        f"| Roo Code | - | {NOT_HERE}: {BY_NAME['roo-code'].missing} | - | - | - | - | - |" in capsys.readouterr().out
    )
