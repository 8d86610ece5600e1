"""What groups of conversations need together: tokens that several of them share count once."""

from collections.abc import Iterable

from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import NOWHERE, Node, upwards


class Unions:
    """How much the charged conversations of each group share, for example of all that hold a place at one engine."""

    def __init__(self) -> None:
        self._saved: dict[str, float] = {}

    def saved(self, group: str) -> float:
        """Tokens that the charged conversations of a group share: the sum of their own prompts minus their union."""
        return self._saved.get(group, 0.0)

    def charge(self, member: Member, groups: Iterable[str]) -> None:
        """Count the conversation in these groups. A node that several of a group include counts once there."""
        groups = tuple(groups)
        if not groups:
            return
        for node in upwards(member.leaf):
            users = dict(node.users)
            for group in groups:
                before = users.get(group, 0)
                if before:
                    self._saved[group] = self._saved.get(group, 0.0) + node.tokens
                users[group] = before + 1
            node.users = users
        member.groups = (*member.groups, *groups)

    def uncharge(self, member: Member, groups: Iterable[str]) -> None:
        """Count the conversation in these groups no longer."""
        groups = tuple(groups)
        if not groups:
            return
        for node in upwards(member.leaf):
            users = dict(node.users)
            for group in groups:
                users[group] -= 1
                if users[group]:
                    self._saved[group] -= node.tokens
                else:
                    del users[group]
            node.users = users or NOWHERE
        member.groups = tuple(group for group in member.groups if group not in groups)

    def addition(self, members: Iterable[Member], group: str) -> float:
        """The tokens that these conversations would add to the union of a group in which they are not charged yet."""
        tokens, seen = 0.0, set[Node]()
        for member in members:
            tokens += member.footprint
            for node in upwards(member.leaf):
                if node.users.get(group) or node in seen:
                    tokens -= node.tokens
                seen.add(node)
        return max(0.0, tokens)

    def held_in(self, member: Member, group: str, *, engine: str, cache: int) -> float:
        """The tokens at the start of the conversation's prompt that another charged conversation keeps in the engine's
        cache.
        """
        own = 1 if group in member.groups else 0
        tokens = 0.0
        for node in upwards(member.leaf):
            is_held = node.users.get(group, 0) > own and node.computed.get(engine) == cache
            tokens = tokens + node.tokens if is_held else 0.0  # what comes after a gap cannot hit
        return tokens

    def resize(self, node: Node, tokens: float) -> None:
        """Set the length of a node."""
        change = tokens - node.tokens
        if change:
            for group, users in node.users.items():
                if users > 1:
                    self._saved[group] += (users - 1) * change
            node.tokens = tokens
