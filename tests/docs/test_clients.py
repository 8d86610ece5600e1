"""The guide has a row for each client, and says what was measured or that nothing was."""

import pytest

from tests.docs.client_rows import expected_row, row_of
from tests.docs.words import REPOSITORY
from tests.real_clients.clients import CLIENTS, Client

GUIDE = REPOSITORY / "deploy/docs/guides/sessions.md"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_guide_says_what_was_measured(client: Client) -> None:
    assert row_of(GUIDE, client.title, heading="Clients that were run") == expected_row(client)
