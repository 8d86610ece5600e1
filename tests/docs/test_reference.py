"""The reference says what the code does: its pages equal what the code writes, and its headers are the real ones."""

from pathlib import Path

import httpx
import pytest

from concur_proxy.settings.gateway import GatewaySettings
from tests.docs.processes import running
from tests.docs.reference.http import ADDED, REFUSED
from tests.docs.reference.pages import FOLDER, PAGES, WRITTEN
from tests.docs.reference.settings import settings_page


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_the_file_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == WRITTEN[path](), "run `python -m tests.docs.reference`"


def test_every_page_is_written_by_the_command() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == {*PAGES, "README.md", "glossary.md"}


def test_every_setting_has_a_row() -> None:
    rows = [line.split("`")[1] for line in settings_page().splitlines() if line.startswith("| `")]

    assert sorted(rows) == sorted(GatewaySettings.model_fields)


def test_answers_have_the_headers_that_the_page_lists() -> None:
    headers = {"content-type": "application/json", "x-session-id": "agent-7"}
    with running("engine") as engine, running("serve", "--engine", engine) as gateway:
        direct, relayed, refused = (
            httpx.post(
                f"{url}/v1/chat/completions",
                content=body,
                headers=headers,
                trust_env=False,
            )
            for url, body in (
                (engine, b'{"model": "emulated", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}'),
                (gateway, b'{"model": "emulated", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}'),
                (gateway, b"no JSON"),
            )
        )

    assert set(relayed.headers) - set(direct.headers) == set(ADDED)
    assert set(refused.headers) & set(REFUSED) == {"x-concur-reason", "x-should-retry"}
    assert refused.headers["x-concur-reason"] == "bad_json"
