import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition.session_key import (
    DEFAULT_SESSION_FIELDS,
    DEFAULT_SESSION_HEADERS,
    MAX_KEY_CHARS,
    SessionKeyReader,
    session_key,
)


def test_the_defaults_are_those_known_in_the_field() -> None:
    assert DEFAULT_SESSION_HEADERS == (
        "x-session-id",
        "session-id",
        "session_id",
        "x-claude-code-session-id",
        "x-session-affinity",
        "x-litellm-session-id",
        "x-dynamo-session-id",
    )
    assert DEFAULT_SESSION_FIELDS == ("program_id", "metadata.session_id", "prompt_cache_key")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("s-1", "s-1"),
        ("  s-1\t", "s-1"),
        (b"s-1", "s-1"),
        ("é", "é"),
        ("é".encode(), "é"),
        (b"\xe9", "é"),
        (42, "42"),
        (0, "0"),
        ("", None),
        ("   ", None),
        (b"", None),
        (None, None),
        (True, None),
        (1.5, None),
        ([], None),
        ({}, None),
    ],
)
def test_what_names_a_session(value: object, key: str | None) -> None:
    assert session_key(value) == key


def test_long_and_unprintable_keys_become_digests() -> None:
    longest = "k" * MAX_KEY_CHARS
    assert session_key(longest) == longest
    keys = {session_key(value) for value in (longest + "k", longest + "l", "a\nb", "a\x00b", "\ud800", "\u202e")}
    assert len(keys) == 6
    for key in keys:
        assert key is not None
        assert key.startswith("sha256:")
        assert len(key) <= MAX_KEY_CHARS
    assert session_key("a\nb") == session_key("a\nb")


@given(st.text(max_size=400), st.text(max_size=400))
def test_two_names_never_fall_together(one: str, other: str) -> None:
    if one.strip() != other.strip():
        assert session_key(one) != session_key(other) or session_key(one) is None
    assert session_key(one) == session_key(one.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass"))


def test_the_first_field_that_names_one_wins() -> None:
    reader = SessionKeyReader()
    assert reader.read({"prompt_cache_key": "k", "program_id": "p", "metadata": {"session_id": "s"}}) == "p"
    assert reader.read({"prompt_cache_key": "k", "program_id": "", "metadata": {"session_id": "s"}}) == "s"
    assert reader.read({"prompt_cache_key": "k", "program_id": None, "metadata": {"session_id": [1]}}) == "k"
    assert reader.read({"program_id": 12}) == "12"
    assert reader.read({"metadata": "text"}) is None
    assert reader.read({}) is None


def test_fields_are_configurable_paths() -> None:
    reader = SessionKeyReader(["vllm_xargs.agentic_context.program_id"])
    assert reader.read({"vllm_xargs": {"agentic_context": {"program_id": "p"}}}) == "p"
    assert reader.read({"vllm_xargs": {"agentic_context": []}}) is None


def test_a_path_may_lead_through_json_in_a_string() -> None:
    # Claude Code between its `..._session_<uuid>` form and 2.1.86, which has a header
    reader = SessionKeyReader(["metadata.user_id.session_id"])
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "54c1eb09"})
    assert reader.read({"metadata": {"user_id": user}}) == "54c1eb09"
    assert reader.read({"metadata": {"user_id": {"session_id": "54c1eb09"}}}) == "54c1eb09"
    for odd in ("user_1", "{", "[1]", '{"session_id": {}}', "{" + " " * 5000 + "}", '{"a":' * 500):
        assert reader.read({"metadata": {"user_id": odd}}) is None
