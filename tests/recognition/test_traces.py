"""Recorded sessions are recognised, however their clients name them: see `play` for what is right."""

from random import Random

import pytest

from tests.recognition.gateway import Gateway
from tests.recognition.play import Book, Client, Player, Script, play
from tests.recognition.traces import Agent, recorded, session, twin

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


def litellm(family: str, _agent: str, _parent: str) -> dict[str, str]:
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
SESSIONS = len(recorded())
TASKS = (2, 5, 8, 11, 12, 13, 16, 20)
"""Sessions whose second prompts extend the first."""
WITH_SUB_AGENTS = (40, 41, 42, 43)


class Scene:
    """A gateway, and agents that play against it."""

    def __init__(self, seed: int, oddities: float = 0.3) -> None:
        self.random = Random(seed)
        self.book = Book()
        self.gateway = Gateway()
        self.oddities = oddities
        self.scripts: list[Script] = []

    def add(self, client: Client, family: str, agent: Agent, *, credential: str = "one", twin_turns: int = 0) -> None:
        """Add a session of a client."""
        player = Player(
            gateway=self.gateway,
            book=self.book,
            random=self.random,
            client=client,
            credential=credential,
            family=family,
            oddities=self.oddities,
            twin_turns=twin_turns,
        )
        self.scripts.append(player.run(agent))

    def play(self) -> Book:
        """Play all sessions at once."""
        play(self.scripts, self.random)
        return self.book


def check(book: Book) -> None:
    """Nothing is merged, and nearly all is right."""
    assert not book.merged()
    assert book.share_right() >= LEAST_RIGHT, book.report()


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_sessions_of_one_client_at_once(client: Client) -> None:
    scene = Scene(seed=1)
    for number in range(SESSIONS):
        scene.add(client, f"{client.name} {number}", session(number, f"{number}", most_turns=12))
    check(scene.play())


@pytest.mark.parametrize("seed", [2, 3])
def test_two_hundred_sessions_of_all_clients_with_twins_and_two_tenants(seed: int) -> None:
    """All with the same tools and system prompt: 88 sessions of two tenants with the same contents, 64 roll-outs of
    eight tasks, and 48 others.
    """
    scene = Scene(seed=seed)
    for number in range(SESSIONS):
        for tenant in ("one", "two"):
            client = CLIENTS[number % len(CLIENTS)]
            agent = session(number, f"same {number}", most_turns=9)
            scene.add(client, f"{tenant}'s {number}", agent, credential=tenant)
    for task, recording in enumerate(TASKS):
        agent = session(recording, f"task {task}", most_turns=9)
        for number in range(8):
            client = UNNAMED[task % len(UNNAMED)]
            scene.add(client, f"task {task} {number}", twin(agent, f"roll-out {number}"), twin_turns=1)
    for number in range(48):
        client = CLIENTS[number % len(CLIENTS)]
        scene.add(client, f"other {number}", session(number % SESSIONS, f"other {number}", most_turns=9))
    check(scene.play())


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_whole_sessions_with_sub_agents(client: Client) -> None:
    scene = Scene(seed=3, oddities=0.1)
    for number in WITH_SUB_AGENTS:
        scene.add(client, f"{client.name} {number}", session(number, f"{number}"))
    check(scene.play())
