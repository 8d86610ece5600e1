"""Finds the known conversation that a prompt continues, repeats, changes or branches off from.

    known prompt     tools, task, answer, result
    continues        tools, task, answer, result, answer 2, result 2
    repeats          tools, task, answer, result
    changes          tools, task, answer, other result      the conversation is idle: its history was edited
                     tools, task, shorter answer, result, answer 2, result 2      its reasoning was left out
    branches off     tools, task, answer, other result      its request is in flight: a sub-agent, or a second attempt

A prompt that is new may begin like many others, so what a conversation has begun with names nobody.
"""

from collections.abc import Callable, Collection, Iterable

import msgspec

from concur_proxy.recognition.chain import HASH_BYTES, Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.node import Match
from concur_proxy.recognition.tree import ConversationTree

TURN_SEGMENTS = 3
"""A turn seldom adds more segments to a conversation: an answer and two results. If a prompt has more in common with
one conversation than that, it does not continue another one that ends before.
"""
MOST_TWINS = 64
"""Conversations with one first prompt that are compared where a prompt continues one of them with changed answers."""
LOOKED_AT = 8
"""Conversations that are compared where a prompt leaves the known ones in the middle."""
SIDE_SHARE = 0.25
"""A session's first request is a side request, such as for a title, if its tools and system prompt have at most this
share of the size of those that follow it.
"""


class Found(msgspec.Struct, frozen=True):
    """The conversation that a prompt belongs to."""

    member: Member
    is_branch: bool = False
    """Whether the prompt begins a new conversation that branches off from this one."""


class Search:
    """Finds conversations in the tree."""

    def __init__(self, tree: ConversationTree, members_of: Callable[[str], Collection[Member]]) -> None:
        """`members_of` returns all conversations of a session."""
        self._tree = tree
        self._members_of = members_of

    def among_all(self, chain: Chain, match: Match, may_be: Callable[[Member], bool]) -> Found | None:
        """Search all conversations that `may_be` the one, where the client named no session."""
        continued = self._continued(chain, match, may_be)
        is_new = continued is None or _repeats(continued, chain)
        if len(chain) - match.length > TURN_SEGMENTS and match.length > chain.head:
            member = self._same_inputs(chain, match, may_be)
            if member is not None:
                return Found(member)
        if continued is not None and not is_new and match.length - continued.length <= TURN_SEGMENTS:
            return Found(continued)
        sharing = self._tree.sharing(match, limit=LOOKED_AT) if match.length > chain.head else []
        if len({member.session for member in sharing}) == 1 and may_be(sharing[0]):
            members = self._members_of(sharing[0].session) or sharing
            first = min((member.first_segments for member in members if member.first_segments), default=0)
            if match.length > first or match.length == first < len(chain):
                return _changed(sharing, chain, match)
        return None if continued is None or is_new else Found(continued)

    def in_session(self, members: Collection[Member], chain: Chain, match: Match) -> Found | None:
        """Search the conversations of a session that the client named."""
        continued = self._continued(chain, match, lambda member: member in members)
        if continued is not None:
            return Found(continued)
        common = {member: self._tree.length_in_common(member, match) for member in members}
        most = max(common.values(), default=0)
        if most > chain.head:
            return _changed([member for member in members if common[member] == most], chain, match)
        alike = [each for each in members if each.is_live and 0 < each.head == chain.head <= common[each]]
        if len(alike) == 1 and not alike[0].name and not alike[0].busy:
            return Found(alike[0])  # the history of the main agent was replaced by a summary
        return None

    def is_side_request(self, main: Member, chain: Chain) -> bool:
        """Whether what was taken for a session's main agent was a side request before the main agent's first prompt,
        which is `chain`.
        """
        known = None if main.turns > 1 or main.length != main.first_segments else self._tree.chain_of(main)
        if known is None:
            return False
        head_bytes = chain.text_from(0, chain.head)[0]
        return head_bytes > 0 and known.text_from(0, known.head)[0] <= SIDE_SHARE * head_bytes

    def _same_inputs(self, chain: Chain, match: Match, may_be: Callable[[Member], bool]) -> Member | None:
        """The conversation that this prompt continues with changed answers. It may begin like those of several
        sessions; results of tools and messages of the user tell them apart.
        """
        places = {chain.inputs[at : at + HASH_BYTES]: at for at in range(0, len(chain.inputs), HASH_BYTES)}
        alike = [
            member
            for member in self._tree.sharing(match, limit=MOST_TWINS)
            if member.inputs in places and member.length > member.first_segments and may_be(member)
        ]
        longest = max((places[member.inputs] for member in alike), default=0)
        found = [member for member in alike if places[member.inputs] == longest]
        return found[0] if len({member.session for member in found}) == 1 else None

    def _continued(self, chain: Chain, match: Match, may_be: Callable[[Member], bool]) -> Member | None:
        """The conversation whose newest prompt is the longest prefix of this one. An idle one is preferred, and one
        that has not been answered to one whose prompt is repeated.
        """
        longest: Member | None = None
        repeated: Member | None = None
        for member in self._tree.ending_within(match):
            if not may_be(member):
                continue
            if member.length == len(chain):
                if not _repeats(member, chain):
                    return member  # its last request failed and comes again
                repeated = repeated or member
            elif longest is not None and member.length < longest.length:
                break  # it ends earlier than one that is busy
            elif repeated is not None and member.session == repeated.session:
                continue
            elif not member.busy:
                return member
            else:
                longest = longest or member  # its answer is about to end
        return longest or repeated


def _changed(members: Iterable[Member], chain: Chain, match: Match) -> Found:
    """Where a prompt belongs that has the beginning of these conversations' prompts and goes on differently, or is the
    beginning itself. If the first of them is idle, its history was changed. Otherwise a conversation branches off.
    """
    is_whole = match.length == len(chain)
    first = min(
        members, key=lambda each: (not (is_whole and _repeats(each, chain)), not each.is_declared, -each.length)
    )
    return Found(first, is_branch=first.busy > 0 and not (is_whole and _repeats(first, chain)))


def _repeats(member: Member, chain: Chain) -> bool:
    """Whether this is the conversation's newest prompt once more, though its request is in flight or was answered. For
    a prompt that has it as a prefix.
    """
    return member.length == len(chain) and (member.busy > 0 or member.is_done)
