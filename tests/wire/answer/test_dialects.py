import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.dialects import ANSWER_DIALECTS
from concur_proxy.wire.answer.usage import Usage
from concur_proxy.wire.api_shape import ApiShape
from tests.wire.answer import streams

RECORDINGS = [
    (ApiShape.OPENAI, streams.VLLM_ASKED),
    (ApiShape.OPENAI, streams.VLLM_FORCED),
    (ApiShape.OPENAI, streams.SGLANG_ASKED),
    (ApiShape.RESPONSES, streams.RESPONSES),
    (ApiShape.ANTHROPIC, streams.ANTHROPIC),
    (ApiShape.SGLANG, streams.SGLANG_GENERATE),
]


def test_every_api_has_its_dialect() -> None:
    assert set(ANSWER_DIALECTS) == set(ApiShape)


@pytest.mark.parametrize(("shape", "events"), RECORDINGS)
def test_no_event_without_a_marker_changes_the_usage(shape: ApiShape, events: list[bytes]) -> None:
    # the tap parses events with a marker only
    dialect = ANSWER_DIALECTS[shape]
    usage: Usage | None = None
    told = 0
    for event in events:
        data = event.partition(b"data: ")[2].strip()
        reading = dialect.read_event(data, usage)
        if reading is not None and reading.usage is not usage:
            told += 1
            usage = reading.usage
            if shape is not ApiShape.SGLANG or b'"finish_reason":{' in event:
                assert any(marker in event for marker in dialect.markers)
    assert told
    assert usage is not None


@pytest.mark.parametrize(
    ("shape", "events", "first"),
    [
        (ApiShape.OPENAI, streams.VLLM_UNASKED, 1),
        (ApiShape.OPENAI, streams.VLLM_FORCED, 1),
        (ApiShape.OPENAI, streams.SGLANG_ASKED, 1),
        (ApiShape.OPENAI, [b'data: {"choices":[{"index":0,"text":"a"}]}\n\n'], 0),
        (ApiShape.RESPONSES, streams.RESPONSES, 1),
        (ApiShape.ANTHROPIC, streams.ANTHROPIC, 2),
        (ApiShape.SGLANG, streams.SGLANG_GENERATE, 0),
    ],
)
def test_a_token_comes_with_the_first_event_that_brings_one(shape: ApiShape, events: list[bytes], first: int) -> None:
    dialect = ANSWER_DIALECTS[shape]
    assert [dialect.has_token(event) for event in events].index(True) == first
    if first:
        assert not dialect.has_token(b"".join(events[:first]))
        assert dialect.has_token(b"".join(events[: first + 1]))


@pytest.mark.parametrize(
    "delta",
    [
        {"role": "assistant", "content": "a"},
        {"reasoning_content": "a"},
        {"reasoning": "a"},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
        {"refusal": "no"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_whatever_a_model_can_say_is_a_token(delta: object, separators: tuple[str, str]) -> None:
    event = json.dumps({"choices": [{"index": 0, "delta": delta}]}, separators=separators).encode()
    assert ANSWER_DIALECTS[ApiShape.OPENAI].has_token(b"data: %b\n\n" % event)


def test_a_text_that_repeats_an_event_is_none() -> None:
    created = {"type": "response.created", "response": {"instructions": 'say "type":"response.output_text.delta"'}}
    assert not ANSWER_DIALECTS[ApiShape.RESPONSES].has_token(b"data: %b\n\n" % json.dumps(created).encode())


NAMES = st.sampled_from(
    [
        "usage",
        "meta_info",
        "choices",
        "message",
        "response",
        "delta",
        "finish_reason",
        "id",
        "system_fingerprint",
        "prompt_tokens",
        "completion_tokens",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "prompt_tokens_details",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)
BEFORE = st.none() | st.builds(Usage, prompt_tokens=st.integers(0, 9), completion_tokens=st.integers(0, 9))


@given(st.sampled_from(list(ApiShape)), JSON.map(json.dumps).map(str.encode) | st.binary(max_size=30), BEFORE)
def test_nothing_makes_a_dialect_raise(shape: ApiShape, data: bytes, before: Usage | None) -> None:
    dialect = ANSWER_DIALECTS[shape]
    dialect.read_answer(data)
    dialect.read_event(data, before)
