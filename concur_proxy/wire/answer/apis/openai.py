"""chat/completions and completions: `usage` in the answer. A stream has it on request, in a last event without choices.

In the other events of vLLM 0.32 and SGLang 0.5.23, `usage` is absent or null. With `continuous_usage_stats` (and vLLM's
--enable-force-include-usage) every event has it.
"""

import re
from typing import Any

import msgspec

from concur_proxy.wire.answer.counts import cached_in, count_of, decode
from concur_proxy.wire.answer.dialect import EventReading
from concur_proxy.wire.answer.usage import Usage


class _Counts(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: Any = None


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Counts | None = None
    system_fingerprint: str | None = None


_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|refusal|text|name|arguments)"\s*:\s*"[^"]')

_DECODER = msgspec.json.Decoder(_Answer)


class OpenAIAnswers:
    markers = (b'"usage"', b'"finish_reason":"')
    tail_key = b'"usage"'

    def has_token(self, events: bytes) -> bool:
        """Whether there is text. A chunk that only names the role has an empty delta."""
        return b'"delta"' not in events or _TEXT.search(events) is not None

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """Read a chunk. A later usage replaces an earlier one."""
        answer = decode(_DECODER, data)
        if answer is None:
            return None
        fingerprint = answer.system_fingerprint
        return EventReading(
            usage=_usage(answer) or before,
            choices=None if answer.choices is None else len(answer.choices),
            ends_choice=any(choice.finish_reason is not None for choice in answer.choices or ()),
            fingerprint=None if fingerprint is None else msgspec.json.encode(fingerprint),
        )

    def read_answer(self, body: bytes) -> Usage | None:
        """Read the answer's `usage`."""
        answer = decode(_DECODER, body)
        return None if answer is None else _usage(answer)


def _usage(answer: _Answer) -> Usage | None:
    counts = answer.usage
    prompt = None if counts is None else count_of(counts.prompt_tokens)
    if counts is None or prompt is None:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=count_of(counts.completion_tokens) or 0,
        cached_tokens=cached_in(counts.prompt_tokens_details),
    )
