import pytest

from concur_proxy.lab.server.chat import read_chat
from concur_proxy.lab.server.generation import BadRequest
from concur_proxy.lab.server.options import EmulatorOptions

OPTIONS = EmulatorOptions(capacity_tokens=1024, block_tokens=4)
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]


def ask(**body: object) -> dict[str, object]:
    return {"model": "emulated", "messages": MESSAGES, **body}


def test_the_next_prompt_begins_with_the_blocks_of_this_prompt_and_answer() -> None:
    first = read_chat(ask(max_tokens=8), OPTIONS)
    history = [
        *MESSAGES,
        {"role": "assistant", "content": first.generation.text},
        {"role": "user", "content": "and now?"},
    ]
    second = read_chat(ask(messages=history), OPTIONS)
    assert second.generation.request.keys[: len(first.generation.request.keys)] == first.generation.request.keys


def test_a_whole_answer_has_its_usage() -> None:
    chat = read_chat(ask(max_tokens=3), OPTIONS)
    chat.generation.request.generated, chat.generation.request.cached_tokens = 3, 4
    answer = chat.answer()
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": chat.generation.text}
    assert answer["choices"][0]["finish_reason"] == "length"
    prompt = chat.generation.request.prompt_tokens
    assert answer["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": 3,
        "total_tokens": prompt + 3,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_cached_tokens_are_reported_only_if_switched_on() -> None:
    chat = read_chat(ask(), EmulatorOptions(cached_tokens=False))
    assert chat.answer()["usage"]["prompt_tokens_details"] is None


def test_the_events_together_are_the_answer() -> None:
    chat = read_chat(ask(max_tokens=5, stream=True), OPTIONS)
    events = [event for _, event in (*chat.events(0, 2), *chat.events(2, 5))]
    deltas = [event["choices"][0]["delta"].get("content", "") for event in events]
    assert "".join(deltas) == chat.generation.text
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, "length"]
    assert chat.closing() == ()


def test_length_and_usage_follow_the_request() -> None:
    assert read_chat(ask(max_completion_tokens=7, max_tokens=9), OPTIONS).generation.request.output_tokens == 7
    unlimited = read_chat(ask(), OPTIONS)
    assert (unlimited.generation.request.output_tokens, unlimited.finish_reason) == (OPTIONS.answer_tokens, "stop")
    assert not read_chat(ask(stream=True), OPTIONS).tells_usage
    assert read_chat(ask(stream=True, stream_options={"include_usage": True}), OPTIONS).tells_usage


def test_parts_and_tool_calls_count_as_content() -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
    plain = [{"role": "user", "content": "hello"}]
    calls = [{"role": "user", "content": "hello", "tool_calls": [{"id": "1"}]}]
    keys = [read_chat(ask(messages=messages), OPTIONS).generation.request.keys for messages in (parts, plain, calls)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ([], 400, "must be a JSON object"),
        (ask(model="other"), 404, "`other` does not exist"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": ["hi"]}, 400, "an object with a role"),
        (ask(max_tokens=True), 400, "max_tokens must be at least 1"),
        (ask(max_tokens=-1), 400, "max_tokens must be at least 1"),
        (ask(max_tokens=2000), 400, "maximum context length is 1024"),
    ],
)
def test_a_bad_request_is_refused_as_by_a_real_engine(body: object, status: int, message: str) -> None:
    with pytest.raises(BadRequest, match=message) as caught:
        read_chat(body, OPTIONS)
    assert caught.value.body()["error"]["code"] == status
