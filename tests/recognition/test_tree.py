from hypothesis import example, given
from hypothesis import strategies as st

from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import MEMBER_BYTES, MOST_OF_A_NODE, NODE_BYTES, ConversationTree
from tests.recognition.chains import chain

GROUPS = ("e", "f")


def _estimate(text: int, media: int) -> float:
    return text / 4 + 1_000 * media


def _put(tree: ConversationTree, name: str, *words: str, media: tuple[int, ...] = ()) -> Member:
    member = Member(name, "")
    tree.put(member, chain(*words, media=media), _estimate)
    member.footprint = tree.tokens_to(member.leaf)
    return member


def test_the_longest_known_prefix_is_found_also_inside_a_run() -> None:
    tree = ConversationTree()
    _put(tree, "a", *"sabcd")
    match = tree.match(chain(*"sabx"))
    assert (match.length, match.is_whole) == (3, False)
    assert tree.match(chain(*"t")).length == 0
    assert tree.match(chain(*"sabcd", scope="stranger")).length == 0


def test_what_a_prompt_has_in_common_with_a_conversation_is_measured_in_segments_and_tokens() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sabcd"), _put(tree, "b", *"saxyz")
    match = tree.match(chain(*"sabcq"))
    assert (match.length, match.is_whole, tree.tokens_of(match)) == (4, False, 100.0)
    assert [tree.length_in_common(each, match) for each in (first, second)] == [4, 2]
    assert first.leaf is not None
    assert second.leaf is not None
    assert [tree.tokens_in_common(each.leaf, match) for each in (first, second) if each.leaf] == [100.0, 50.0]
    assert (tree.includes(first.leaf, match), tree.includes(second.leaf, match)) == (True, False)
    assert not tree.is_inside(first.leaf, match)
    assert tree.is_inside(first.leaf, tree.match(chain(*"sabcdq")))
    assert tree.tokens_of(tree.match(chain("t"))) == 0.0
    assert (tree.ends_with(first, chain(*"sabcd")), tree.ends_with(second, chain(*"sabcd"))) == (True, False)


def test_shared_segments_are_charged_once() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sac")
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
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sac")
    tree.count(first, 300, engine="e", cache=0)
    tree.count(second, 300, engine="e", cache=0)
    assert tree.tokens_to(first.leaf) == tree.tokens_to(second.leaf) == 300.0
    second.footprint = 300.0
    tree.unions.charge(first, ("e",))
    assert round(tree.unions.addition([second], "e")) == 100


def test_an_image_weighs_as_an_item() -> None:
    tree = ConversationTree()
    assert _put(tree, "a", *"sab", media=(1, 1)).footprint == 2_075.0
    other = _put(tree, "b", *"sax", media=(1, 1))
    tree.unions.charge(other, ("e",))
    assert tree.tokens_in_common(other.leaf, tree.match(chain(*"sab"))) > 2_000  # type: ignore[arg-type]


def test_only_computed_segments_of_others_are_expected_in_the_cache() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sac")
    tree.unions.charge(first, ("e",))
    assert tree.unions.held_in(second, "e", engine="e", cache=0) == 0.0
    tree.count(first, 300, engine="e", cache=0)
    assert round(tree.unions.held_in(second, "e", engine="e", cache=0)) == 200
    assert tree.unions.held_in(second, "e", engine="e", cache=1) == 0.0


def test_what_a_conversation_alone_has_in_the_cache_is_not_held_by_others() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sac")
    for member in (first, second):
        tree.unions.charge(member, ("e",))
        tree.count(member, 300, engine="e", cache=0)
    assert round(tree.unions.held_in(second, "e", engine="e", cache=0)) == 200


def test_a_dropped_conversation_leaves_nothing() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sac")
    tree.drop(first)
    assert tree.match(chain(*"sab")).length == 2
    tree.drop(first)
    assert tree.conversations == 1
    tree.drop(second)
    assert tree.match(chain(*"sab")).length == 0
    tree.put(first, chain(*"sab"), _estimate)
    assert tree.conversations == 1


def test_a_dropped_conversation_is_not_found_although_another_has_the_same_prompt() -> None:
    tree = ConversationTree()
    first, second = _put(tree, "a", *"sab"), _put(tree, "b", *"sab")
    tree.drop(first)
    match = tree.match(chain(*"sabc"))
    assert list(tree.ending_within(match)) == tree.sharing(tree.match(chain(*"sab")), limit=9) == [second]


def test_a_prompt_is_found_as_soon_as_it_is_there() -> None:
    tree, prompt, member = ConversationTree(), chain(*"sab"), Member("a", "")
    assert tree.match(prompt).length == 0
    tree.put(member, prompt, _estimate)
    assert tree.match(prompt).length == 3
    tree.drop(member)
    assert tree.match(prompt).length == 0


def test_a_branch_inside_what_an_engine_has_counted_in_part_leaves_the_rest_to_be_counted() -> None:
    tree = ConversationTree()
    member = _put(tree, "a", *"sa")
    tree.count(member, 20, engine="e", cache=0)
    tree.put(member, chain(*"sabc"), _estimate)  # two segments of 10 tokens as counted, and two of 25 as estimated
    branch = _put(tree, "b", *"sabx")
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
        tree.put(member, _prompt(prompt), _estimate)
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
    first = _put(tree, "a", *"sabcdefgh", media=(3, 8))
    before, tokens = tree.held_bytes, tree.tokens_to(first.leaf)
    branches = [_put(tree, str(number), *"sabcdefgh"[:number], "x") for number in range(1, 9)]
    assert tree.held_bytes > before + 8 * MEMBER_BYTES
    for branch in branches:
        tree.drop(branch)
    assert (tree.held_bytes, tree.tokens_to(first.leaf)) == (before, tokens)
    assert tree.chain_of(first) == chain(*"sabcdefgh", media=(3, 8))


def test_the_memory_of_a_conversation_is_its_own_and_that_of_its_nodes_and_segments() -> None:
    tree = ConversationTree()
    own, segment = MEMBER_BYTES + NODE_BYTES, HASH_BYTES + SIZE_BYTES
    _put(tree, "a", *"sab")
    assert tree.held_bytes == own + 3 * segment
    _put(tree, "b", *"sac")
    assert tree.held_bytes == 2 * own + NODE_BYTES + 4 * segment


def test_conversations_that_share_their_beginning_share_its_memory() -> None:
    tree = ConversationTree()
    long = "".join(map(chr, range(0x100, 0x100 + 400)))
    _put(tree, "a", *long, "x")
    before = tree.held_bytes
    _put(tree, "b", *long, "y")
    assert tree.held_bytes - before < 3_200 < before


def test_no_search_looks_at_all_who_have_the_same_prompt_and_each_is_found_in_turn() -> None:
    tree = ConversationTree()
    members = [_put(tree, str(number), *"st") for number in range(200)]
    match = tree.match(chain(*"sta"))
    assert len(list(tree.ending_within(match))) == MOST_OF_A_NODE
    assert next(tree.ending_within(match)) is members[MOST_OF_A_NODE]
    assert next(tree.ending_within(match)) is members[MOST_OF_A_NODE]  # it was taken, so nobody was passed over
    assert tree.sharing(match, limit=3) == members[MOST_OF_A_NODE : MOST_OF_A_NODE + 3]
