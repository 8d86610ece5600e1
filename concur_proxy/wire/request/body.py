"""What the gateway reads in a request's JSON body."""

from collections.abc import Mapping
from typing import Any

import msgspec

from concur_proxy.wire.answer.fault import GatewayFault

MAX_MESSAGES = 20_000
"""More messages are not divided, because each would cost memory: no conversation is that long."""

NOT_SENT = msgspec.Raw()


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that make up a prompt in any of the APIs, as sent: slices of the body, not decoded, of any JSON type.
    A large body is condensed before, see `condense`.

    Empty where absent.
    """

    messages: list[msgspec.Raw] | msgspec.Raw = NOT_SENT
    """A list of slices, unless it is no list, or a long one of more than `MAX_MESSAGES`."""
    tools: msgspec.Raw = NOT_SENT
    system: msgspec.Raw = NOT_SENT
    """Messages API: a text or text blocks."""
    input: msgspec.Raw = NOT_SENT
    """Responses API: a text or items."""
    instructions: msgspec.Raw = NOT_SENT
    """Responses API: the system prompt."""
    prompt: msgspec.Raw = NOT_SENT
    """Completions: a text, tokens, or several of them."""
    text: msgspec.Raw = NOT_SENT
    """SGLang's own API: a text or several."""
    input_ids: msgspec.Raw = NOT_SENT
    """SGLang's own API: tokens, or several lists of tokens."""
    image_data: msgspec.Raw = NOT_SENT
    """SGLang's own API: an image or several, as URL, path or base64."""
    audio_data: msgspec.Raw = NOT_SENT
    video_data: msgspec.Raw = NOT_SENT


class JsonBody(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of one body. A field of an unexpected type counts as absent: the engine judges it.

    It is a msgspec.Struct because one is made for every request: a frozen dataclass costs five times as much.
    """

    is_stream: bool = False
    """Whether the engine reads `stream` as true, see `_flag`."""
    stream_options: Any = msgspec.UNSET
    """`stream_options` as sent, UNSET where absent."""
    asks_usage: bool = False
    """Whether the client itself asked for a usage event."""
    model: str | None = None
    previous_response_id: str | None = None
    """The response that this request continues (responses API), or the message (threads of the Messages API)."""
    is_in_thread: bool = False
    """Whether the answer becomes part of a thread of the Messages API, so that a later request may continue it."""
    needs_state: bool = False
    """Whether the request uses something that only one engine keeps: a response, a conversation, an SGLang session."""
    stores: bool | None = None
    """`store` as the engine reads it: whether it shall keep the answer; None where absent."""
    is_background: bool = False
    """Whether the engine continues to work after it has answered."""
    continues: bool = False
    """Whether the prompt begins with something that the engine keeps, so that the body has only what comes after it."""
    prompt: Prompt | None = None
    """The parts of the prompt; None without a prompt, or if the body is no strict JSON in UTF-8."""
    fields: Mapping[str, Any] = {}
    """The further top-level fields that the reader was made for, as far as present."""
    is_utf8: bool = True
    """Whether the bytes are UTF-8 without a byte-order mark, so that bytes may be inserted."""


EMPTY_BODY = JsonBody()
UNREAD_BODY = JsonBody(is_utf8=False)
"""A body of which the gateway can read nothing in bounded time. It is passed on, and the engine judges it."""


class BodyFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a body cannot be read: no engine could read it either."""

    fault: GatewayFault
    """BAD_JSON or BODY_NOT_OBJECT."""
    detail: str
    """Where and why, for the error message."""
