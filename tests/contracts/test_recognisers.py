"""The contract of every recogniser. A new file in `recognition/recognisers` is tested automatically."""

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy import plugins
from concur_proxy.recognition.recogniser import (
    DEFAULT_RECOGNISERS,
    MAX_KEY_CHARS,
    AnswerLearner,
    Decider,
    Recogniser,
    RecogniserOptions,
    Recognition,
)
from concur_proxy.wire.request.view import RequestReader
from tests.recognition.requests import key_of, request_for

NAMES = plugins.available(plugins.RECOGNISERS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["program_id", "metadata", "thread", "vllm_xargs", "session_id", "previous_response_id", "model"]
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"x-session-id", b"session-id", b"thread-id", b"x-parent-session-id", b"authorization"]),
        st.binary(max_size=8),
    )
)


def built(name: str) -> Recogniser:
    return plugins.load(plugins.RECOGNISERS, name)(RecogniserOptions())


@pytest.fixture(params=NAMES)
def recogniser(request: pytest.FixtureRequest) -> Recogniser:
    return built(str(request.param))


def test_the_default_ones_are_there() -> None:
    assert set(DEFAULT_RECOGNISERS) <= set(NAMES)


def test_a_request_that_says_nothing_has_no_session(recogniser: Recogniser) -> None:
    assert recogniser.recognise(request_for(recogniser, model="m")) is None


def test_it_names_the_fields_that_it_reads(recogniser: Recogniser) -> None:
    assert all(recogniser.body_fields)


@pytest.mark.parametrize("name", NAMES)
@given(headers=HEADERS, body=st.dictionaries(FIELDS, JSON, max_size=4))
def test_the_same_request_gets_the_same_short_printable_key(
    name: str, headers: list[tuple[bytes, bytes]], body: dict[str, object]
) -> None:
    recogniser = built(name)
    text, before = json.dumps(body).encode(), deepcopy(headers)
    found = []
    for _ in range(2):
        view = RequestReader(body_fields=recogniser.body_fields).view("POST", b"/", "/", headers)
        view.body = text
        found.append(recogniser.recognise(view))
    assert found[0] == found[1]
    assert headers == before
    assert found[0] is None or isinstance(found[0], Recognition | Decider)
    if isinstance(found[0], Recognition):
        assert 0 < len(found[0].key) <= MAX_KEY_CHARS
        assert found[0].key.isprintable()
        assert found[0].by == name
        for other in (found[0].member, found[0].parent, found[0].parent_key or ""):
            assert len(other) <= MAX_KEY_CHARS
            assert other.isprintable()
        assert found[0].parent_key != found[0].key


def test_what_it_learns_from_answers_is_bounded(recogniser: Recogniser) -> None:
    if isinstance(recogniser, AnswerLearner):
        for number in range(20_000):
            recogniser.learn(f"resp_{number}", "s")
        assert key_of(recogniser, previous_response_id="resp_19999") == "s"
        assert key_of(recogniser, previous_response_id="resp_0") != "s"
