"""Recorded sessions are recognised, however their clients name them: see `play` for what is right."""

import json
from random import Random

import pytest

from tests.recognition.gateway import Gateway
from tests.recognition.play import Book, Client, Player, play
from tests.recognition.traces import recorded, session, twin

LEAST_RIGHT = 0.99


def claude_code(family: str, agent: str, parent: str) -> dict[str, str]:
    names = {"X-Claude-Code-Session-Id": family}
    if agent:
        names["x-claude-code-agent-id"] = agent
    if parent:
        names["x-claude-code-parent-agent-id"] = parent
    return names


def codex(family: str, agent: str, parent: str) -> dict[str, str]:
    names = {"session-id": family, "thread-id": agent or family}
    return {**names, "x-codex-parent-thread-id": parent or family} if agent else names


def opencode(family: str, agent: str, parent: str) -> dict[str, str]:
    names = dict.fromkeys(("x-session-id", "x-session-affinity"), agent or family)
    return {**names, "x-parent-session-id": parent or family} if agent else names


def litellm(family: str, agent: str, parent: str) -> dict[str, str]:
    return {"x-litellm-session-id": family}


CLIENTS = (
    Client(name="chat without a name"),
    Client(name="messages without a name", path="/v1/messages"),
    Client(name="responses without a name", path="/v1/responses"),
    Client(name="one hint for all", body={"prompt_cache_key": "app"}),
    Client(name="Claude Code", path="/v1/messages", headers=claude_code, names_agents=True),
    Client(name="Codex", path="/v1/responses", headers=codex, names_agents=True),
    Client(name="opencode", headers=opencode, names_agents=True),
    Client(name="one key a family", headers=litellm),
)
UNNAMED = [client for client in CLIENTS if client.headers is None]


def players(client: Client, count: int, book: Book, gateway: Gateway, random: Random, **options: float):
    """Different sessions of one client, all with the same tools and system prompt."""
    for number in range(count):
        player = Player(
            gateway=gateway,
            book=book,
            random=random,
            client=client,
            credential="one",
            family=f"{client.name} {number}",
            **options,
        )
        yield player.run(session(number % len(recorded()), f"{number}", most_turns=12))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_sessions_of_one_client_at_once(client: Client) -> None:
    random, book = Random(1), Book()
    play(players(client, 44, book, Gateway(), random, oddities=0.3), random)
    assert not book.merged()
    assert book.share_right() >= LEAST_RIGHT, book.report()
