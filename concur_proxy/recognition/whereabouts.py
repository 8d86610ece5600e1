"""What the search for a request's session needs to know, and its result, the request's *whereabouts*."""

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

import msgspec

from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member


class PromptRole(Enum):
    """When the prompt decides on the session of a request. This is the place of `conversation` in the setting
    `recognisers`, for this request.
    """

    NEVER = "never"
    """The prompt recognises nobody. A request without a name is the only one of its session."""
    LAST = "last"
    """If the client has named no session."""
    FIRST = "first"
    """If it continues a known conversation. If not, the client's name decides."""


class Known(Protocol):
    """What must be known of a session."""

    @property
    def members(self) -> Mapping[str, Member]: ...


class Request(Protocol):
    """What must be known of a request, see `Arrival`."""

    @property
    def key(self) -> str | None: ...
    @property
    def member(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def parent_key(self) -> str | None: ...
    @property
    def hint(self) -> str | None: ...
    @property
    def chain(self) -> Chain | None: ...
    @property
    def prompt_role(self) -> PromptRole: ...
    @property
    def fingerprint(self) -> bytes | None: ...
    @property
    def tenant(self) -> str: ...


class Whereabouts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The session and the member that a request belongs to."""

    session: str
    """The session's name. It may be new."""
    member: str = ""
    """The member's name. It may be new."""
    parent: str = ""
    """The member that started this one."""
    displaced: str = ""
    """The new name of the member that was taken for the main agent until now; empty if no member was."""
    is_declared: bool = True
    """Whether the client named the member, or the session has only this one."""
    is_one_shot: bool = False
    """Whether the request is the only one of its session, because nothing can be recognised in it."""
    by_content: bool = False
    """Whether the prompt continues a known conversation, and this has decided on the session."""
