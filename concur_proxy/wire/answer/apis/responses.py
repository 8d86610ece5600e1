"""responses: the answer is a response with `usage`; a stream's last event holds the whole response."""

import re

import msgspec

from concur_proxy.wire.answer.dialect import EventReading
from concur_proxy.wire.answer.usage import Usage


class _Details(msgspec.Struct):
    cached_tokens: int | None = None


class _Counts(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _Details | None = None
    # SGLang 0.5.23 uses the names of chat/completions here.
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


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
        try:
            response = _EVENT_DECODER.decode(data).response
        except (msgspec.DecodeError, RecursionError):
            return None
        usage = None if response is None else _usage(response)
        return EventReading(usage=usage or before)

    def read_answer(self, body: bytes) -> Usage | None:
        """Read the response's `usage`."""
        try:
            return _usage(_ANSWER_DECODER.decode(body))
        except (msgspec.DecodeError, RecursionError):
            return None


def _usage(response: _Response) -> Usage | None:
    counts = response.usage
    if counts is None:
        return None
    prompt = counts.input_tokens if counts.input_tokens is not None else counts.prompt_tokens
    if prompt is None:
        return None
    completion = counts.output_tokens if counts.output_tokens is not None else counts.completion_tokens
    details = counts.input_tokens_details or counts.prompt_tokens_details
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion or 0,
        cached_tokens=None if details is None else details.cached_tokens,
    )
