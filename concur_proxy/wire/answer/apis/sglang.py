"""SGLang's /generate: every event has counts in `meta_info`. A `finish_reason` that is an object ends one answer.

A request for several answers or prompts gets a list, or events with several ids. Their counts are summed.
"""

from dataclasses import replace
from typing import Any

import msgspec

from concur_proxy.wire.answer.counts import count_of, decode, total_of
from concur_proxy.wire.answer.dialect import EventReading
from concur_proxy.wire.answer.usage import Usage


class _MetaInfo(msgspec.Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None
    cached_tokens: Any = None


class _Answer(msgspec.Struct):
    meta_info: _MetaInfo | None = None


_DECODER = msgspec.json.Decoder(_Answer | list[_Answer])


class SGLangAnswers:
    markers = (b'"finish_reason":{', b'"finish_reason":{')
    tail_key = b'"meta_info"'

    def has_token(self, events: bytes) -> bool:  # noqa: ARG002
        """Always true."""
        return True

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """Read the last event of one answer, and add it to those of other answers."""
        usage = self.read_answer(data)
        if usage is None:
            return None
        return EventReading(usage=_added(before, usage))

    def read_answer(self, body: bytes) -> Usage | None:
        """Read the answer's `meta_info`, summed over a list of answers."""
        decoded = decode(_DECODER, body)
        if decoded is None:
            return None
        total: Usage | None = None
        for answer in decoded if isinstance(decoded, list) else [decoded]:
            usage = None if answer.meta_info is None else _usage(answer.meta_info)
            if usage is not None:
                total = _added(total, usage)
        return total


def _usage(meta: _MetaInfo) -> Usage | None:
    prompt = count_of(meta.prompt_tokens)
    if prompt is None:
        return None
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=count_of(meta.completion_tokens) or 0,
        cached_tokens=count_of(meta.cached_tokens),
    )


def _added(total: Usage | None, usage: Usage) -> Usage:
    if total is None:
        return usage
    cached = total.cached_tokens
    return replace(
        usage,
        prompt_tokens=total_of(total.prompt_tokens, usage.prompt_tokens),
        completion_tokens=total_of(total.completion_tokens, usage.completion_tokens),
        cached_tokens=None if cached is None or usage.cached_tokens is None else total_of(cached, usage.cached_tokens),
    )
