from concur_proxy.recognition.member import Member


def test_a_conversation_whose_prompt_cannot_be_read_counts_for_nothing() -> None:
    member = Member("session", "")
    assert (member.leaf, member.length, member.head, member.first_segments) == (None, 0, 0, 0)
    assert (member.footprint, member.prompt_tokens, member.turns, member.busy) == (0.0, None, 0, 0)
    assert (member.is_done, member.is_live, member.is_known) == (False, False, False)
