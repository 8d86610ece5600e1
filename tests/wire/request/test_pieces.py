"""A long list of messages that is decoded in pieces reads as it does in one."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.steps import finish
from concur_proxy.wire.request.body_reader import STEP_BYTES, JsonBodyReader
from concur_proxy.wire.request.pieces import read_pieces
from concur_proxy.wire.request.wire_fields import Wire

DECODER = msgspec.json.Decoder(Wire)
TRAP = '},{"role":"user","content":"'


def in_pieces(body: bytes, piece_bytes: int = 64) -> Wire | None:
    return finish(read_pieces(body, DECODER, piece_bytes))


def conversation(number: int, **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": f"turn {n}"} for n in range(number)], **more}


texts = st.text(max_size=40) | st.just(TRAP)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool"]), "content": texts | st.lists(texts, max_size=3)}
)


@given(
    st.lists(messages, max_size=12), st.dictionaries(st.sampled_from(["stream", "tools", "store"]), texts), st.data()
)
def test_a_body_in_pieces_reads_as_in_one(found: list[object], more: dict[str, object], data: st.DataObject) -> None:
    fields = list({"model": "m", "messages": found, **more}.items())
    order = dict(data.draw(st.permutations(fields)))
    separators = data.draw(st.sampled_from([None, (",", ":")]))
    body = json.dumps(order, separators=separators, ensure_ascii=data.draw(st.booleans())).encode()
    read = in_pieces(body, data.draw(st.integers(16, 200)))
    assert read is None or read == DECODER.decode(body)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_usual_conversation_is_read_in_pieces(indent: int | None) -> None:
    body = json.dumps(conversation(30, stream=True), indent=indent).encode()
    read = in_pieces(body)
    assert read is not None
    assert read == DECODER.decode(body)
    assert len(read.messages) == 30


@pytest.mark.parametrize(
    "body",
    [
        {"input": conversation(20)["messages"]},
        {"messages": [{"role": "user", "content": "x" * 500}]},
        {"metadata": conversation(20), "messages": []},
        {"messages": [{"role": "user", "content": "x", "earlier": conversation(20)["messages"]}]},
    ],
)
def test_what_is_no_long_list_of_messages_is_not_cut(body: dict[str, object]) -> None:
    assert in_pieces(json.dumps(body).encode()) is None


@pytest.mark.parametrize("damage", [b"", b"]", b"}}", b"]} x"])
def test_what_is_no_json_is_not_read(damage: bytes) -> None:
    body = json.dumps(conversation(30)).encode()
    assert in_pieces(body[:-2] + damage) is None


def test_of_two_lists_of_messages_the_last_counts() -> None:
    one, other = (json.dumps(conversation(20, model=model)).encode() for model in "ab")
    body = one[:-1] + b"," + other[1:]
    assert in_pieces(body) in (None, DECODER.decode(body))
    assert in_pieces(body, len(one) - 100) in (None, DECODER.decode(body))


def test_a_body_of_megabytes_is_read_in_pieces_of_a_megabyte() -> None:
    found = [{"role": "user", "content": "ab cd " * 20_000} for _ in range(40)]
    body = json.dumps({"messages": found, "model": "m"}).encode()
    assert sum(1 for _ in read_pieces(body, DECODER, STEP_BYTES)) >= 2 * (len(body) // STEP_BYTES)
    read = JsonBodyReader().read(body)
    assert isinstance(read.prompt.messages, list)  # type: ignore[union-attr]
    assert list(map(bytes, read.prompt.messages)) == [json.dumps(each).encode() for each in found]  # type: ignore[union-attr]
