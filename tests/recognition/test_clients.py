"""What is recognised of captured real clients (`clients.json`, made by `compact.py`), and the table of clients."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from concur_proxy import plugins
from concur_proxy.recognition.clients import CLIENTS, DEFAULT_SESSION_FIELDS, DEFAULT_SESSION_HEADERS, Family
from concur_proxy.recognition.recogniser import DEFAULT_RECOGNISERS, RecogniserChain, RecogniserOptions, Recognition
from concur_proxy.wire.request.view import RequestReader, RequestView

CAPTURES: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("clients.json").read_text())


class Expected(NamedTuple):
    """What a capture's requests are recognised as."""

    by: str
    sessions: int = 1
    parents: dict[str, str] = {}  # noqa: RUF012 - never changed
    """For each member of the one family, the member that started it. Empty: the main agent."""
    first_named: int = 0
    """The first request with a name: a conversation of references has none before its second request."""


RECOGNISED = {
    "claude-code": Expected("headers"),
    "codex": Expected("headers"),
    "opencode": Expected("headers"),
    "langchain-hdr": Expected("headers"),
    "pydantic-hdr": Expected("headers"),
    "llproxy-fwd-headers": Expected("headers"),
    "openai-responses-prev": Expected("previous-response", first_named=1),
    "anthropic-runner": Expected("previous-response", first_named=1),
    "family-claude-code": Expected(
        "headers",
        parents={
            "": "",
            "adce6af5cedb10aab": "",
            "acb1da44b43f1e8f2": "adce6af5cedb10aab",
            "a13784522d7501616": "acb1da44b43f1e8f2",
            "a54b868dc976e0866": "a13784522d7501616",
            "aefbc4bc4b210ab6c": "a54b868dc976e0866",
        },
    ),
    "family-codex": Expected("headers", parents={"": "", "01a22446-b584-7f32-a31c-858098cce8d2": ""}),
    "family-opencode": Expected("headers", sessions=2),
}
"""Every other capture names nothing at all."""


def chain() -> RecogniserChain:
    options = RecogniserOptions()
    return RecogniserChain(plugins.build(plugins.RECOGNISERS, name, options) for name in DEFAULT_RECOGNISERS)


def view(recognisers: RecogniserChain, request: dict[str, Any]) -> RequestView:
    headers = [(name.encode(), value.encode()) for name, value in request["headers"].items()]
    made = RequestReader(body_fields=recognisers.body_fields).view("POST", b"/", request["path"], headers)
    made.body = json.dumps({"model": "m", **request["body"]}).encode()
    return made


def recognised(headers: dict[str, str] | None = None, **body: object) -> Recognition | None:
    recognisers = chain()
    request = {"path": "/v1/chat/completions", "headers": headers or {}, "body": body}
    return recognisers.recognise(view(recognisers, request)).recognition


def replay(capture: str) -> list[Recognition | None]:
    """Recognise a capture's requests in order. The id of each answer is the one that the next request continues."""
    recognisers = chain()
    sessions: dict[str, str] = {}
    requests = [request for run in CAPTURES[capture] for request in [run] * run["times"]]
    found: list[Recognition | None] = []
    for number, request in enumerate(requests):
        made = view(recognisers, request)
        made.continued_session = sessions.get(made.json.previous_response_id or "")
        found.append(recognisers.recognise(made).recognition)
        following = requests[number + 1]["body"] if number + 1 < len(requests) else {}
        answer = following.get("previous_response_id") or following.get("thread", {}).get("previous_message_id")
        if answer is not None and found[-1] is not None:
            sessions[answer] = found[-1].key
    return found


@pytest.mark.parametrize("capture", CAPTURES)
def test_a_captured_client_is_recognised(capture: str) -> None:
    found = replay(capture)
    expected = RECOGNISED.get(capture)
    if expected is None:
        assert found == [None] * len(found)
        return
    named = [each for each in found if each is not None]
    assert found.index(named[0]) == expected.first_named
    assert len(named) == len(found) - expected.first_named
    assert {each.by for each in named} == {expected.by}
    assert len({each.key for each in named}) == expected.sessions
    assert {each.member: each.parent for each in named} == (expected.parents or {"": ""})
    if capture != "family-opencode":
        assert {each.parent_key for each in named} == {None}


def test_a_child_of_opencode_names_its_parents_session() -> None:
    found = [each for each in replay("family-opencode") if each is not None]
    parent, child = "ses_ddbbbaa3cffexPXsw6wgnARKmq", "ses_ddbbb24bcffeaavVpwBFnSnmHs"
    assert [(each.key, each.parent_key) for each in found] == [
        (parent, None),
        (parent, None),
        (child, parent),
        (child, parent),
        (parent, None),
    ]


def test_captured_recognitions_are_all_there() -> None:
    assert set(RECOGNISED) <= set(CAPTURES)


def test_a_deeper_thread_of_codex_names_the_thread_that_started_it() -> None:
    deep = {"session-id": "s", "thread-id": "t2", "x-codex-parent-thread-id": "t1"}
    assert recognised(deep) == Recognition("s", "headers", "t2", "t1")
    assert recognised({"thread-id": "t2"}) is None, "without the session a thread names nothing"


def test_family_headers_work_with_a_session_header_of_the_operators() -> None:
    headers = {"x-session-id": "mine", "x-claude-code-session-id": "s", "x-claude-code-agent-id": "a"}
    assert recognised(headers) == Recognition("mine", "headers", "a")
    main = {"x-session-id": "mine", "session-id": "s", "thread-id": "s"}
    assert recognised(main) == Recognition("mine", "headers")


@pytest.mark.parametrize("client", ["x-dynamo", "x"])
def test_a_parent_session_counts_only_with_its_own_kind_of_session_header(client: str) -> None:
    own, parent = f"{client}-session-id", f"{client}-parent-session-id"
    assert recognised({own: "c", parent: "p"}) == Recognition("c", "headers", parent_key="p")
    assert recognised({own: "c", parent: "c"}) == Recognition("c", "headers")
    assert recognised({"x-litellm-session-id": "l", parent: "p"}) == Recognition("l", "headers")
    assert recognised({parent: "p"}) is None


def program(**names: object) -> Recognition | None:
    return recognised(vllm_xargs={"agentic_context": names})


def test_a_program_of_vllm_router_belongs_to_its_root() -> None:
    by = "body-fields"
    assert program(program_id="r") == Recognition("r", by)
    assert program(program_id="r", root_program_id="r") == Recognition("r", by)
    assert program(program_id="a", root_program_id="r", parent_program_id="r") == Recognition("r", by, "a")
    assert program(program_id="b", root_program_id="r", parent_program_id="a") == Recognition("r", by, "b", "a")
    assert program(program_id="b", parent_program_id="a") == Recognition("b", by, parent_key="a")
    assert program(program_id="b", parent_program_id="b") == Recognition("b", by)
    context = json.dumps({"program_id": "b", "root_program_id": "r"})
    assert recognised(vllm_xargs={"agentic_context": context}) == Recognition("r", by, "b")


def test_claude_code_without_its_header_is_known_by_its_user_id() -> None:
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s"})
    assert recognised(metadata={"user_id": user}) == Recognition("s", "body-fields")
    assert recognised(metadata={"user_id": "user-7"}) is None


@pytest.mark.parametrize("header", ["x-client-request-id", "x-correlation-id", "x-request-id", "user"])
def test_what_is_no_sessions_name_is_never_taken(header: str) -> None:
    assert recognised({header: "r"}, user="u", prompt_cache_key="k") is None


@pytest.mark.parametrize("field", DEFAULT_SESSION_FIELDS)
def test_each_field_of_the_table_names_a_session(field: str) -> None:
    value: Any = "s"
    for step in reversed(field.split(".")):
        value = {step: value}
    assert recognised(**value) == Recognition("s", "body-fields")


def test_the_defaults_are_the_table_in_its_order() -> None:
    assert DEFAULT_SESSION_HEADERS == (
        "x-session-id",
        "session-id",
        "session_id",
        "x-claude-code-session-id",
        "x-session-affinity",
        "x-opencode-session",
        "x-litellm-session-id",
        "x-dynamo-session-id",
        "agent-session-id",
        "x-aibrix-session-key",
        "x-smg-routing-key",
    )
    assert DEFAULT_SESSION_FIELDS == (
        "session_params.session_id",
        "metadata.user_id.session_id",
        "litellm_session_id",
        "metadata.session_id",
        "program_id",
        "vllm_xargs.agentic_context.root_program_id",
        "vllm_xargs.agentic_context.program_id",
        "agent_hint.session_id",
        "session_id",
    )


def test_a_row_has_the_names_that_its_family_rule_needs() -> None:
    for client in CLIENTS:
        assert client.headers or client.fields
        assert all(header == header.lower() for header in client.headers)
        assert bool(client.member) == bool(client.parent_member) == (client.family is Family.ONE_KEY)
        assert bool(client.parent_session) == (client.family is Family.OWN_KEYS)


def test_the_guide_lists_every_client() -> None:
    guide = (Path(__file__).parents[2] / "deploy/docs/guides/sessions.md").read_text()
    for client in CLIENTS:
        row = next((line for line in guide.splitlines() if line.startswith(f"| {client.name} |")), "")
        assert row, client.name
        for name in (*client.headers, *client.fields):
            assert f"`{name}`" in row, name
