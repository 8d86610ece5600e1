"""Everything that is known about a request: `Arrival` when it arrives, `Answered` when its answer has ended.

The HTTP side makes these objects. Every layer down to the gate, and the messages over Redis, pass them on unchanged. To
add a fact, add one field with a default here, and the code that uses it. The objects hold plain values only
(`gc=False`).
"""

import msgspec

from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.whereabouts import PromptRole


class Arrival(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """A request as it arrives."""

    key: str | None = None
    """The session's key. None: the client named no session. The conversation tree may find one by `chain`."""
    member: str = ""
    """The member of the session's family, such as a sub-agent with an id of its own. Empty: the main agent."""
    parent: str = ""
    """The member that started this member. Empty: the main agent."""
    parent_key: str | None = None
    """The key of the session whose agent started this one, for clients whose sub-agents have session keys of their own.
    This session then belongs to the parent's family and uses its place.
    """
    hint: str | None = None
    """A name that several conversations may share, such as `prompt_cache_key`. It names no session by itself."""
    chain: Chain | None = None
    """The segments of the prompt; None if the body could not be read."""
    model: str | None = None
    """The model that the request names. None: any engine can serve it."""
    body_bytes: int = 0
    """Size of the body, from which its tokens are estimated."""
    hold_s: float = 0.0
    """How long the request may wait for admission, in seconds from its arrival."""
    avoid: str | None = None
    """An engine that has just failed this request. The request goes there only if no other engine can serve it."""
    home: str | None = None
    """The engine that keeps the response that the request continues: no other engine can answer it. None: not known."""
    fingerprint: bytes | None = None
    """A hash of client and body, only for a request in which nothing can be recognised. If it is refused after a wait,
    an equal request keeps its turn.
    """
    prompt_role: PromptRole = PromptRole.LAST
    """Whether the conversation tree may find the session by `chain`, before `key` or without one."""
    tenant: str = ""
    """The name of the client's tenant. Empty: there is only one."""
    weight: float = 1.0
    """The tenant's share in comparison with that of other tenants."""
    priority: int = 0
    """The priority class; 0 is the normal one."""
    max_active: int | None = None
    """The tenant's sessions that may hold a place at one engine; None: no limit."""
    max_waiting: int | None = None
    """The tenant's sessions that may wait for a place at one engine; None: no limit."""

    def after(self, seconds: float) -> "Arrival":
        """The same request after it has waited for `seconds`: the time that it may still wait is shorter by this."""
        return msgspec.structs.replace(self, hold_s=self.hold_s - seconds) if seconds else self


class Answered(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How an admitted request ended."""

    prompt_tokens: int | None = None
    """Tokens of the prompt as the engine counted them; None if it did not."""
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """The part of the prompt that was in the engine's cache."""
    first_token_s: float | None = None
    """Seconds from admission to the first token of the answer; None if no token was seen."""
    client_gone: bool = False
    """The client left before the end. Its session loses its place at once."""
    refused: bool = False
    """The engine refused the request (status 4xx, but not 429). It has computed nothing, so nothing is learned from the
    answer, and the session loses its place at once. A session without any accepted request ends.
    """

    @property
    def is_empty(self) -> bool:
        """Whether nothing came from the engine, as far as is known."""
        return self.first_token_s is None and self.prompt_tokens is None
