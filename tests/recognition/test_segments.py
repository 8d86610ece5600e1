import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.recognition import chain_builder
from concur_proxy.recognition import messages as messages_module
from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain
from concur_proxy.recognition.chain_builder import MAX_SEGMENTS, forget_messages
from concur_proxy.recognition.messages import PIECE_BYTES
from concur_proxy.recognition.segments import FREE_ITEMS, chain_in_steps, chain_of
from concur_proxy.wire.request import body_reader, pieces
from concur_proxy.wire.request.view import RequestReader, RequestView

READER = RequestReader()
USER, ANSWER = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}
SYSTEM = {"role": "system", "content": "You help."}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
MARK = {"type": "ephemeral"}


def view(body: bytes | dict[str, Any], *headers: tuple[bytes, bytes]) -> RequestView:
    made = READER.view("POST", b"/", "/v1/chat/completions", list(headers))
    made.body = (
        body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    )
    return made


def maybe(**body: Any) -> Chain | None:  # noqa: ANN401 - any JSON
    return chain_of(view({"model": "m", **body}))


def chain(**body: Any) -> Chain:  # noqa: ANN401 - any JSON
    made = maybe(**body)
    assert made is not None
    assert len(made.hashes) == HASH_BYTES * len(made)
    assert len(made.sizes) == SIZE_BYTES * len(made)
    assert made.head <= len(made)
    return made


def sizes(of: Chain) -> list[int]:
    return [of.text_from(index, 1)[0] for index in range(len(of))]


def common(one: Chain, other: Chain) -> int:
    """How many segments two chains share."""
    same = [one.hash_at(i) == other.hash_at(i) for i in range(min(len(one), len(other)))]
    first = same.index(False) if False in same else len(same)
    assert not any(same[first:]), "a hash is of everything before it"
    return first


def test_a_turn_extends_the_one_before() -> None:
    first = chain(tools=TOOLS, messages=[SYSTEM, USER])
    second = chain(tools=TOOLS, messages=[SYSTEM, USER, ANSWER, USER])
    assert (len(first), len(second), first.head, second.head) == (3, 5, 2, 2)
    assert common(first, second) == 3


def test_inputs_stay_the_same_when_an_answer_changes() -> None:
    long = {"role": "tool", "content": "x" * 3 * PIECE_BYTES}
    shorter, other = {**ANSWER, "content": "h"}, {**long, "content": f"{long['content']}y"}
    before = chain(messages=[SYSTEM, USER, ANSWER, long])
    after = chain(messages=[SYSTEM, USER, shorter, long, ANSWER, USER, USER])
    assert (len(before.inputs), len(after.inputs)) == (2 * HASH_BYTES, 3 * HASH_BYTES)
    assert after.inputs.startswith(before.inputs)
    assert not chain(messages=[SYSTEM, USER, ANSWER, other]).inputs.endswith(before.inputs[HASH_BYTES:])


def test_an_edit_changes_all_that_follows() -> None:
    one, other = chain(messages=[SYSTEM, USER, ANSWER, USER]), chain(messages=[SYSTEM, ANSWER, ANSWER, USER])
    assert common(one, other) == 1


def test_leading_messages_of_the_operator_are_the_head() -> None:
    developer = {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    assert chain(messages=[SYSTEM, developer, USER, SYSTEM]).head == 2
    assert chain(messages=[SYSTEM]).head == 1
    assert chain(messages=[USER, SYSTEM]).head == 0
    assert chain(messages=[{"content": "x", "role": "system"}, USER]).head == 1


@pytest.mark.parametrize("name", [b"authorization", b"x-api-key", b"api-key"])
def test_clients_and_models_never_match(name: bytes) -> None:
    one, other = ({"model": model, "messages": [USER]} for model in "ab")
    requests = [view(one), view(other), view(one, (name, b"k1")), view(one, (name, b"k2")), view(other, (name, b"k1"))]
    chains = [made for made in map(chain_of, requests) if made is not None]
    assert len({made.hashes for made in chains}) == 5
    assert chain_of(view(one, (name, b"k1"))) == chains[2]


def test_a_moving_cache_mark_changes_nothing() -> None:
    def turn(*marked: int) -> Chain:
        messages = []
        for i in range(4):
            block: dict[str, Any] = {"type": "text", "text": f'say "cache_control": {{"x": {i}}}'}
            if i in marked:
                block["cache_control"] = MARK
            messages.append({"role": "user" if i % 2 == 0 else "assistant", "content": [USER, block]})
        return chain(system=[{"type": "text", "text": "s"}], messages=messages)

    assert turn(0) == turn(3) == turn(0, 1, 2, 3) == turn()


@pytest.mark.parametrize(
    "with_mark", [{"cache_control": MARK, "type": "text"}, {"type": "text", "cache_control": MARK}]
)
def test_a_single_text_block_equals_the_text(with_mark: dict[str, Any]) -> None:
    plain = chain(system="s", messages=[{"role": "user", "content": 'x "y"'}])
    block = {"type": "text", "text": 'x "y"'}
    assert chain(system=[{"type": "text", "text": "s"}], messages=[{"role": "user", "content": [block]}]) == plain
    marked = {"role": "user", "content": [{**with_mark, "text": 'x "y"'}]}
    assert chain(system="s", messages=[marked]) == plain
    assert chain(system="s", messages=[{**block, "role": "user", "content": [block, block]}]) != plain
    cited = {"role": "user", "content": [{**block, "citations": []}]}
    assert chain(system="s", messages=[cited]) != plain


def test_a_long_system_prompt_is_shared_in_part() -> None:
    one, other = ({"role": "system", "content": "x" * 20_000 + end} for end in ("a", "b"))
    made = chain(messages=[one, USER])
    assert made.head == 5
    assert len(made) == 6
    assert sizes(made)[:4] == [PIECE_BYTES] * 4
    assert common(made, chain(messages=[other, USER])) == 4
    assert len(chain(messages=[{"role": "user", "content": "x" * 8_000}])) == 1


def test_responses() -> None:
    items = [{"role": "user", "content": "hello"}, {"type": "function_call", "call_id": "c", "arguments": "{}"}]
    first = chain(tools=TOOLS, instructions="Do.", input="hello")
    second = chain(tools=TOOLS, instructions="Do.", input=items, text={"format": {"type": "text"}})
    assert (len(first), first.head, first.continues) == (3, 2, False)
    assert common(first, second) == 3
    developer = {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "x"}]}
    assert chain(input=[developer, *items]).head == 1


@pytest.mark.parametrize(
    "earlier",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        {"session_params": {"id": "s"}},
    ],
)
def test_prompts_that_refer_to_what_the_engine_keeps(earlier: dict[str, Any]) -> None:
    assert chain(input="x", **earlier).continues
    assert chain(messages=[USER], **earlier).continues
    assert not chain(messages=[USER], thread={"type": "create"}, session_params={}, conversation=None).continues


def test_texts_and_tokens() -> None:
    text = "abcdefgh" * 2000
    first, second = chain(prompt=text, suffix="s"), chain(prompt=text + "more")
    assert sizes(first) == [4096, 4096, 4096, 3712]
    assert common(first, second) == 3
    assert chain(prompt=[text]) == first
    assert common(chain(text=text), first) == 4
    tokens = list(range(10_000, 13_000))
    made = chain(input_ids=tokens)
    assert sum(sizes(made)) == 4 * 3000
    assert common(made, chain(prompt=[*tokens, 7])) == len(made) - 1
    assert chain(prompt=[tokens]) == made
    assert sizes(chain(prompt=[5])) == [4]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": ["a", "b"]},
        {"prompt": [[1], [2]]},
        {"text": ["a", "b"]},
        {"prompt": []},
        {"prompt": ""},
        {"prompt": {"id": "template"}},
        {"messages": [[USER], [USER]]},
        {"messages": None},
        {"messages": "x"},
        {"messages": [1]},
        {"messages": []},
        {"input": 7},
        {},
    ],
)
def test_what_is_not_one_prompt(body: dict[str, Any]) -> None:
    assert maybe(**body) is None


def test_a_field_of_another_type_is_absent() -> None:
    assert chain(messages=None, prompt="x") == chain(prompt="x")
    assert chain(messages=[USER], tools=None, system=7) == chain(messages=[USER])
    assert chain(messages=[USER], tools=[]) == chain(messages=[USER])


BASE64 = "iVBORw0KGgo" * 10_000
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}}
DATA = f"data:image/png;base64,{BASE64}"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": DATA}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_image", "image_url": DATA},
        {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}},
        {"image_url": DATA},
        {"audio_url": {"url": "https://example.org/a.wav"}},
        {"type": "input_file", "file_id": "file-1"},
        IMAGE,
        {"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]},
    ],
)
def test_media_are_items_and_no_text(part: dict[str, Any]) -> None:
    text = {"type": "text", "text": "look"}
    made = chain(messages=[USER, {"role": "user", "content": [text, part, part]}, ANSWER])
    assert made.media == (1, 1)
    assert len(made) == 3
    assert sizes(made)[1] < 250


@pytest.mark.parametrize(
    ("part", "items"),
    [
        ({"type": "file", "file": {"file_data": DATA}}, 2),
        ({"type": "document", "source": {"type": "base64", "data": 30 * BASE64}}, 34),
        ({"type": "input_file", "file_data": 10 * DATA}, 12),
        ({"type": "video_url", "video_url": {"url": 30 * DATA}}, 4),
        ({"type": "video_url", "video_url": {"url": "https://example.org/a.mp4"}}, 1),
    ],
)
def test_a_document_and_a_video_are_as_many_items_as_their_size_says(part: dict[str, Any], items: int) -> None:
    made = chain(messages=[{"role": "user", "content": [part]}])
    assert made.media == (0,) * items
    assert sizes(made)[0] < 250


@pytest.mark.parametrize(
    ("body", "items"),
    [
        ({"text": "what?", "image_data": DATA}, 1),
        ({"text": "what?", "image_data": [DATA, "https://example.org/a.png"]}, 2),
        ({"input_ids": [1, 2, 3], "audio_data": [DATA], "video_data": DATA}, 2),
        ({"text": "what?", "image_data": []}, 0),
        ({"text": "what?", "image_data": None}, 0),
    ],
)
def test_media_next_to_a_text_are_items(body: dict[str, Any], items: int) -> None:
    made = chain(**body)
    assert len(made.media) == items
    assert sum(sizes(made)) < 250


def test_a_field_of_a_tool_call_is_no_media() -> None:
    call = {"type": "tool_use", "id": "t", "name": "show", "input": {"image_url": "x" * 1_000}}
    made = chain(messages=[{"role": "assistant", "content": [call]}])
    assert made.media == ()
    assert sizes(made)[0] > 1_000


def test_items_with_media() -> None:
    shot = {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": DATA}}
    result = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": DATA}]}
    made = chain(input=[USER, shot, result, {"type": "image_generation_call", "result": BASE64}])
    assert made.media == (1, 2, 3)
    assert sum(sizes(made)) < 300


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([IMAGE]),
        [{"type": "document", "source": {"type": "text", "data": BASE64}}],
        [{"type": "tool_use", "input": {"data": BASE64}}],
        DATA,
    ],
)
def test_text_about_media_is_text(content: object) -> None:
    made = chain(messages=[{"role": "user", "content": content}])
    assert made.media == ()
    assert sum(sizes(made)) > len(BASE64)


@pytest.mark.parametrize(("character", "size"), [("я", 2), ("中", 3)])
@pytest.mark.parametrize("count", [20, 900, 20_000])
def test_escapes_count_as_their_characters(character: str, size: int, count: int) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": character * count}]}
    made = chain_of(view(json.dumps(body).encode()))
    assert made is not None
    assert sum(sizes(made)) == pytest.approx(size * count + 30, rel=0.2, abs=12)


def test_a_very_long_conversation_ends_in_one_segment() -> None:
    messages = [USER, ANSWER] * 700
    made = chain(messages=messages)
    assert len(made) == MAX_SEGMENTS
    assert sum(sizes(made)) == sum(len(json.dumps(message, separators=(",", ":"))) for message in messages)
    longer = chain(messages=[*messages, USER])
    assert common(made, longer) == MAX_SEGMENTS - 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[' + b"{}," * 10_000_000 + b"{}]}",
        b'{"messages":[{"role":"user","content":[' + b'{"type":"image"},' * 2_000_000 + b"{}]}]}",
        b'{"messages":[{"role":"user","content":"' + b'\\",' * 10_000_000 + b'"}]}',
        b'{"messages":[{"role":"user","content":[{"type":"text","text":"' + b"x" * 30_000_000 + b'"}]}]}',
        b'{"system":[' + b"0," * 10_000_000 + b'0],"messages":[]}',
        b'{"messages":[{"content":' + b"[" * 500 + b"]" * 500 + b"}]}",
        b'{"messages":[{"role"' + b" " * 10_000_000 + b':"user","content":[,"cache_control"' + b" " * 1000 + b"]}]}",
        b'{"prompt":[[' + b"1," * 10_000_000 + b"1]]}",
    ],
    ids=["messages", "images", "escapes", "text", "system", "nested", "blanks", "tokens"],
)
def test_large_bodies_take_no_long_time(body: bytes) -> None:
    request = view(body)
    assert request.json is not None
    start = time.process_time()
    chain_of(request)
    assert time.process_time() - start < 1.0


def test_a_long_prompt_is_read_in_steps() -> None:
    message = {"role": "user", "content": "x" * 100_000}
    request = view(json.dumps({"messages": [message] * 40}).encode())
    assert sum(1 for _ in chain_in_steps(request)) >= 10
    tokens = view(json.dumps({"prompt": "x" * 4_000_000}).encode())
    assert sum(1 for _ in chain_in_steps(tokens)) >= 10


@pytest.mark.parametrize("field", ["messages", "input", "system"])
def test_more_parts_than_a_conversation_of_this_size_has_are_not_read(field: str) -> None:
    few, many = [{"type": "text", "text": "x"}] * FREE_ITEMS, [{"type": "text", "text": "x"}] * (2 * FREE_ITEMS)
    other = {} if field != "system" else {"messages": [USER]}
    assert maybe(**{field: few}, **other) is not None
    assert maybe(**{field: many}, **other) is None


def test_a_body_that_is_no_strict_json_has_no_chain() -> None:
    assert chain_of(view(b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}')) is None
    assert chain_of(view(b'{"messages": [')) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "type", "content", "text", "source", "output", "cache_control", "x"]),
            inner | st.sampled_from(["user", "system", "image", "text", "tool_result", "document"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["messages", "tools", "system", "input", "instructions", "prompt", "text", "input_ids", "thread", "session_params"]
)


@given(st.dictionaries(NAMES, JSON | st.lists(JSON, max_size=4)))
def test_any_json_is_survived(body: dict[str, Any]) -> None:
    made = maybe(**body)
    assert made is None or (len(made) > 0 and len(made.sizes) == SIZE_BYTES * len(made) and made.head <= len(made))


@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "x"]), JSON), min_size=1, max_size=8), st.data())
def test_a_prefix_of_the_messages_is_a_prefix_of_the_chain(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    whole = chain(messages=messages)
    cut = data.draw(st.integers(1, len(messages)))
    part = chain(messages=messages[:cut])
    assert whole.hashes.startswith(part.hashes)
    assert whole.sizes.startswith(part.sizes)


SURROGATE = b"\xed\xa0\x80"


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"role":"%b","content":[{"type":"%b","text":"x"}]}]}',
        b'{"messages":[{"role":"user","content":"%b%b"}]}',
        b'{"input":[{"type":"%b%b","content":"x"}]}',
        b'{"text":["%b"],"image_data":"%b"}',
        b'{"messages":[],"tools":[{"%b":"%b"}]}',
    ],
)
def test_half_of_a_surrogate_pair_in_bytes_raises_nowhere(body: bytes) -> None:
    """Python's json, which the engines use, takes it, and msgspec does not."""
    chain_of(view(body % (SURROGATE, SURROGATE)))


PARTS = st.sampled_from(
    [
        {"type": "text", "text": "a, b"},
        {"type": "input_text", "text": '},{"role":"user"'},
        {"type": "text", "text": "x", "cache_control": MARK},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "tool_result", "content": [{"type": "image"}, {"type": "text", "text": "y" * 300}]},
        {"type": "document", "source": {"type": "text", "data": "z"}},
    ]
)
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text(max_size=80) | st.lists(PARTS)},
    optional={"cache_control": st.just(MARK)},
) | st.fixed_dictionaries({"type": st.just("function_call_output"), "output": st.text(max_size=80)})
BODIES = (
    st.fixed_dictionaries(
        {"messages": st.lists(TURNS, max_size=12)},
        optional={"tools": st.lists(st.just(TOOLS[0])), "system": st.text() | st.lists(PARTS)},
    )
    | st.fixed_dictionaries({"input": st.lists(TURNS, max_size=12)}, optional={"instructions": st.lists(PARTS)})
    | st.fixed_dictionaries(
        {"prompt": st.lists(st.integers()) | st.lists(st.lists(st.integers()), max_size=2) | st.lists(st.text())},
        optional={"image_data": st.lists(st.text())},
    )
)


@given(BODIES, st.sampled_from([None, (",", ":")]), st.integers(20, 300))
def test_a_prompt_read_in_small_steps_has_the_same_chain(
    body: dict[str, Any], separators: tuple[str, str] | None, piece_bytes: int
) -> None:
    raw = json.dumps({"model": "m", **body}, separators=separators).encode()
    forget_messages()
    whole = chain_of(view(raw))
    forget_messages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", piece_bytes)
        patch.setattr(body_reader, "FEW_BYTES", 0)
        patch.setattr(chain_builder, "STEP_BYTES", 64)
        patch.setattr(messages_module, "STEP_BYTES", 64)
        patch.setattr(messages_module, "SCANNED_BYTES", 64)
        assert chain_of(view(raw)) == whole


@pytest.mark.parametrize(
    "body",
    [
        b'{"input":[%b{}]}' % (b"{}," * 1_000_000),
        b'{"input":[%b1]}' % (b"1e5," * 1_500_000),
        b'{"prompt":[%b1]}' % (b'"a",' * 900_000),
        b'{"prompt":[ %b1]}' % (b"1," * 3_000_000),
        b'{"text":"x","image_data":[%b""]}' % (b'"",' * 1_000_000),
        b'{"system":[%b1],"messages":[{}]}' % (b'{"type":"text","text":"x"},' * 150_000),
    ],
    ids=["items", "numbers", "prompts", "tokens", "images", "system"],
)
def test_of_too_many_parts_only_the_first_are_read(body: bytes) -> None:
    request = view(body)
    assert request.json.prompt is not None
    assert sum(1 for _ in chain_in_steps(request)) <= 8
    assert chain_of(request) is None
