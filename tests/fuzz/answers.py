"""Fuzz targets: what the gateway reads in answers of engines, and in their metrics."""

import math
import re
from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from concur_proxy import plugins
from concur_proxy.engines.exposition import read_exposition
from concur_proxy.engines.sample import MOST_TOKENS, SignalRates, without_errors
from concur_proxy.wire.answer.dialect import Tap
from concur_proxy.wire.answer.json_tap import JsonTap
from concur_proxy.wire.answer.tap import StreamTap
from concur_proxy.wire.answer.usage import MOST_TOKENS as MOST_ANSWER_TOKENS
from concur_proxy.wire.answer.usage import Usage, plausible
from concur_proxy.wire.api_shape import ApiShape

_SHAPES = list(ApiShape)
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_KINDS = plugins.own_engine_kinds()


def stream(data: bytes) -> None:
    """However a stream is cut, the client gets the same bytes and the gateway reads the same usage.

    The first byte selects the API and whether usage is stripped, the second the cuts.
    """
    how, cut, text = data[:1], data[1:2], data[2:]
    shape, strip = _SHAPES[sum(how) % len(_SHAPES)], sum(how) >= 128
    whole = _passed(StreamTap(shape, strip=strip), [text])
    assert _passed(StreamTap(shape, strip=strip), pieces(text, sum(cut))) == whole
    assert strip or whole[0] == text
    _check_usage(whole[1])


def answer(data: bytes) -> None:
    """However a JSON answer is cut, it passes as it is, and the gateway reads the same usage."""
    how, cut, text = data[:1], data[1:2], data[2:]
    shape = _SHAPES[sum(how) % len(_SHAPES)]
    whole = _passed(JsonTap(shape), [text])
    assert whole[0] == text
    assert _passed(JsonTap(shape), pieces(text, sum(cut))) == whole
    _check_usage(whole[1])


def metrics(data: bytes) -> None:
    """What prometheus_client accepts as a whole is read as prometheus_client reads it, and no text raises."""
    text = data.decode("utf-8", "replace")
    ours = read_exposition(text, lambda _: True)
    # A declared type makes prometheus_client rename samples, but the gateway looks for the names that engines write.
    plain = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("#"))
    try:
        samples = [sample for family in text_string_to_metric_families(plain) for sample in family.samples]
    except (ValueError, IndexError, OverflowError):
        samples = None
    if samples is not None:
        theirs: dict[str, list[tuple[dict[str, str], float]]] = {}
        for sample in samples:
            if math.isfinite(sample.value) and _NAME.fullmatch(sample.name):
                theirs.setdefault(sample.name, []).append((sample.labels, float(sample.value)))
        read = {name: [(dict(one.labels), one.value) for one in many] for name, many in ours.series.items()}
        assert {name: many for name, many in read.items() if _NAME.fullmatch(name)} == theirs
    for kind in _KINDS:
        rates = SignalRates()
        for at in (1.0, 2.0):
            reading, _ = without_errors(kind.read(read_exposition(text, kind.wants), at=at))
            assert reading.kv_usage is None or 0 <= reading.kv_usage <= 1.5
            assert reading.capacity_tokens is None or 0 < reading.capacity_tokens <= MOST_TOKENS
            rates.advance(reading)


def pieces(text: bytes, seed: int) -> list[bytes]:
    """Cut the text at places that depend on the seed only. Seed 0 cuts between all bytes."""
    if not seed:
        return [text[at : at + 1] for at in range(len(text))]
    cut, at = [], 0
    while at < len(text):
        seed = (seed * 1_103_515_245 + 12_345) % 2**31
        size = seed >> 16 & 31
        cut.append(text[at : at + size])
        at += size
    return cut


def _passed(tap: Tap, chunks: Iterable[bytes]) -> tuple[bytes, Usage | None]:
    output = b"".join([*map(tap.feed, chunks), tap.finish()])
    return output, tap.usage


def _check_usage(usage: Usage | None) -> None:
    kept = None if usage is None else plausible(usage)
    if kept is not None:
        assert 0 <= kept.prompt_tokens <= MOST_ANSWER_TOKENS
        assert 0 <= kept.completion_tokens <= MOST_ANSWER_TOKENS
        assert kept.cached_tokens is None or 0 <= kept.cached_tokens <= kept.prompt_tokens
