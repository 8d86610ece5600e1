"""Whatever an engine writes as a token count: a whole number that can be true is counted, anything else is not."""

import json

from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.json_tap import JsonTap
from concur_proxy.wire.answer.tap import StreamTap
from concur_proxy.wire.answer.usage import MOST_TOKENS, Usage, plausible
from concur_proxy.wire.api_shape import ApiShape

USAGES = {
    ApiShape.OPENAI: '"usage":{"prompt_tokens":%s,"completion_tokens":%s,"prompt_tokens_details":{"cached_tokens":%s}}',
    ApiShape.SGLANG: '"meta_info":{"finish_reason":{},"prompt_tokens":%s,"completion_tokens":%s,"cached_tokens":%s}',
    ApiShape.RESPONSES: '"usage":{"input_tokens":%s,"output_tokens":%s,"input_tokens_details":{"cached_tokens":%s}}',
}
EVENTS = {
    ApiShape.OPENAI: 'data: {"choices":[],%s}\n\n',
    ApiShape.SGLANG: 'data: {"text":"a",%s}\n\n',
    ApiShape.RESPONSES: 'data: {"type":"response.completed","response":{%s}}\n\n',
}
ODD = [
    "null", "true", "false", '"7"', "[]", "{}", "7.5", "1e3", "1e400", "-1e400", "NaN", "Infinity", "-Infinity",
    "-0", "-1", str(MOST_TOKENS), str(MOST_TOKENS + 1), str(2**63), str(2**64), "9" * 30, "9" * 5000, "0.0",
]  # fmt: skip
NUMBERS = st.integers(0, 200_000).map(str) | st.integers().map(str) | st.sampled_from(ODD)


def number(written: str) -> int | None:
    """The count that this stands for; None: it is absent. -1: it cannot be one."""
    if len(written) > 100:
        return -1
    value = json.loads(written)
    return value if value is None or type(value) is int else -1


def expected(prompt: str, completion: str, cached: str) -> Usage | None:
    tokens, generated, found = number(prompt), number(completion), number(cached)
    if tokens is None or not 0 <= tokens <= MOST_TOKENS or not 0 <= (generated or 0) <= MOST_TOKENS:
        return None
    kept = found if found is not None and 0 <= found <= tokens else None
    return Usage(prompt_tokens=tokens, completion_tokens=generated or 0, cached_tokens=kept)


@given(shape=st.sampled_from(list(USAGES)), prompt=NUMBERS, completion=NUMBERS, cached=NUMBERS)
def test_only_counts_that_can_be_true_are_counted(shape: ApiShape, prompt: str, completion: str, cached: str) -> None:
    text = USAGES[shape] % (prompt, completion, cached)
    whole, stream = JsonTap(shape), StreamTap(shape)
    whole.feed(f"{{{text}}}".encode())
    stream.feed((EVENTS[shape] % text).encode())
    for tap in (whole, stream):
        tap.finish()
        assert (None if tap.usage is None else plausible(tap.usage)) == expected(prompt, completion, cached)
