"""messages: `usage` in the answer; in a stream, the prompt's part in `message_start` and the rest in `message_delta`.

`input_tokens` does not include what was read from the cache or written to it. The prompt is input_tokens +
cache_read_input_tokens + cache_creation_input_tokens (Anthropic's documentation of prompt caching; vLLM 0.32 and
SGLang 0.5.23 subtract in the same way).
"""

import re
from typing import Any

import msgspec

from concur_proxy.wire.answer.counts import count_of, decode, total_of
from concur_proxy.wire.answer.dialect import EventReading
from concur_proxy.wire.answer.usage import Usage


class _Counts(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    cache_read_input_tokens: Any = None
    cache_creation_input_tokens: Any = None


class _Message(msgspec.Struct):
    usage: _Counts | None = None


class _Event(msgspec.Struct):
    message: _Message | None = None
    usage: _Counts | None = None


_DELTA = re.compile(rb'(?:^event:\s*|"type"\s*:\s*")content_block_delta\b', re.MULTILINE)

_EVENT_DECODER = msgspec.json.Decoder(_Event)
_ANSWER_DECODER = msgspec.json.Decoder(_Message)


class AnthropicAnswers:
    markers = (b'"usage"', b'"usage"')
    tail_key = b'"usage"'

    def has_token(self, events: bytes) -> bool:
        """Whether there is a delta of a content block. `message_start` and pings may come long before."""
        return _DELTA.search(events) is not None

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """Read `message_start` or `message_delta`. A later event corrects an earlier one."""
        event = decode(_EVENT_DECODER, data)
        if event is None:
            return None
        if event.message is not None:
            usage = _usage(event.message.usage)
            return EventReading(usage=usage or before)
        return EventReading(usage=_corrected(before, event.usage))

    def read_answer(self, body: bytes) -> Usage | None:
        """Read the message's `usage`."""
        message = decode(_ANSWER_DECODER, body)
        return None if message is None else _usage(message.usage)


def _usage(counts: _Counts | None) -> Usage | None:
    if counts is None or counts.input_tokens is None:
        return None
    return Usage(
        prompt_tokens=_prompt(counts),
        completion_tokens=count_of(counts.output_tokens) or 0,
        cached_tokens=count_of(counts.cache_read_input_tokens),
    )


def _corrected(before: Usage | None, counts: _Counts | None) -> Usage | None:
    if counts is None:
        return before
    # An event that repeats the prompt's part repeats all of it: input_tokens and the cache fields belong together.
    prompt, completion = _prompt(counts), count_of(counts.output_tokens)
    if before is None:
        return None if not prompt else _usage(counts)
    return Usage(
        prompt_tokens=prompt or before.prompt_tokens,
        completion_tokens=before.completion_tokens if completion is None else completion,
        cached_tokens=count_of(counts.cache_read_input_tokens) if prompt else before.cached_tokens,
    )


def _prompt(counts: _Counts) -> int:
    parts = (counts.input_tokens, counts.cache_read_input_tokens, counts.cache_creation_input_tokens)
    return total_of(*map(count_of, parts))
