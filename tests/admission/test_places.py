from concur_proxy.admission.places import Places
from concur_proxy.admission.session import Session
from concur_proxy.recognition.chain import HASH_BYTES, SIZE_BYTES, Chain
from concur_proxy.recognition.member import Member
from concur_proxy.recognition.tree import ConversationTree


def _session(seniority: int, footprint: float = 0.0) -> Session:
    session = Session(key=f"s{seniority}", seniority=seniority, one_shot=False, now=0.0)
    session.footprint = footprint
    return session


def test_the_youngest_is_the_last_by_seniority_not_by_admission() -> None:
    places, old, young = Places(ConversationTree()), _session(1), _session(2)
    places.take(young)
    places.take(old)
    assert places.first_to_pause() is young


def test_a_pausing_session_keeps_its_place_but_is_not_steady() -> None:
    places, session = Places(ConversationTree()), _session(1, 10.0)
    places.take(session)
    places.start_pausing(session)
    assert (len(places), places.steady, places.pausing, session.pausing) == (1, 0, 1, True)
    assert (places.footprint_tokens, places.pausing_tokens) == (10.0, 10.0)


def test_the_most_senior_is_reprieved_first() -> None:
    places, old, young = Places(ConversationTree()), _session(1, 10.0), _session(2, 5.0)
    for session in (old, young):
        places.take(session)
        places.start_pausing(session)
    assert places.reprieve() is old
    assert (places.steady, places.pausing, old.pausing, young.pausing) == (1, 1, False, True)
    assert places.pausing_tokens == 5.0


def test_a_place_given_up_takes_its_tokens_along_whether_pausing_or_not() -> None:
    places, steady, pausing, other = Places(ConversationTree()), _session(1, 10.0), _session(2, 20.0), _session(3, 1.0)
    for session in (steady, pausing, other):
        places.take(session)
    places.start_pausing(pausing)
    places.give_up(steady)
    places.give_up(pausing)
    assert (len(places), places.footprint_tokens, places.pausing_tokens, pausing.pausing) == (1, 1.0, 0.0, False)


def test_no_remainder_is_left_when_nobody_has_a_place() -> None:
    places = Places(ConversationTree())
    sessions = [_session(seniority, footprint) for seniority, footprint in enumerate((0.1, 0.2, 0.3))]
    for session in sessions:
        places.take(session)
    for session in sessions:
        places.give_up(session)
    assert places.footprint_tokens == 0.0


def test_a_footprint_measured_anew_counts_from_then_on() -> None:
    places, session = Places(ConversationTree()), _session(1, 10.0)
    places.take(session)
    session.footprint = 25.0
    places.measure(session)
    assert places.footprint_tokens == 25.0
    places.start_pausing(session)
    session.footprint = 5.0
    places.measure(session)
    assert (places.footprint_tokens, places.pausing_tokens) == (5.0, 5.0)


def test_what_sessions_share_counts_once_in_the_footprint_and_in_each_separately() -> None:
    places = Places(ConversationTree())
    chain = Chain(hashes=b"h" * HASH_BYTES, sizes=(300).to_bytes(SIZE_BYTES, "little"))
    for number in range(3):
        session = _session(number, 100.0)
        member = session.members[""] = Member(session.key, "")
        member.is_live, member.footprint = True, 100.0
        places.tree.put(member, chain, lambda text, _media: text / 5)
        places.take(session)
    assert (places.footprint_tokens, places.separate_tokens) == (180.0, 300.0)
