"""Turns of sessions whose clients have left."""

import pytest

from concur_proxy.admission import turns
from concur_proxy.admission.turns import KEPT_S, Turns


def test_a_turn_is_kept_for_a_while() -> None:
    kept = Turns()
    kept.keep("a", 7, 100.0)
    kept.keep("b", -3, 100.0)
    assert (kept.find("a", 100.0 + KEPT_S - 1), kept.find("b", 101.0)) == (7, -3)
    assert kept.find("a", 100.0 + KEPT_S) is None
    assert kept.find("c", 101.0) is None


def test_sessions_with_equal_first_prompts_have_the_oldest_of_their_turns_back_one_after_another() -> None:
    kept = Turns()
    for number, name in enumerate(("conversation:ab", "conversation:ab-12", "conversation:ab-13"), start=7):
        kept.keep(name, number, float(number))
    for number in (7, 8):
        assert kept.find("conversation:ab-20", 50.0) == number
        kept.drop("conversation:ab-20", 50.0)
    assert kept.find("conversation:ac", 50.0) is None
    assert kept.find("conversation:ab", KEPT_S + 8.5) == 9
    assert kept.find("conversation:ab", KEPT_S + 9.0) is None


def test_what_is_too_old_is_not_used_up_instead_of_what_counts() -> None:
    kept = Turns()
    kept.keep("a-1", 7, 0.0)
    kept.keep("a-1", 9, 50.0)
    assert kept.find("a-1", KEPT_S + 1) == 9
    kept.drop("a-1", KEPT_S + 1)
    kept.drop("a-1", KEPT_S + 1)
    assert kept.find("a-1", KEPT_S + 1) is None
    assert kept.find("a-2", 1.0) is None


def test_a_tenants_name_is_no_number() -> None:
    kept = Turns()
    kept.keep("t-1/conversation:ab", 7, 0.0)
    assert kept.find("t-1/conversation:ab-12", 1.0) == 7
    assert kept.find("t-2/conversation:ab", 1.0) is None


def test_thousands_of_turns_are_told_apart() -> None:
    kept = Turns()
    for number in range(5_000):
        kept.keep(f"s{number}", number, 0.0)
    for number in range(0, 5_000, 3):
        kept.drop(f"s{number}", 0.0)
    assert [kept.find(f"s{number}", 1.0) for number in range(5_000)] == [
        number if number % 3 else None for number in range(5_000)
    ]


def test_a_hash_is_not_found_in_the_middle_of_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {"a": b"\x00abcdefg", "b": b"\x00" * 8}
    monkeypatch.setattr(turns, "xxh3_64_digest", lambda name: digests[name.decode()])
    kept = Turns()
    kept.keep("a", 0, 0.0)  # its seniority looks like the hash of "b"
    assert kept.find("b", 1.0) is None
    kept.keep("b", 1, 0.0)
    assert (kept.find("a", 1.0), kept.find("b", 1.0)) == (0, 1)


def test_the_oldest_turns_are_lost_and_old_ones_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST", 10 * turns.BUCKETS)
    kept = Turns()
    for number in range(1_000):
        kept.keep(f"s{number}", number, 0.0)
    found = [number for number in range(1_000) if kept.find(f"s{number}", 1.0) is not None]
    assert len(found) == turns.MOST
    assert found[0] > 500
    for number in range(1_000):
        kept.keep(f"t{number}", number, KEPT_S)
    assert all(kept.find(f"s{number}", 1.0) is None for number in range(1_000))


def test_a_name_may_have_half_of_a_surrogate_pair() -> None:
    kept = Turns()
    kept.keep("\ud800", 1, 0.0)
    assert kept.find("\ud800", 1.0) == 1
