import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.recognition.conversations import BY_CONTENT
from concur_proxy.recognition.recogniser import (
    DEFAULT_RECOGNISERS,
    MAX_KEY_CHARS,
    Decider,
    Found,
    Recogniser,
    RecogniserChain,
    RecogniserOptions,
    Recognition,
    session_key,
)
from concur_proxy.recognition.recognisers import headers
from concur_proxy.recognition.whereabouts import PromptRole
from concur_proxy.wire.request.view import RequestReader, RequestView


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


class Fixed:
    """Always answers the same, and counts how often it is asked."""

    def __init__(self, key: str | None, *fields: str) -> None:
        self.body_fields = fields
        self.asked = 0
        self._key = key

    def recognise(self, request: RequestView) -> Recognition | None:  # noqa: ARG002 - the interface
        self.asked += 1
        return None if self._key is None else Recognition(self._key, "fixed")


class Learning(Fixed):
    """Remembers its calls."""

    def __init__(self) -> None:
        super().__init__(None)
        self.learnt: list[tuple[str, str]] = []

    def learn(self, response_id: str, session: str) -> None:
        self.learnt.append((response_id, session))


REQUEST = RequestReader().view("POST", b"/", "/", [])


def test_the_first_recogniser_that_knows_the_session_decides() -> None:
    silent, first, second = Fixed(None), Fixed("a"), Fixed("b")
    found = RecogniserChain([silent, first, second]).recognise(REQUEST)
    assert found == Found(Recognition("a", "fixed"), PromptRole.NEVER)
    assert (silent.asked, first.asked, second.asked) == (1, 1, 0)


def test_nobody_knows() -> None:
    for chain in (RecogniserChain([]), RecogniserChain([Fixed(None)])):
        assert chain.recognise(REQUEST) == Found(None, PromptRole.NEVER)


class Prompt:
    """Leaves the choice to the conversation tree."""

    body_fields = ()

    def recognise(self, request: RequestView) -> Decider:  # noqa: ARG002 - the interface
        return Decider.PROMPT


@pytest.mark.parametrize(
    ("recognisers", "key", "role"),
    [
        ([Prompt(), Fixed("a")], "a", PromptRole.FIRST),
        ([Fixed(None), Prompt(), Fixed("a")], "a", PromptRole.FIRST),
        ([Fixed("a"), Prompt()], "a", PromptRole.NEVER),
        ([Prompt(), Fixed(None)], None, PromptRole.FIRST),
    ],
)
def test_the_prompt_has_its_place_in_the_order(
    recognisers: list[Recogniser], key: str | None, role: PromptRole
) -> None:
    found = RecogniserChain(recognisers).recognise(REQUEST)
    assert (found.recognition and found.recognition.key, found.prompt_role) == (key, role)


def test_the_conversation_tree_comes_last_by_default_and_is_counted_by_its_name() -> None:
    assert DEFAULT_RECOGNISERS[-1] == BY_CONTENT


def test_a_chain_asks_for_the_fields_of_all() -> None:
    chain = RecogniserChain([Fixed(None, "a", "b"), Fixed(None), Fixed(None, "c")])
    assert chain.body_fields == ["a", "b", "c", "prompt_cache_key"]


@pytest.mark.parametrize(("sent", "hint"), [("k", "k"), (" k ", "k"), (7, "7"), ("", None), ([1], None), (None, None)])
def test_a_prompt_cache_key_is_a_hint_and_names_no_session(sent: object, hint: str | None) -> None:
    chain = RecogniserChain(
        plugins.build(plugins.RECOGNISERS, name, RecogniserOptions()) for name in DEFAULT_RECOGNISERS
    )
    request = RequestReader(body_fields=chain.body_fields).view("POST", b"/", "/", [])
    request.body = json.dumps({"prompt_cache_key": sent}).encode()
    assert chain.hint(request) == hint
    assert chain.recognise(request).recognition is None


def test_those_that_learn_from_answers_hear_of_them() -> None:
    learning = Learning()
    RecogniserChain([Fixed(None), learning]).learn("resp_1", "s")
    assert learning.learnt == [("resp_1", "s")]


class Failing:
    """The recogniser of a plug-in, with a defect."""

    body_fields = ("name",)

    def __init__(self, *, returns: object = None) -> None:
        self._returns = returns

    def recognise(self, request: RequestView) -> Recognition | None:
        if self._returns is None:
            raise KeyError(request.path)
        return self._returns  # type: ignore[return-value]

    def learn(self, response_id: str, session: str) -> None:
        raise KeyError(response_id, session)


def test_a_recogniser_that_fails_is_left_out() -> None:
    errors: list[Exception] = []
    after = headers.build(RecogniserOptions())
    chain = RecogniserChain([Failing(), Failing(returns="a"), after], errors.append)
    request = RequestReader().view("POST", b"/", "/", [(b"x-session-id", b"mine")])
    assert chain.recognise(request).recognition == Recognition("mine", "headers")
    assert [repr(error) for error in errors] == [
        "KeyError('/')",
        "TypeError('Failing returned str instead of a Recognition')",
    ]
    chain.learn("resp_1", "mine")
    assert [repr(error) for error in errors[2:]] == ["KeyError('resp_1', 'mine')"] * 2
