"""Messages of other gateways are handled in order, a few in each round of the event loop."""

import asyncio
from collections.abc import Sequence

import pytest

from concur_proxy.coordination.group.inbox import HANDLED_AT_ONCE, Inbox


class Handled:
    """Notes what was handled."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, int]] = []

    def __call__(self, sender: str, messages: Sequence[int]) -> None:
        self.messages += [(sender, message) for message in messages]


async def test_a_few_messages_are_handled_at_once() -> None:
    handled = Handled()
    inbox = Inbox[int](handled)
    inbox.put("a", [1, 2])
    inbox.put("b", [3])
    assert handled.messages == [("a", 1), ("a", 2), ("b", 3)]


async def test_many_messages_are_handled_in_rounds_and_in_order() -> None:
    handled = Handled()
    inbox = Inbox[int](handled)
    many = 3 * HANDLED_AT_ONCE
    inbox.put("a", range(many))
    inbox.put("b", range(many))
    assert len(handled.messages) == HANDLED_AT_ONCE
    await asyncio.sleep(0)
    assert len(handled.messages) == 2 * HANDLED_AT_ONCE
    await inbox.emptied()
    assert handled.messages == [(sender, number) for sender in "ab" for number in range(many)]


async def test_all_can_be_dropped() -> None:
    handled = Handled()
    inbox = Inbox[int](handled)
    inbox.put("a", range(100))
    inbox.clear()
    await inbox.emptied()
    await asyncio.sleep(0)
    assert len(handled.messages) == HANDLED_AT_ONCE
    inbox.put("a", [1])
    assert len(handled.messages) == HANDLED_AT_ONCE + 1


async def test_a_call_comes_after_the_messages_before_it_and_before_the_next_ones() -> None:
    handled = Handled()
    inbox = Inbox[int](handled)
    inbox.after(lambda: handled("at once", [0]))
    inbox.put("a", range(2 * HANDLED_AT_ONCE))
    inbox.after(lambda: handled("call", [0]))
    inbox.put("a", [0])
    await inbox.emptied()
    senders = [sender for sender, _ in handled.messages]
    assert senders == ["at once", *["a"] * 2 * HANDLED_AT_ONCE, "call", "a"]


async def test_a_call_comes_although_the_messages_before_it_are_dropped() -> None:
    handled = Handled()
    inbox = Inbox[int](handled)
    inbox.put("a", range(100))
    inbox.after(lambda: handled("call", [0]))
    inbox.clear()
    await inbox.emptied()
    assert handled.messages[HANDLED_AT_ONCE:] == [("call", 0)]


async def test_an_error_does_not_keep_the_next_messages_waiting() -> None:
    def fail(sender: str, messages: Sequence[int]) -> None:
        handled(sender, messages)
        raise ValueError("a defect")

    handled = Handled()
    inbox = Inbox[int](fail)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    with pytest.raises(ValueError, match="a defect"):
        inbox.put("a", range(2 * HANDLED_AT_ONCE))
    inbox.put("b", [1])
    await inbox.emptied()
    assert len(handled.messages) == 2 * HANDLED_AT_ONCE + 1
