"""Captured requests of real clients go the whole way from their bytes to session and member, with their names and
without.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from concur_proxy.admission.ticket import Ticket
from tests.recognition.captured import CREDENTIAL, Captured, agent_of, messages_of, request_of, requests_of
from tests.recognition.gateway import Gateway, Request

CAPTURES: dict[str, list[Captured]] = {
    name: requests_of(runs) for name, runs in json.loads(Path(__file__).with_name("clients.json").read_text()).items()
}
REFERRING = ("openai-responses-prev", "anthropic-runner")
"""These refer to answers instead of sending the history."""
LAST_IS_ANOTHER = "smol-tool"
"""Its last request has the history under another system prompt and without tools."""
FORKS = "qwen-code"
"""Its sub-agent begins with the history of the main agent, but has fewer tools. So the cache has other tokens, and the
sub-agent is a session of its own.
"""
FAMILIES = {
    "family-claude-code": {
        "": "",
        "adce6af5cedb10aab": "",
        "acb1da44b43f1e8f2": "adce6af5cedb10aab",
        "a13784522d7501616": "acb1da44b43f1e8f2",
        "a54b868dc976e0866": "a13784522d7501616",
        "aefbc4bc4b210ab6c": "a54b868dc976e0866",
    },
    "family-codex": {"": "", "01a22446-b584-7f32-a31c-858098cce8d2": ""},
    "family-opencode": {"": "", "ses_ddbbb24bcffeaavVpwBFnSnmHs": ""},
}
"""The members of each captured family, with the member that started each."""
NAMED_BY_HEADERS = (
    "claude-code",
    "codex",
    "opencode",
    "langchain-hdr",
    "pydantic-hdr",
    "llproxy-fwd-headers",
    *FAMILIES,
)


def replay(
    capture: str, change: Callable[[Request], Request] = lambda request: request, *, with_names: bool = True
) -> list[Ticket]:
    """The tickets of a capture's requests, one after another. Each answer has the id that the next one continues."""
    gateway, captured = Gateway(), CAPTURES[capture]
    last = {agent_of(each): each for each in captured}
    tickets = []
    for number, each in enumerate(captured):
        ticket = gateway.ask(change(request_of(each, last[agent_of(each)], with_names=with_names)))
        following = captured[number + 1]["body"] if number + 1 < len(captured) else {}
        answer_id = following.get("previous_response_id") or following.get("thread", {}).get("previous_message_id")
        gateway.answer(ticket, prompt=1_000 * len(messages_of(each)), completion=100, answer_id=answer_id)
        tickets.append(ticket)
    return tickets


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_captured_client_is_one_session(capture: str) -> None:
    tickets = replay(capture)
    sessions = [ticket.session.key for ticket in tickets]
    expected = 2 if capture in (LAST_IS_ANOTHER, FORKS) else 1
    assert len(set(sessions)) == expected, Counter(sessions)
    if capture in NAMED_BY_HEADERS:
        assert {ticket.recognised_by for ticket in tickets} == {"headers"}


@pytest.mark.parametrize("capture", FAMILIES)
def test_a_captured_family_has_its_members_and_their_parents(capture: str) -> None:
    tickets = replay(capture)
    (session,) = {ticket.session for ticket in tickets}
    agents = {agent_of(each): ticket.member for each, ticket in zip(CAPTURES[capture], tickets, strict=True)}
    side = [member for member in session.members.values() if not member.is_declared]
    declared = {member.name: member.parent for member in session.members.values() if member.is_declared}
    assert declared == FAMILIES[capture]
    assert len(agents) == len(declared) + len(side) == len(set(agents.values()))
    if capture == "family-opencode":
        assert [tickets[0].member] == side, "the title comes first, and is not the main agent"
        assert tickets[1].member.name == ""
    else:
        assert not side


def agents_in(capture: str) -> list[tuple[str, bool]]:
    """The truth without names: each agent is a session. Also whether another agent has sent the same first prompt."""
    captured = CAPTURES[capture]
    first: dict[str, str] = {}
    for each in captured:
        first.setdefault(agent_of(each), json.dumps([each["prompt"].get("tools"), [m[2] for m in messages_of(each)]]))
    equal = Counter(first.values())
    seen: set[str] = set()
    rows = []
    for each in captured:
        agent = agent_of(each)
        rows.append((agent, equal[first[agent]] > 1 and agent not in seen))
        seen.add(agent)
    return rows


@pytest.mark.parametrize("capture", [name for name in CAPTURES if name not in REFERRING])
def test_a_captured_client_without_any_name_is_recognised_by_its_prompts(capture: str) -> None:
    tickets = replay(capture, with_names=False)
    rows = agents_in(capture)
    homes: dict[str, set[str]] = {}
    for (agent, is_twin), ticket in zip(rows, tickets, strict=True):
        homes.setdefault(agent, set())
        if not is_twin:
            homes[agent].add(ticket.session.key)
    found = [home for home in homes.values() if home]
    assert all(len(home) == 1 for home in found), homes
    assert len(set.union(*found)) == len(found), "two agents are in one session"
    continued = [
        ticket
        for (agent, _), ticket, before in zip(rows, tickets, range(len(rows)), strict=True)
        if agent in {other for other, _ in rows[:before]}
    ]
    assert all(ticket.recognised_by == "conversation" for ticket in continued)


def respelled(request: Request) -> Request:
    """Names of headers in other letters; the order of headers is another one."""
    headers = {
        name.upper() if number % 2 else name.title(): value
        for number, (name, value) in enumerate(reversed(request.headers.items()))
    }
    return replace(request, headers=headers)


def with_empty_headers(request: Request) -> Request:
    """Headers of other clients are there and empty, as some proxies send them."""
    return replace(
        request, headers={**dict.fromkeys(("agent-session-id", "x-dynamo-session-id"), ""), **request.headers}
    )


def without_headers(request: Request) -> Request:
    """A proxy has dropped all headers of the client, as LiteLLM's does. The body is as it was."""
    return replace(request, headers=CREDENTIAL)


def with_spaces(request: Request) -> Request:
    """Values have spaces around them."""
    return replace(request, headers={name: f" {value} " for name, value in request.headers.items()} | CREDENTIAL)


@pytest.mark.parametrize("change", [respelled, with_empty_headers, with_spaces])
@pytest.mark.parametrize("capture", CAPTURES)
def test_other_spellings_of_the_same_names_are_the_same_sessions(
    capture: str, change: Callable[[Request], Request]
) -> None:
    def found(tickets: list[Ticket]) -> list[tuple[str, str, str]]:
        return [(each.session.key, each.member.name, each.member.parent) for each in tickets]

    assert found(replay(capture, change)) == found(replay(capture))


@pytest.mark.parametrize("capture", ["claude-code", "codex", "opencode"])
def test_a_client_is_one_session_if_a_proxy_drops_its_headers(capture: str) -> None:
    sessions = {ticket.session.key for ticket in replay(capture, without_headers)}
    assert len(sessions) == (2 if capture == "opencode" else 1), "the title of opencode has no name then"
