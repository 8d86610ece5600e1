import json

import httpx
import pytest

from concur_proxy.steps import finish
from concur_proxy.wire.request.models import longest_context, merge_lists, model_ids, model_in_form, model_in_path


def _list(*names: str, **more: object) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name, **more} for name in names]}).encode()


def test_a_list_names_its_models_and_adapters() -> None:
    assert model_ids(_list("base", "lora", parent="base")) == frozenset({"base", "lora"})
    assert model_ids(_list()) == frozenset()


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"{}", b'{"data":{}}', b"\xff", b"[" * 100_000])
def test_what_is_no_list_tells_nothing(body: bytes) -> None:
    assert model_ids(body) is None
    assert longest_context(body) is None
    assert merge_lists([body]) is None


@pytest.mark.parametrize(
    ("cards", "longest"),
    [
        ([{"id": "a", "max_model_len": 7}, {"id": "b", "max_model_len": 9}], 9),
        ([{"id": "a", "max_model_len": 7}, {"id": "lora", "parent": "a", "max_model_len": None}], 7),
        ([{"id": "a", "max_model_len": 7}, {"id": "b"}], None),
        ([{"id": "a", "max_model_len": 0}], None),
        ([{"id": "a", "max_model_len": True}], None),
        ([{"id": "a", "max_model_len": "7"}], None),
        ([], None),
    ],
)
def test_the_longest_context_is_known_if_each_model_says_it(
    cards: list[dict[str, object]], longest: int | None
) -> None:
    assert longest_context(json.dumps({"data": cards}).encode()) == longest


def test_cards_that_are_none_are_left_out() -> None:
    assert model_ids(b'{"data":[{"id":"a"},{"id":7},"b",{}]}') == frozenset({"a"})


def test_lists_are_merged_in_order_and_a_model_is_named_once() -> None:
    merged = merge_lists([b"broken", _list("a", "b", max_model_len=7), _list("b", "c", max_model_len=9)])
    assert merged is not None
    assert json.loads(merged) == {
        "object": "list",
        "data": [{"id": "a", "max_model_len": 7}, {"id": "b", "max_model_len": 7}, {"id": "c", "max_model_len": 9}],
    }


def test_a_path_names_a_model_with_slashes() -> None:
    assert model_in_path("/v1/models/org/model") == "org/model"
    assert model_in_path("/v1/embeddings") is None


def test_a_form_names_its_model() -> None:
    for fields in ({"language": "en", "model": "whisper"}, {"model": "whisper", "language": "en"}):
        request = httpx.Request("POST", "http://e/", data=fields, files={"file": ("model.wav", b"\r\n\x00data")})
        assert finish(model_in_form(request.read())) == "whisper"
    assert finish(model_in_form(httpx.Request("POST", "http://e/", files={"file": ("x", b"y")}).read())) is None
    named = b"--b\r\nContent-Disposition: form-data; name=model\r\nContent-Type: text/plain\r\n\r\nw\r\n--b--\r\n"
    assert (
        finish(model_in_form(b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\nname="model"\r\n' + named)) == "w"
    )


@pytest.mark.parametrize("body", [b"", b"\r\n", b"--b", b"--b\r\n" * 300_000, b"\r\ncontent-disposition:" * 300_000])
def test_a_form_without_a_model_names_none(body: bytes) -> None:
    assert finish(model_in_form(body)) is None


def test_a_long_form_is_searched_in_steps() -> None:
    body = (
        b"--b\r\n\r\n"
        + b"\r\n--c" * 1_000_000
        + b'\r\n--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nw\r\n'
    )
    assert sum(1 for _ in model_in_form(body)) >= 4
    assert finish(model_in_form(body)) == "w"
