from hypothesis import example, given
from hypothesis import strategies as st

from concur_proxy.recognition.chain import Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.tree_view import MEMBER_BYTES
from tests.recognition.chains import chain
from tests.recognition.trees import estimate, put

GROUPS = ("e", "f")


def test_shared_segments_are_charged_once() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sac")
    tree.unions.charge(first, GROUPS)
    assert tree.unions.addition([second], "e") == 25.0
    tree.unions.charge(second, ("e",))
    assert first.footprint + second.footprint - tree.unions.saved("e") == 100.0
    assert tree.unions.saved("f") == 0.0
    tree.unions.uncharge(first, GROUPS)
    assert tree.unions.saved("e") == 0.0
    assert first.leaf is not None
    assert not first.leaf.users


def test_what_the_engine_counted_is_divided_among_shared_and_own_segments() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sac")
    tree.count(first, 300, engine="e", cache=0)
    tree.count(second, 300, engine="e", cache=0)
    assert tree.tokens_to(first.leaf) == tree.tokens_to(second.leaf) == 300.0
    second.footprint = 300.0
    tree.unions.charge(first, ("e",))
    assert round(tree.unions.addition([second], "e")) == 100


def test_an_image_weighs_as_an_item() -> None:
    tree = ConversationTree()
    assert put(tree, "a", *"sab", media=(1, 1)).footprint == 2_075.0
    other = put(tree, "b", *"sax", media=(1, 1))
    tree.unions.charge(other, ("e",))
    assert tree.tokens_in_common(other.leaf, tree.match(chain(*"sab"))) > 2_000  # type: ignore[arg-type]


def test_only_computed_segments_of_others_are_expected_in_the_cache() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sac")
    tree.unions.charge(first, ("e",))
    assert tree.unions.held_in(second, "e", engine="e", cache=0) == 0.0
    tree.count(first, 300, engine="e", cache=0)
    assert round(tree.unions.held_in(second, "e", engine="e", cache=0)) == 200
    assert tree.unions.held_in(second, "e", engine="e", cache=1) == 0.0


def test_a_whole_prompt_can_be_in_the_cache_for_another() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sab")
    tree.unions.charge(first, ("e",))
    tree.count(first, 300, engine="e", cache=0)
    assert tree.unions.held_in(second, "e", engine="e", cache=0) == 300.0


def test_text_and_media_are_estimated_again_until_an_engine_has_counted_them() -> None:
    tree = ConversationTree()
    text, media = put(tree, "a", *"sab"), put(tree, "b", *"xyz", media=(1,))
    assert tree.renew(text, lambda text, media: text / 2 + 10.0 * media) == 150.0
    assert tree.renew(media, lambda text, media: text / 2 + 10.0 * media) == 160.0
    tree.count(text, 300, engine="e", cache=0)
    assert tree.renew(text, lambda text, media: text / 3 + media) == 300.0


def test_what_a_conversation_alone_has_in_the_cache_is_not_held_by_others() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sac")
    for member in (first, second):
        tree.unions.charge(member, ("e",))
        tree.count(member, 300, engine="e", cache=0)
    assert round(tree.unions.held_in(second, "e", engine="e", cache=0)) == 200


def test_a_dropped_conversation_leaves_nothing() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sac")
    tree.drop(first)
    assert tree.match(chain(*"sab")).length == 2
    tree.drop(first)
    assert tree.conversations == 1
    tree.drop(second)
    assert tree.match(chain(*"sab")).length == 0
    tree.put(first, chain(*"sab"), estimate)
    assert tree.conversations == 1


def test_a_dropped_conversation_is_not_found_although_another_has_the_same_prompt() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sab")
    tree.drop(first)
    match = tree.match(chain(*"sabc"))
    assert list(tree.ending_within(match)) == tree.sharing(tree.match(chain(*"sab")), limit=9) == [second]


def test_a_branch_inside_what_an_engine_has_counted_in_part_leaves_the_rest_to_be_counted() -> None:
    tree = ConversationTree()
    member = put(tree, "a", *"sa")
    tree.count(member, 20, engine="e", cache=0)
    tree.put(member, chain(*"sabc"), estimate)  # two segments of 10 tokens as counted, and two of 25 as estimated
    branch = put(tree, "b", *"sabx")
    # the first three of four equal segments have three quarters of all tokens, and count as counted
    assert (tree.uncounted(member), tree.tokens_to(member.leaf)) == ((52.5, 100, 0), 70.0)
    assert tree.uncounted(branch) == (52.5, 100, 0)


def _prompt(words: tuple[str, ...]) -> Chain:
    """A chain with an image in each segment "c"."""
    return chain(*words, media=tuple(index for index, word in enumerate(words) if word == "c"))


PROMPTS = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple)
STEPS = st.lists(st.tuples(st.integers(0, 3), PROMPTS, st.booleans(), st.none() | st.integers(1, 500)), max_size=30)


@given(STEPS)
@example(  # one token for several segments, so that some have none
    [
        (0, ("a",), False, None),
        (0, ("a",), False, 1),
        (0, ("a", "a"), False, None),
        (1, ("a", "b", "a"), False, 1),
        (0, ("a", "b"), False, 1),
    ]
)
def test_the_union_is_that_of_the_prompts_whatever_happens(
    steps: list[tuple[int, tuple[str, ...], bool, int | None]],
) -> None:
    tree, members, prompts = ConversationTree(), [Member(str(i), "") for i in range(4)], dict[int, tuple[str, ...]]()
    charged, counted = set[int](), set[int]()
    uncounted = True
    for number, prompt, is_charged, count in steps:
        member = members[number]
        tree.put(member, _prompt(prompt), estimate)
        prompts[number] = prompt
        counted.discard(number)
        if is_charged != (number in charged):
            (tree.unions.charge if is_charged else tree.unions.uncharge)(member, ("e",))
            charged ^= {number}
        if count is not None:
            uncounted = False
            counted.add(number)
            tree.count(member, count, engine="e", cache=0)
        expected = {prompts[i][: n + 1] for i in charged for n in range(len(prompts[i]))}
        union = sum(tree.tokens_to(members[i].leaf) for i in charged) - tree.unions.saved("e")
        assert union >= -1e-6
        if uncounted:
            assert round(union, 6) == sum(25.0 + 1_000.0 * (words[-1] == "c") for words in expected)
        for i, words in prompts.items():
            assert tree.chain_of(members[i]) == _prompt(words)
            _, *unknown = tree.uncounted(members[i])
            if i in counted:
                assert unknown == [0, 0]
            elif uncounted:
                assert unknown == [100 * len(words), words.count("c")]
    for member in members:
        tree.drop(member)
    assert abs(tree.unions.saved("e")) < 1e-6
    assert tree.match(chain("a")).length == 0
    assert (tree.conversations, tree.held_bytes) == (0, 0)


def test_runs_that_a_branch_had_divided_are_one_again_when_it_is_gone() -> None:
    tree = ConversationTree()
    first = put(tree, "a", *"sabcdefgh", media=(3, 8))
    before, tokens = tree.held_bytes, tree.tokens_to(first.leaf)
    branches = [put(tree, str(number), *"sabcdefgh"[:number], "x") for number in range(1, 9)]
    assert tree.held_bytes > before + 8 * MEMBER_BYTES
    for branch in branches:
        tree.drop(branch)
    assert (tree.held_bytes, tree.tokens_to(first.leaf)) == (before, tokens)
    assert tree.chain_of(first) == chain(*"sabcdefgh", media=(3, 8))
