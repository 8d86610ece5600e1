"""How the messages of a gateway travel to the other gateways of its group."""

from typing import Protocol

from concur_proxy.admission.changes import Change
from concur_proxy.coordination.protocol.messages import Message


class Link(Protocol):
    """How messages travel. None of its methods blocks or raises."""

    @property
    def me(self) -> str:
        """This gateway's name."""
        ...

    def enter(self, term: str, *, leads: bool) -> None:
        """Send and receive the messages of this term only, and drop unsent messages of the last one."""
        ...

    def send(self, message: Message | Change, to: str | None = None) -> None:
        """Send a message to the leader, or a message from the leader to the replica `to`."""
        ...
