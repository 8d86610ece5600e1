"""The two ways to an engine, directly and through the gateway, and the comparison of their answers."""

import asyncio
import json
import re
from collections.abc import Callable, Iterable
from difflib import unified_diff
from pprint import pformat
from typing import Any, Final, TypeVar

import anthropic
import httpx
import httpx2
import openai
from pydantic import BaseModel

from tests.real_engine.series import Series

Answer = TypeVar("Answer")
STATUS_ERRORS = (openai.APIStatusError, anthropic.APIStatusError)

TIMEOUT_S: Final = 60.0
CHANGING_FIELDS: Final = frozenset({"id", "item_id", "call_id", "created", "created_at", "sequence_number"})
"""Ids, times and numbers that differ between two answers to the same request."""
CHANGING_HEADERS: Final = frozenset({"date", "connection", "transfer-encoding"})
TOLD_HEADERS: Final = frozenset({"x-request-id", "x-concur-engine", "x-concur-queue-wait-s", "x-concur-session-state"})
"""What the gateway reports about a request, unless `tell_clients` is off."""
TEXT_FIELDS: Final = frozenset({"content", "text", "delta", "arguments", "partial_json"})
"""Strings that an engine splits into events as its scheduler happens to run."""


class Way:
    """One way to the engine, with a client of each kind. The clients do not retry, so that every failure shows."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.series = Series(url)
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)
        self.openai = openai.OpenAI(
            base_url=f"{url}/v1",
            api_key="none",
            max_retries=0,
            timeout=TIMEOUT_S,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )
        self.anthropic = anthropic.Anthropic(
            base_url=url,
            api_key="none",
            max_retries=0,
            timeout=TIMEOUT_S,
            http_client=anthropic.DefaultHttpxClient(trust_env=False),
        )

    def close(self) -> None:
        self.series.close()
        self.http.close()
        self.openai.close()
        self.anthropic.close()


class BothWays:
    """Makes the same request on both ways."""

    def __init__(self, direct: Way, proxied: Way) -> None:
        self.direct = direct
        self.proxied = proxied

    def same(self, ask: Callable[[Way], Answer]) -> Answer:
        """The gateway's answer. Raises the error of the client for an error status.

        Except for ids and times, it must equal the engine's answer.
        """
        _outcome(ask, self.direct)  # from now on the prompt is cached for both ways
        expected = _comparable_outcome(_outcome(ask, self.direct))
        outcome = _outcome(ask, self.proxied)
        seen = _comparable_outcome(outcome)
        before, after = (pformat(value).splitlines() for value in (expected, seen))
        assert seen == expected, "\n".join(unified_diff(before, after, "direct", "proxied"))
        if isinstance(outcome, STATUS_ERRORS):
            raise outcome
        return outcome


def _outcome(ask: Callable[[Way], Answer], way: Way) -> Answer | openai.APIStatusError | anthropic.APIStatusError:
    try:
        return ask(way)
    except STATUS_ERRORS as error:
        return error


def _comparable_outcome(outcome: object) -> object:
    if isinstance(outcome, STATUS_ERRORS):
        return type(outcome).__name__, comparable(outcome.response)
    return comparable(outcome)


def comparable(answer: object) -> object:
    """An SDK's object, a list of its events, or a plain response, without what changes from answer to answer."""
    if isinstance(answer, (httpx.Response, httpx2.Response)):
        headers = {name: value for name, value in answer.headers.items() if name not in CHANGING_HEADERS | TOLD_HEADERS}
        if "event-stream" in headers.get("content-type", ""):
            return answer.status_code, headers, folded(sse_events(answer.text))
        is_json = "json" in headers.get("content-type", "")
        return answer.status_code, headers, _masked(answer.json()) if is_json else answer.text
    if isinstance(answer, BaseModel):
        # vLLM omits fields that the types of the SDKs require, and pydantic would warn about them
        return type(answer).__name__, _masked(answer.model_dump(mode="json", warnings=False))
    if isinstance(answer, list):
        return folded([event.model_dump(mode="json", warnings=False) for event in answer])
    return answer


def sse_events(text: str) -> list[object]:
    """The events of a whole stream. Asserts that its framing equals vLLM's, byte for byte."""
    frames = text.split("\n\n")
    assert frames.pop() == "", "the stream ends in the middle of an event"
    events: list[object] = []
    for frame in frames:
        parts = re.fullmatch(r"(?:event: (?P<name>\S+)\n)?data: (?P<data>.*)", frame)
        assert parts is not None, frame
        data = parts["data"]
        events.append({"event": parts["name"], "data": data if data == "[DONE]" else json.loads(data)})
    return events


def folded(events: Iterable[object]) -> tuple[str, list[object]]:
    """All text of a stream in one piece, and its events without text. Equal events in a row count once."""
    text: list[str] = []
    runs: list[object] = []
    for event in events:
        bare = _masked(event, text)
        if not runs or runs[-1] != bare:
            runs.append(bare)
    return "".join(text), runs


def _masked(value: Any, text: list[str] | None = None) -> object:  # noqa: ANN401 - JSON
    """`value` without fields that change. If `text` is given, the text moves there."""
    if isinstance(value, list):
        return [_masked(item, text) for item in value]
    if not isinstance(value, dict):
        return value
    bare: dict[str, object] = {}
    for name, item in value.items():
        if name in CHANGING_FIELDS and item is not None:
            bare[name] = "..."
        elif text is not None and name in TEXT_FIELDS and isinstance(item, str):
            text.append(item)
            bare[name] = "..."
        else:
            bare[name] = _masked(item, text)
    return bare


async def until(condition: Callable[[], bool], what: str, seconds: float = 40.0) -> None:
    """Return once `condition` is true. Raises `AssertionError` if it is not true within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None
