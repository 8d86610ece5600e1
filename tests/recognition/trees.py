"""Conversation trees for tests."""

from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree
from tests.recognition.chains import chain


def estimate(text: int, media: int) -> float:
    """Tokens of so many bytes of text and so many media items."""
    return text / 4 + 1_000 * media


def put(tree: ConversationTree, name: str, *words: str, media: tuple[int, ...] = ()) -> Member:
    """Put a conversation with this prompt into the tree."""
    member = Member(name, "")
    tree.put(member, chain(*words, media=media), estimate)
    member.footprint = tree.tokens_to(member.leaf)
    return member
