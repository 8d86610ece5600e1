"""The session that a request belongs to, and the member of its family.

Names that the client sent come first: they name the session, and for some clients the member. What the names leave open
is decided by the prompt. It continues the conversation whose newest prompt is its longest prefix.

    the client named the session      one of its conversations, or a new one in the same family
    it named none                     any conversation of the same client, or a new session

`PromptRole` says whether the prompt may also decide before a name, or not at all: the user's order of recognisers.

A client may give one name to many conversations that have nothing in common, for example a name for a whole
application. From `MOST_PARALLEL` such conversations at once, the name is found to be shared: each new conversation
under it becomes a session. A name that is a mere `hint` is shared from the start.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Match
from concur_proxy.recognition.search import Found, Search
from concur_proxy.recognition.tenants import scoped
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.whereabouts import Known, PromptRole, Request, Whereabouts

MOST_PARALLEL = 8
"""Conversations without own ids that one session may have in flight at once. Agents start that many sub-agents."""
MAX_NAMES = 100_000
"""Remembered sub-agents with session keys of their own, and remembered keys that are shared."""
BY_CONTENT = "conversation"
"""The value of `Ticket.recognised_by` for a request that the conversation tree has recognised: the name of that
recogniser.
"""

_PREFIX = "conversation:"

T = TypeVar("T")


class Conversations:
    """Finds the session and the member of each request."""

    def __init__(self, tree: ConversationTree, find: Callable[[str], Known | None], number: Callable[[], int]) -> None:
        """`find` returns the session of a name. `number` gives numbers, each once."""
        self._tree = tree
        self._find = find
        self._search = Search(tree, self._members_of)
        self._number = number
        self._families: OrderedDict[str, str] = OrderedDict()
        """The session of each sub-agent that has a session key of its own."""
        self._hints: OrderedDict[str, str] = OrderedDict()
        """The hint of each session that the tree has found."""
        self._shared: OrderedDict[str, None] = OrderedDict()
        """Keys that name many conversations at once."""

    @property
    def shared_keys(self) -> int:
        """How many keys were found to name many conversations at once."""
        return len(self._shared)

    def family_of(self, key: str) -> str:
        """The name of the session that this key belongs to: its parent's for a sub-agent, else the key itself."""
        return self._families.get(key, key)

    def locate(self, request: Request) -> Whereabouts:
        """Find the session and the member of a request."""
        key, role, hint, chain = request.key, request.prompt_role, request.hint or "", _whole(request.chain)
        if chain is not None and role is not PromptRole.NEVER and (key is None or role is PromptRole.FIRST):
            found = self._continued(chain, self._tree.match(chain), hint)
            if found is not None:
                return msgspec.structs.replace(found, by_content=True)
            if key is None:
                return self._begin(chain, hint, request.tenant)
        if key is not None:
            return self._locate_named(key, request)
        if hint and chain is None:
            return Whereabouts(session=hint)
        return Whereabouts(session=self._name_of_one(request.fingerprint), is_one_shot=True)

    def _name_of_one(self, fingerprint: bytes | None) -> str:
        """The name of a session of one request: that of an equal request that was refused and has not come back yet, or
        a new one.
        """
        name = "" if fingerprint is None else f"\0body:{fingerprint.hex()}"
        known = self._find(name) if name else None
        if not name or (known is not None and any(member.busy for member in known.members.values())):
            return f"\0{self._number()}"
        return name

    def _locate_named(self, key: str, request: Request) -> Whereabouts:
        if request.parent_key is not None and request.parent_key != key:
            session = self.family_of(request.parent_key)
            _remember(self._families, key, session)
            parent = "" if session == request.parent_key else request.parent_key
            return Whereabouts(session=session, member=key, parent=parent)
        if key in self._families:
            return Whereabouts(session=self._families[key], member=key)
        chain = _whole(request.chain)
        if request.member or chain is None:
            return Whereabouts(session=key, member=request.member, parent=request.parent)
        return self._locate_undeclared(key, chain, request.tenant)

    def _locate_undeclared(self, key: str, chain: Chain, tenant: str) -> Whereabouts:
        """Find the member where the client named only the session."""
        known = self._find(key)
        if known is None and key not in self._shared:
            return Whereabouts(session=key)
        match = self._tree.match(chain)
        if known is not None and (only := _goes_on(known.members, chain, match)) is not None:
            return self._at(Found(only))
        found = None if known is None else self._member_of(known, key, chain, match)
        if found is not None:
            return found
        if key not in self._shared and known is not None:
            busy = [each for each in known.members.values() if each.busy and _may_be_undeclared(each)]
            if len(busy) < MOST_PARALLEL:
                return Whereabouts(session=key, member=f"~{self._number()}", is_declared=False)
            _remember(self._shared, key, None)
        found = self._continued(chain, match, key)
        return self._begin(chain, key, tenant) if found is None else found

    def _member_of(self, known: Known, key: str, chain: Chain, match: Match) -> Whereabouts | None:
        """The member of a session that the prompt continues; None if it continues none of them."""
        main, members = known.members.get(""), [each for each in known.members.values() if _may_be_undeclared(each)]
        found = self._search.in_session(members, chain, match)
        if found is not None:
            return self._at(found)
        if main is None or main.leaf is None:
            return Whereabouts(session=key)
        if self._search.is_side_request(main, chain):
            return Whereabouts(session=key, displaced=f"~{self._number()}")
        return None

    def _begin(self, chain: Chain, hint: str, tenant: str) -> Whereabouts:
        """Begin a new conversation."""
        name = scoped(tenant, f"{_PREFIX}{chain.hash_at(len(chain) - 1).hex()}")
        if self._find(name) is not None:
            name = f"{name}-{self._number()}"
        if hint:
            _remember(self._hints, name, hint)
        return Whereabouts(session=name)

    def _continued(self, chain: Chain, match: Match, hint: str) -> Whereabouts | None:
        """The conversation of this client that the prompt continues; None if it continues none."""
        found = self._search.among_all(chain, match, lambda member: self._may_be(member, hint))
        return None if found is None else self._at(found)

    def _at(self, found: Found) -> Whereabouts:
        member = found.member
        if found.is_branch:
            name = f"~{self._number()}"
            return Whereabouts(session=member.session, member=name, parent=member.name, is_declared=False)
        return Whereabouts(
            session=member.session, member=member.name, parent=member.parent, is_declared=member.is_declared
        )

    def _members_of(self, session: str) -> Collection[Member]:
        known = self._find(session)
        return () if known is None else known.members.values()

    def _may_be(self, member: Member, hint: str) -> bool:
        return self._hints.get(member.session, hint) == hint

    def restore(self, session: str, members: Iterable[str]) -> None:
        """Remember that these members belong to a session of another gateway."""
        for name in members:
            if name:
                _remember(self._families, name, session)


def unnumbered(name: str) -> str:
    """What sessions with equal first prompts have in common in their names, if the prompt named them; or the name."""
    tenant, prefix, rest = name.rpartition(_PREFIX)
    return name if not prefix else f"{tenant}{prefix}{rest.partition('-')[0]}"


def _whole(chain: Chain | None) -> Chain | None:
    """The chain, if it is that of a whole prompt."""
    return None if chain is None or chain.continues or not chain.hashes else chain


def _goes_on(members: Mapping[str, Member], chain: Chain, match: Match) -> Member | None:
    """The only conversation of a session, if it is idle and the prompt begins with its newest one, which nobody else
    has. This is what a turn of an agent looks like, so nothing needs to be searched.
    """
    if len(members) != 1:
        return None
    member = next(iter(members.values()))
    leaf = member.leaf
    is_next = leaf is not None and leaf.below == 1 and leaf is match.last and member.length < len(chain)
    return member if is_next and not member.busy and _may_be_undeclared(member) else None


def _may_be_undeclared(member: Member) -> bool:
    """Whether a request that names only its session may belong to this member."""
    return not member.name or not member.is_declared


def _remember(names: OrderedDict[str, T], name: str, value: T) -> None:
    names[name] = value
    names.move_to_end(name)
    if len(names) > MAX_NAMES:
        names.popitem(last=False)
