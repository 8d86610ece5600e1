"""A node of the conversation tree, apart from the tree."""

import pytest

from concur_proxy.recognition.node import Node
from tests.recognition.chains import chain
from tests.recognition.trees import estimate


def node(*words: str, size: int = 100) -> Node:
    """A node below a root."""
    root = Node(None, chain(), 0, 0.0)
    made = Node(root, chain(*words, size=size), 0, estimate(size * len(words), 0))
    root.children.add(made)
    return made


def test_segments_without_a_size_have_equal_shares() -> None:
    assert node(*"abcd", size=0).share(1) == pytest.approx(0.25)
    assert node(*"abcd").share(1) == pytest.approx(0.25)


def test_what_was_divided_and_is_put_together_has_what_was_counted_before() -> None:
    whole = node(*"abcd")
    whole.note_count()
    before = whole.counted_tokens, whole.counted_text, whole.tokens, whole.text_bytes, whole.hashes
    whole.absorb(whole.split(1))
    assert (whole.counted_tokens, whole.counted_text, whole.tokens, whole.text_bytes, whole.hashes) == before
