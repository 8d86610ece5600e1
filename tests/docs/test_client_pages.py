"""Each client's page has the same parts, and says what the code knows and what was measured."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from concur_proxy.recognition import clients as recognised
from tests.docs.blocks import blocks
from tests.docs.client_rows import expected_row, row_of
from tests.docs.words import REPOSITORY
from tests.real_clients.clients import BY_NOTHING, CLIENTS, NOTHING, Client

FOLDER = REPOSITORY / "deploy/docs/guides/clients"
SUBJECTS = {"README.md", "rl-and-evaluation.md", "migration.md"}
"""Pages that are not about one client."""
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name not in SUBJECTS)
FACTS = ("Is anything needed?", "Session name", "Sub-agents")
PARTS = ["Set it up", "Name the session", "Time-outs and retries", "Checked by running it"]
RECOGNISED = (
    ("claude-code.md", "Claude Code"),
    ("codex.md", "Codex"),
    ("opencode.md", "opencode"),
    ("litellm.md", "LiteLLM, OpenHands"),
    ("rl-and-evaluation.md", "SkyRL, prime-rl, AIPerf, NeMo Gym"),
    ("rl-and-evaluation.md", "slime, SGLang router clients"),
    ("migration.md", "ThunderAgent clients"),
    ("migration.md", "vllm-router programs"),
)
"""Pages, and the client of each in the table of known names."""


def _name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_has_all_parts(page: Path) -> None:
    assert re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE) == PARTS
    assert all(row_of(page, fact) for fact in FACTS)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_says_what_was_measured(page: Path) -> None:
    clients = _clients_of(page)

    assert clients
    assert {client.title: row_of(page, client.title) for client in clients} == {
        client.title: expected_row(client) for client in clients
    }


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_has_no_row_that_its_command_does_not_run(page: Path) -> None:
    _, _, checked = page.read_text(encoding="utf-8").partition("## Checked by running it\n")
    rows = {line.strip("|").split(" | ")[0].strip() for line in checked.splitlines() if line.startswith("| ")}

    assert rows - {"Way to use it", "---"} == {client.title for client in _clients_of(page)}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_page_and_index_agree_on_what_is_needed(page: Path) -> None:
    """Nothing is needed if each way to use the client names its session, or is recognised by its content."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = [line for line in index.splitlines() if f"({page.name})" in line]
    needed = " ".join(row.split(" | ")[1] for row in rows)
    said = row_of(page, FACTS[0])[0].removesuffix(" |")
    clients = _clients_of(page)

    assert rows
    if all(client.missing for client in clients):
        assert needed == said == "probably nothing; not run"
        assert "From its source, not run" in page.read_text(encoding="utf-8")
    elif any(client.recognised_by == BY_NOTHING for client in clients):
        assert needed == said == "a name"
    elif all(client.helps == NOTHING for client in clients):
        assert needed == said == "nothing"
    else:
        assert "nothing; a name helps" in needed
        assert "nothing; a name helps" in said


@pytest.mark.parametrize(("page", "name"), RECOGNISED)
def test_a_page_lists_each_name_that_the_gateway_knows(page: str, name: str) -> None:
    client = next(client for client in recognised.CLIENTS if client.name == name)
    text = (FOLDER / page).read_text(encoding="utf-8")
    names = {*client.headers, *client.fields, client.member, client.parent_member, client.parent_session} - {""}

    assert {known for known in names if f"`{known}`" not in text} == set()


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=_name)
def test_python_blocks_are_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)


def test_the_index_links_each_page() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert {path.name for path in FOLDER.glob("*.md")} - {"README.md"} == set(re.findall(r"\(([\w-]+\.md)\)", index))


def _clients_of(page: Path) -> Sequence[Client]:
    """The clients that the page's command runs."""
    names = re.findall(r"--only ([\w-]+)", page.read_text(encoding="utf-8"))
    known = {client.name: client for client in CLIENTS}
    return [known[name] for name in names]
