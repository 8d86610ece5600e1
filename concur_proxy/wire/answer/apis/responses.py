"""responses: the answer is a response with `usage`; a stream's last event holds the whole response."""

import re
from typing import Any

import msgspec

from concur_proxy.wire.answer.counts import cached_in, count_of, decode
from concur_proxy.wire.answer.dialect import EventReading
from concur_proxy.wire.answer.usage import Usage


class _Counts(msgspec.Struct):
    input_tokens: Any = None
    output_tokens: Any = None
    input_tokens_details: Any = None
    # SGLang 0.5.23 uses the names of chat/completions here.
    prompt_tokens: Any = None
    completion_tokens: Any = None
    prompt_tokens_details: Any = None


class _Response(msgspec.Struct):
    usage: _Counts | None = None


class _Event(msgspec.Struct):
    response: _Response | None = None


# The event's name or its type. A text that contains the type has escaped quotes.
_DELTA = re.compile(rb'(?:^event:\s*|"type"\s*:\s*")response\.[a-z_.]*delta\b', re.MULTILINE)

_EVENT_DECODER = msgspec.json.Decoder(_Event)
_ANSWER_DECODER = msgspec.json.Decoder(_Response)


class ResponsesAnswers:
    markers = (b'"usage"', b'"usage"')
    tail_key = b'"usage"'

    def has_token(self, events: bytes) -> bool:
        """Whether there is a delta. `response.created` and the next events come before the prompt is computed."""
        return _DELTA.search(events) is not None

    def read_event(self, data: bytes, before: Usage | None) -> EventReading | None:
        """Read an event that has a response. The one that ends the stream has the usage."""
        event = decode(_EVENT_DECODER, data)
        if event is None:
            return None
        usage = None if event.response is None else _usage(event.response)
        return EventReading(usage=usage or before)

    def read_answer(self, body: bytes) -> Usage | None:
        """Read the response's `usage`."""
        response = decode(_ANSWER_DECODER, body)
        return None if response is None else _usage(response)


def _usage(response: _Response) -> Usage | None:
    counts = response.usage
    if counts is None:
        return None
    prompt = count_of(counts.prompt_tokens if counts.input_tokens is None else counts.input_tokens)
    if prompt is None:
        return None
    completion = count_of(counts.completion_tokens if counts.output_tokens is None else counts.output_tokens)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion or 0,
        cached_tokens=cached_in(counts.input_tokens_details or counts.prompt_tokens_details),
    )
