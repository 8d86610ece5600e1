from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree
from concur_proxy.recognition.tree_view import MEMBER_BYTES, MOST_OF_A_NODE, NODE_BYTES
from tests.recognition.chains import chain
from tests.recognition.trees import estimate, put


def test_the_longest_known_prefix_is_found_also_inside_a_run() -> None:
    tree = ConversationTree()
    put(tree, "a", *"sabcd")
    match = tree.match(chain(*"sabx"))
    assert (match.length, match.is_whole) == (3, False)
    assert tree.match(chain(*"t")).length == 0
    assert tree.match(chain(*"sabcd", scope="stranger")).length == 0


def test_what_a_prompt_has_in_common_with_a_conversation_is_measured_in_segments_and_tokens() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sabcd"), put(tree, "b", *"saxyz")
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


def test_a_prompt_that_another_continues_is_inside_what_continues_both() -> None:
    tree = ConversationTree()
    first, second = put(tree, "a", *"sab"), put(tree, "b", *"sabcd")
    assert first.leaf is not None
    assert second.leaf is not None
    match = tree.match(chain(*"sabcdq"))
    assert (tree.is_inside(first.leaf, match), tree.is_inside(second.leaf, match)) == (True, True)
    assert not tree.is_inside(second.leaf, tree.match(chain(*"sabq")))


def test_a_prompt_is_found_as_soon_as_it_is_there() -> None:
    tree, prompt, member = ConversationTree(), chain(*"sab"), Member("a", "")
    assert tree.match(prompt).length == 0
    tree.put(member, prompt, estimate)
    assert tree.match(prompt).length == 3
    tree.drop(member)
    assert tree.match(prompt).length == 0


def test_the_memory_of_a_conversation_is_its_own_and_that_of_its_nodes_and_segments() -> None:
    tree = ConversationTree()
    own, segment = MEMBER_BYTES + NODE_BYTES, HASH_BYTES + SIZE_BYTES
    put(tree, "a", *"sab")
    assert tree.held_bytes == own + 3 * segment
    put(tree, "b", *"sac")
    assert tree.held_bytes == 2 * own + NODE_BYTES + 4 * segment


def test_conversations_that_share_their_beginning_share_its_memory() -> None:
    tree = ConversationTree()
    long = "".join(map(chr, range(0x100, 0x100 + 400)))
    put(tree, "a", *long, "x")
    before = tree.held_bytes
    put(tree, "b", *long, "y")
    assert tree.held_bytes - before < 3_200 < before


def test_no_search_looks_at_all_who_have_the_same_prompt_and_each_is_found_in_turn() -> None:
    tree = ConversationTree()
    members = [put(tree, str(number), *"st") for number in range(200)]
    match = tree.match(chain(*"sta"))
    assert len(list(tree.ending_within(match))) == MOST_OF_A_NODE
    assert next(tree.ending_within(match)) is members[MOST_OF_A_NODE]
    assert next(tree.ending_within(match)) is members[MOST_OF_A_NODE]  # it was taken, so nobody was passed over
    assert tree.sharing(match, limit=3) == members[MOST_OF_A_NODE : MOST_OF_A_NODE + 3]
