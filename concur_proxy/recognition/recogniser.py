"""What a recogniser is, and in which order several of them are asked.

A recogniser is one module. It has a function `build(options: RecogniserOptions) -> Recogniser`, and the setting
`recognisers` names it: by the name of a module in `concur_proxy.recognition.recognisers`, by an entry point, or as
`module:attribute`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

import msgspec

from concur_proxy.recognition.clients import DEFAULT_SESSION_FIELDS, DEFAULT_SESSION_HEADERS, HINT_FIELD
from concur_proxy.recognition.whereabouts import PromptRole
from concur_proxy.wire.request.view import RequestView

PACKAGE = "concur_proxy.recognition.recognisers"
DEFAULT_RECOGNISERS = ("headers", "body-fields", "previous-response", "conversation")

MAX_KEY_CHARS = 256
"""Longer keys are replaced by their digest: a key costs memory as long as its session lives."""


class Recognition(msgspec.Struct, frozen=True):
    """The session that a request belongs to, and its place in the session's family."""

    key: str
    """The session's key, see `session_key`."""
    by: str
    """The recogniser's name."""
    member: str = ""
    """The member of the family, for clients that send one session key for a whole family. Empty: the main agent."""
    parent: str = ""
    """The member that started this member. Empty: the main agent."""
    parent_key: str | None = None
    """The key of the session whose agent started this one, for clients whose sub-agents have keys of their own."""


class Decider(Enum):
    """Who finds the session, if the recogniser leaves that to somebody else."""

    PROMPT = "prompt"
    """The conversation tree: the session is the one whose conversation the prompt continues. If it continues none, the
    next recogniser decides.
    """


class Found(msgspec.Struct, frozen=True):
    """What all recognisers say about a request."""

    recognition: Recognition | None
    """The session that the client has named."""
    prompt_role: PromptRole
    """Whether the prompt decides, before the client's name or without one."""


class Recogniser(Protocol):
    """One way to find a request's session. It does no I/O and reads no clock."""

    @property
    def body_fields(self) -> Sequence[str]:
        """The top-level fields of a JSON body that it reads; they are in `request.json.fields`."""
        ...

    def recognise(self, request: RequestView) -> Recognition | Decider | None:
        """Return the session of a generating request, or who finds it; None if this recogniser cannot tell. Never
        raises.
        """
        ...


@runtime_checkable
class AnswerLearner(Protocol):
    """A recogniser that also learns from answers."""

    def learn(self, response_id: str, session: str) -> None:
        """An answer to this session begins, and its id is known (responses API, threads of the Messages API). May be
        called again for one answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecogniserOptions:
    """The settings that recognisers are built from."""

    session_headers: Sequence[str] = DEFAULT_SESSION_HEADERS
    session_body_fields: Sequence[str] = DEFAULT_SESSION_FIELDS


class RecogniserChain:
    """Asks several recognisers. The first one that knows the session decides. One that fails is left out."""

    def __init__(
        self, recognisers: Iterable[Recogniser], on_error: Callable[[Exception], None] = lambda _: None
    ) -> None:
        """`on_error` is called when a recogniser, possibly a plug-in, raises an error or returns something else."""
        self._recognisers = tuple(recognisers)
        self._learners = [recogniser for recogniser in self._recognisers if isinstance(recogniser, AnswerLearner)]
        self._on_error = on_error
        self.body_fields = [name for recogniser in self._recognisers for name in recogniser.body_fields]
        """The top-level body fields that any recogniser reads, and the one with the hint."""
        self.body_fields.append(HINT_FIELD)

    def recognise(self, request: RequestView) -> Found:
        """Ask for the session of a generating request."""
        role = PromptRole.NEVER
        for recogniser in self._recognisers:
            try:
                found = recogniser.recognise(request)
            except Exception as error:  # noqa: BLE001 - a plug-in must never stop a request
                self._on_error(error)
                continue
            if isinstance(found, Recognition):
                return Found(found, role)
            if found is Decider.PROMPT:
                role = PromptRole.FIRST
            elif found is not None:
                what = f"{type(found).__name__} instead of a Recognition"
                self._on_error(TypeError(f"{type(recogniser).__qualname__} returned {what}"))
        return Found(None, role)

    def hint(self, request: RequestView) -> str | None:
        """Return the name that the request may share with other conversations (`prompt_cache_key`), as a key."""
        return session_key(request.json.fields.get(HINT_FIELD))

    def learn(self, response_id: str, session: str) -> None:
        """Tell the recognisers that learn from answers; see `AnswerLearner`."""
        for learner in self._learners:
            try:
                learner.learn(response_id, session)
            except Exception as error:  # noqa: BLE001 - see recognise
                self._on_error(error)


def session_key(value: object) -> str | None:
    """Return a client's value as a key: text or a whole number, trimmed. None if it names no session.

    Two different values never get the same key: a value that is too long or unprintable becomes its SHA-256.
    """
    if isinstance(value, bytes):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
    elif isinstance(value, str):
        text = value
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    else:
        return None
    text = text.strip()
    if not text:
        return None
    if len(text) > MAX_KEY_CHARS or not text.isprintable():
        return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return text
