import pytest

from concur_proxy.admission.shares import Cost, Shares


def _shares() -> Shares:
    return Shares(Cost())


def test_service_raises_a_level_by_weight() -> None:
    shares = _shares()
    light, heavy = shares.open("light", 1.0), shares.open("heavy", 3.0)
    shares.wait(light)
    shares.wait(heavy)
    shares.charge(light, 300.0)
    shares.charge(heavy, 600.0)
    assert (light.level, heavy.level) == (300.0, 200.0)
    assert shares.first() is heavy


def test_service_is_free_while_nobody_waits() -> None:
    shares = _shares()
    alone = shares.open("alone", 1.0)
    shares.take(alone, 100.0)
    shares.charge(alone, 5_000.0)
    assert alone.served == 0.0
    assert alone.level == 100.0


def test_what_a_claimant_did_not_use_while_it_was_idle_is_not_saved_up() -> None:
    shares = _shares()
    busy, late = shares.open("busy", 1.0), shares.open("late", 1.0)
    shares.wait(late)
    shares.wait(busy)
    shares.stop_waiting(late)
    shares.charge(busy, 9_000.0)
    shares.wait(late)
    assert late.served == busy.served == 9_000.0


def test_what_it_was_behind_while_it_waited_is_kept_while_it_has_a_place() -> None:
    shares = _shares()
    busy, other = shares.open("busy", 1.0), shares.open("other", 1.0)
    for each in (busy, other):
        shares.wait(each)
        shares.take(each, 10.0)
    shares.charge(busy, 400.0)
    shares.stop_waiting(other)
    shares.charge(busy, 1_000.0)
    shares.wait(other)
    assert other.served == busy.served - 400.0


def test_a_claimant_that_was_not_seen_begins_at_the_floor() -> None:
    shares = _shares()
    busy = shares.open("busy", 1.0)
    shares.wait(busy)
    shares.charge(busy, 700.0)
    tag = shares.first_tag()
    new = shares.open("new", 1.0)
    shares.wait(new)
    assert shares.tag(new, 0) == tag == (700.0, new.number)


def test_the_merged_order_follows_weights_and_agrees_with_the_counts() -> None:
    shares = _shares()
    light, heavy = shares.open("light", 1.0), shares.open("heavy", 3.0)
    for _ in range(4):
        shares.wait(light)
        shares.wait(heavy)
    merged = list(shares.merged())
    assert [each.name for each in merged[:4]].count("heavy") == 3
    for claimant in (light, heavy):
        ranks = [place for place, each in enumerate(merged) if each is claimant]
        assert ranks == [index + shares.before(shares.tag(claimant, index)) for index in range(4)]


def test_idle_claimants_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("concur_proxy.admission.shares.MOST_IDLE", 3)
    shares = _shares()
    for number in range(5):
        claimant = shares.open(f"t{number}", 1.0)
        shares.wait(claimant)
        shares.stop_waiting(claimant)
    assert [shares.get(f"t{number}") is None for number in range(5)] == [True, True, False, False, False]
