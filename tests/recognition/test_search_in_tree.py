"""The conversation in a tree that a prompt belongs to. `test_conversations.py` tests it with requests."""

import struct

import pytest
from msgspec.structs import replace

from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.search import Found, Search
from concur_proxy.recognition.tree import ConversationTree
from tests.recognition.chains import chain


def _estimate(text: int, media: int) -> float:
    return text / 4 + 1_000 * media


class Known:
    """A tree with conversations."""

    def __init__(self) -> None:
        self.tree = ConversationTree()
        self.members: dict[str, list[Member]] = {}
        self.search = Search(self.tree, lambda session: self.members.get(session, []))

    def add(self, session: str, *prompts: str, busy: int = 0, is_done: bool = True) -> Member:
        """A conversation that sent these prompts."""
        member = Member(session, "")
        for prompt in prompts:
            self.tree.put(member, chain(*prompt), _estimate)
        member.busy, member.is_done = busy, is_done
        self.members.setdefault(session, []).append(member)
        return member

    def find(self, prompt: str) -> Found | None:
        new = chain(*prompt)
        return self.search.among_all(new, self.tree.match(new), lambda _: True)


@pytest.mark.parametrize("busy", [(1, 0), (0, 1)], ids=["the later one", "the earlier one"])
def test_of_two_with_one_prompt_the_idle_one_is_continued(busy: tuple[int, int]) -> None:
    known = Known()
    members = [known.add(f"s{number}", "sa", busy=each) for number, each in enumerate(busy)]
    assert known.find("sab") == Found(members[busy.index(0)])


def test_a_busy_one_is_continued_if_the_only_idle_one_ends_earlier() -> None:
    known = Known()
    known.add("early", "s")
    late = known.add("late", "sa", busy=1)
    assert known.find("sab") == Found(late)


def test_a_prompt_that_failed_comes_again_and_one_that_was_answered_begins_something_new() -> None:
    known = Known()
    failed = known.add("failed", "sa", is_done=False)
    known.add("answered", "sb")
    known.add("in flight", "sc", busy=1, is_done=False)
    assert known.find("sa") == Found(failed)
    assert known.find("sb") is None
    assert known.find("sc") is None


@pytest.mark.parametrize(("longer", "shared"), [("st123x", "st123y"), ("st1234x", "st1234y")])
def test_one_that_ends_a_turn_before_is_continued_and_not_one_that_ends_before_that(longer: str, shared: str) -> None:
    known = Known()
    early, late = known.add("early", "st"), known.add("late", "st1", longer)
    assert known.find(shared) == Found(early if len(longer) == 6 else late)


def test_one_that_ends_long_before_is_continued_if_several_have_more_in_common_with_the_prompt() -> None:
    known = Known()
    early = known.add("early", "st")
    for name in "xy":
        known.add(name, "st12345" + name)
    assert known.find("st12345z") == Found(early)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_of_a_sessions_conversations_the_one_whose_prompt_comes_again_is_meant(order: str) -> None:
    known = Known()
    prompts = {"a": ("s", "sa"), "b": ("s", "sab")}
    members = {each: known.add("one", *prompts[each]) for each in order}
    assert known.find("sa") == Found(members["a"])


def _sized(prompt: Chain, *sizes: int) -> Chain:
    return replace(prompt, sizes=struct.pack(f"<{len(sizes)}I", *sizes))


@pytest.mark.parametrize(("side", "expected"), [(99, True), (100, False)])
def test_a_side_request_has_a_head_of_at_most_a_quarter(side: int, *, expected: bool) -> None:
    known = Known()
    member = Member("s", "")
    known.tree.put(member, _sized(chain(*"qw"), side, 4_000), _estimate)
    prompt = _sized(chain(*"abc", head=2), 390, 6, 4_000)  # a head of 396 bytes
    assert known.search.is_side_request(member, prompt) is expected
    assert not known.search.is_side_request(member, _sized(chain(*"a", head=0), 390))


def test_only_the_first_prompt_of_a_session_can_be_a_side_request() -> None:
    known = Known()
    prompt = _sized(chain(*"abc", head=2), 9_000, 9_000, 9_000)
    member = known.add("s", "qw")
    member.turns = 1
    assert known.search.is_side_request(member, prompt)
    member.turns = 2
    assert not known.search.is_side_request(member, prompt)
    longer = known.add("t", "uv", "uvw")
    assert not known.search.is_side_request(longer, prompt)


def test_a_prompt_that_was_answered_does_not_continue_an_earlier_one_of_its_session() -> None:
    known = Known()
    known.add("both", "sa")
    later = known.add("both", "sab")
    assert known.find("sab") == Found(later)
    assert known.search.in_session(known.members["both"], chain(*"sab"), known.tree.match(chain(*"sab"))) == Found(
        later
    )


def test_an_agent_without_a_system_prompt_that_shares_nothing_is_another_agent() -> None:
    known, summary = Known(), chain("x", head=0)
    first = Member("session", "")
    known.tree.put(first, chain(*"ab", head=0), _estimate)
    first.is_live = first.is_done = True
    assert known.search.in_session([first], summary, known.tree.match(summary)) is None
