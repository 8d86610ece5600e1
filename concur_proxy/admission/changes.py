"""Everything that changes a fleet except requests: sessions that end, operators, engines, their loads and windows.

Each change is one small object. `Fleet.apply` carries it out, and one gateway can send it to another as it is. A new
change is a class here and a case there.
"""

from collections.abc import Collection

import msgspec

from concur_proxy.admission.limits import EngineLoad
from concur_proxy.admission.manual import Steering
from concur_proxy.control.law import Budget


class Change(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=True):
    """Base of all changes."""


class SessionChange(Change, frozen=True, kw_only=True):
    """A change to one session. It does nothing if the session is not known."""

    key: str


class EngineChange(Change, frozen=True, kw_only=True):
    """A change to one engine. It does nothing if the engine is not known."""

    engine: str


class EndSession(SessionChange, frozen=True, kw_only=True):
    """The session has ended. Its requests that wait or are in flight are still served."""


class Steer(SessionChange, frozen=True, kw_only=True):
    """An operator pauses, resumes, prioritises or ends a session."""

    steering: Steering


class Enforce(EngineChange, frozen=True, kw_only=True):
    """Make sessions wait for the window, or only count those that would wait."""

    enforcing: bool


class Resize(EngineChange, frozen=True, kw_only=True):
    """Set the engine's window."""

    window: float
    """Number of sessions, 1 or more, rounded down; `inf` for no limit."""
    budget: Budget | None = None
    """Tokens; None for no limit."""


class Observe(EngineChange, frozen=True, kw_only=True):
    """The engine's newest reading, or None if there is no reading that can be trusted."""

    load: EngineLoad | None


class Reachable(EngineChange, frozen=True, kw_only=True):
    """The engine can be reached, or can no longer be reached."""

    is_up: bool


class Serve(EngineChange, frozen=True, kw_only=True):
    """The models that the engine serves. None: not known, so every model is accepted."""

    models: Collection[str] | None


class LoseCache(EngineChange, frozen=True, kw_only=True):
    """The engine has restarted with an empty cache."""


class AddEngine(EngineChange, frozen=True, kw_only=True):
    """Add an engine. An engine that is being removed is kept."""


class RetireEngine(EngineChange, frozen=True, kw_only=True):
    """Remove an engine. Its sessions move to other engines as soon as none of their requests is in flight; then the
    engine is forgotten. Raises `ValueError` for the last engine and for one that is not known.
    """


class Drain(Change, frozen=True, kw_only=True):
    """Refuse every request that waits or arrives from now on."""
