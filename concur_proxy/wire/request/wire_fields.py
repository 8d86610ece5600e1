"""The fields of a JSON body as they are on the wire, and what is made of them."""

from typing import Any

import msgspec

from concur_proxy.wire.request.body import NOT_SENT, JsonBody, Prompt
from concur_proxy.wire.request.flags import flag, is_wanted

MAX_NAME_CHARS = 4096
"""Longer names of models (which may be file paths) and responses count as absent."""


class Wire(Prompt, frozen=True, kw_only=True):
    """The fields by their names on the wire: slices of the body."""

    stream: msgspec.Raw = NOT_SENT
    stream_options: msgspec.Raw = NOT_SENT
    model: msgspec.Raw = NOT_SENT
    previous_response_id: msgspec.Raw = NOT_SENT
    conversation: msgspec.Raw = NOT_SENT
    session_params: msgspec.Raw = NOT_SENT
    store: msgspec.Raw = NOT_SENT
    background: msgspec.Raw = NOT_SENT
    thread: msgspec.Raw = NOT_SENT


class UndividedWire(Wire, frozen=True, kw_only=True):
    """The same, if the messages are not to be divided, or are no list."""

    messages: msgspec.Raw = NOT_SENT


class Values(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that are not part of the prompt, decoded. They have any type; None also if absent."""

    stream: Any = None
    stream_options: Any = msgspec.UNSET
    model: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    session_params: Any = None
    store: Any = None
    background: Any = None
    thread: Any = None


def prompt_of(wire: Wire) -> Prompt | None:
    """The wire's fields as a prompt, if one of those that begin a prompt was sent."""
    return wire if wire.messages or wire.input or wire.prompt or wire.text or wire.input_ids else None


def _continues(wire: Values) -> bool:
    """Whether the request refers to a response, a conversation, a thread (Messages API) or a session of SGLang."""
    if wire.previous_response_id or wire.conversation:
        return True
    thread, session = wire.thread, wire.session_params
    if isinstance(thread, dict) and thread.get("previous_message_id"):
        return True
    return isinstance(session, dict) and bool(session.get("id"))


def body_of(wire: Values, fields: dict[str, Any], prompt: Prompt | None, *, is_utf8: bool) -> JsonBody:
    """Make the body of the decoded fields, of the fields for recognisers, and of the prompt."""
    options, previous, thread = wire.stream_options, wire.previous_response_id, wire.thread
    if previous is None and isinstance(thread, dict):
        previous = thread.get("previous_message_id")
    return JsonBody(
        is_stream=flag(wire.stream) is True,
        stream_options=options,
        asks_usage=isinstance(options, dict) and is_wanted(options.get("include_usage")),
        model=_name(wire.model),
        previous_response_id=None if previous is None else _name(previous),
        is_in_thread=isinstance(thread, dict),
        needs_state=bool(previous or wire.conversation or wire.session_params),
        stores=flag(wire.store),
        is_background=flag(wire.background) is True,
        continues=_continues(wire),
        prompt=prompt,
        fields=fields,
        is_utf8=is_utf8,
    )


def _name(value: object) -> str | None:
    """Return a text that can be stored, logged and sent; None for anything else.

    A text of megabytes would be kept with its session and sent to other gateways. One with half of a surrogate pair
    (`"\\ud800"`, which JSON allows) cannot be encoded. No engine has a model of such a name.
    """
    if not isinstance(value, str) or len(value) > MAX_NAME_CHARS:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value
