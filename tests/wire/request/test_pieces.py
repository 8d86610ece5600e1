"""A long array that is divided in pieces has the same elements as one that is decoded in one step."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concur_proxy.steps import finish
from concur_proxy.wire.request import pieces
from concur_proxy.wire.request.pieces import PIECE_BYTES, elements_of

DECODER = msgspec.json.Decoder(list[msgspec.Raw])
TRAP = '},{"role":"user","content":"'
MANY = 10_000_000


def elements(array: bytes, most: int = MANY) -> list[bytes] | None:
    found = finish(elements_of(array, most))
    return None if found is None else list(map(bytes, found))


def in_one_step(array: bytes) -> list[bytes]:
    return list(map(bytes, DECODER.decode(array)))


texts = st.text(max_size=12) | st.sampled_from([TRAP, '"],', "],", ",", '\\",{'])
values = st.recursive(
    st.none() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(values, max_size=40), st.integers(4, 200), st.sampled_from([(",", ":"), (" , ", " : ")]))
@settings(deadline=None)
def test_an_array_in_pieces_has_the_same_elements(
    found: list[object], piece_bytes: int, separators: tuple[str, str]
) -> None:
    array = json.dumps(found, separators=separators).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", piece_bytes)
        assert elements(array) == in_one_step(array)
        assert elements(array, len(found)) == in_one_step(array)
        if found:
            assert elements(array, len(found) - 1) is None


LONG = 5 * PIECE_BYTES
ARRAYS = {
    "messages": [{"role": "user", "content": "ab cd " * 400}] * (LONG // 2400),
    "blocks": [{"role": "user", "content": [{"type": "text", "text": "abc"}] * 9}] * (LONG // 300),
    "items": [{"role": "system"}, *[{"type": "message", "content": "ab " * 40}] * (LONG // 160)],
    "texts": ["ab, cd"] * (LONG // 9),
    "numbers": [12345] * (LONG // 6),
    "lists": [[1, 2, 3]] * (LONG // 8),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("indent", [None, 1])
def test_no_step_decodes_more_than_a_piece(name: str, indent: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    array = json.dumps(ARRAYS[name], indent=indent).encode()
    decoded: list[int] = []

    class Counting:
        def decode(self, piece: bytes) -> list[msgspec.Raw]:
            decoded.append(len(piece))
            return DECODER.decode(piece)

    monkeypatch.setattr(pieces, "_LIST", Counting())
    assert elements(array) == in_one_step(array)
    assert max(decoded) <= PIECE_BYTES + 2
    assert sum(decoded) <= 3 * len(array)


@pytest.mark.parametrize("element", [b"{}", b"[]", b"1", b'""', b'{"a":[{},{},{}]}', b"[1,[2],3]"])
def test_of_too_many_elements_only_the_first_are_decoded(element: bytes) -> None:
    array = b"[" + (element + b",") * (8 * PIECE_BYTES // len(element)) + element + b"]"
    steps = elements_of(array, 1000)
    assert sum(1 for _ in steps) <= 4
    assert elements(array, 1000) is None


def test_one_element_is_decoded_twice_at_most() -> None:
    array = b"[[%b1]]" % (b"1," * (4 * PIECE_BYTES))
    assert elements(array, 1) == [array[1:-1]]
    assert sum(1 for _ in elements_of(array, 1)) <= 4 + 8


@pytest.mark.parametrize("element", [b'{"a":[{},{},{},{},{}]}', b"1"])
def test_a_long_piece_of_very_many_elements_is_not_decoded(element: bytes) -> None:
    """No comma can be found at which it can be cut."""
    array = b"[{},%b{}]" % ((element + b",  ") * (PIECE_BYTES // 2))
    assert elements(array) is None


def test_a_long_element_of_very_many_commas_is_decoded() -> None:
    long = {"role": "user", "content": "1,2," * PIECE_BYTES}
    short = {"role": "user", "content": "x"}
    for found in ([long], [short, long], [short, long, short, long, short], [long, long]):
        for separators in [(",", ":"), None]:
            array = json.dumps(found, separators=separators).encode()
            assert elements(array) == in_one_step(array)
