import pytest

from concur_proxy.admission.orders.fair import Fair, build
from concur_proxy.admission.session import Session, SessionState
from concur_proxy.admission.shares import FIRST_COST


class Scene:
    """An order, and sessions with one number after the other."""

    def __init__(self) -> None:
        self.order = build()
        self.seniority = 0

    def session(
        self, tenant: str, *, weight: float = 1.0, priority: int = 0, paused: bool = False, preferred: bool = False
    ) -> Session:
        """A session that does not wait and has no place."""
        self.seniority += 1
        session = Session(
            key=f"{tenant}{self.seniority}",
            seniority=-self.seniority if preferred else self.seniority,
            one_shot=False,
            now=0.0,
            tenant=tenant,
            weight=weight,
            priority=priority,
        )
        session.state = SessionState.PAUSED if paused else SessionState.QUEUED
        return session

    def waiting(
        self, tenant: str, *, weight: float = 1.0, priority: int = 0, paused: bool = False, preferred: bool = False
    ) -> Session:
        session = self.session(tenant, weight=weight, priority=priority, paused=paused, preferred=preferred)
        self.order.join(session)
        return session

    def placed(self, tenant: str, *, weight: float = 1.0, priority: int = 0) -> Session:
        session = self.session(tenant, weight=weight, priority=priority)
        self.order.take(session)
        return session

    def serve(self, session: Session, tokens: float) -> None:
        self.order.serve(session, computed=tokens, cached=0, generated=0)


def _agrees(order: Fair) -> list[Session]:
    """The order, after checking that all ways to read it agree."""
    listed = list(order)
    assert [order.position(session) for session in listed] == list(range(1, len(listed) + 1))
    assert order.head() is (listed[0] if listed else None)
    new = [session for session in listed if session.state is not SessionState.PAUSED]
    assert order.first_new() is (new[0] if new else None)
    return listed


@pytest.mark.parametrize(("kind", "price"), [("computed", 1.0), ("cached", 0.1), ("generated", 2.0)])
def test_each_kind_of_token_has_its_price(kind: str, price: float) -> None:
    scene = Scene()
    served = scene.placed("a")
    scene.waiting("b")
    scene.order.serve(served, **{"computed": 0.0, "cached": 0.0, "generated": 0.0, kind: 500.0})
    level = FIRST_COST + 500.0 * price
    assert scene.order.excess(served) == (level, level)


def test_a_session_without_a_place_is_charged_nothing_and_has_no_excess() -> None:
    scene = Scene()
    session = scene.waiting("a")
    scene.serve(session, 700.0)
    assert scene.order.excess(session) == (0.0, 0.0)
    assert scene.order.excess(scene.placed("a")) == (FIRST_COST, FIRST_COST)


def test_a_place_is_reserved_at_what_ended_ones_have_used() -> None:
    scene = Scene()
    first = scene.placed("a")
    scene.serve(first, 600.0)
    scene.order.give_up(first, is_over=True)
    assert scene.order.excess(scene.placed("b")) == (300.0, 300.0)  # half of 600


@pytest.mark.parametrize(("tokens", "is_over"), [(0.0, True), (600.0, False)], ids=["not served", "paused"])
def test_a_place_that_was_not_used_to_its_end_teaches_nothing(tokens: float, *, is_over: bool) -> None:
    scene = Scene()
    first = scene.placed("a")
    scene.serve(first, tokens)
    scene.order.give_up(first, is_over=is_over)
    assert scene.order.excess(scene.placed("b")) == (FIRST_COST, FIRST_COST)


def test_a_place_that_is_given_up_reserves_nothing_more() -> None:
    scene = Scene()
    first, second = scene.placed("a"), scene.placed("a")
    assert scene.order.excess(first) == (2 * FIRST_COST, 2 * FIRST_COST)
    scene.order.give_up(second, is_over=False)
    assert scene.order.excess(first) == (FIRST_COST, FIRST_COST)


@pytest.mark.parametrize(("priority", "weight"), [(0, 1), (1, 9), (-1, 1 / 9), (4, 9**4), (5, 9**4), (-7, 9**-4)])
def test_a_class_has_nine_times_the_weight_of_the_next_lower_one_up_to_four(priority: int, weight: float) -> None:
    scene = Scene()
    of_class, of_tenant = scene.order.excess(scene.placed("a", priority=priority))
    assert of_class == pytest.approx(FIRST_COST / weight)
    assert of_tenant == FIRST_COST


def test_the_tenant_below_its_share_is_next_then_both_by_turns() -> None:
    scene = Scene()
    served = scene.placed("a")
    mine = [scene.waiting("a") for _ in range(2)]
    others = [scene.waiting("b") for _ in range(3)]
    scene.serve(served, 500.0)
    # "a" is at 1,500: "b" reaches that with its third session
    assert _agrees(scene.order) == [others[0], others[1], mine[0], others[2], mine[1]]


def test_a_tenant_with_three_times_the_weight_gets_three_turns_for_one() -> None:
    scene = Scene()
    light = [scene.waiting("a") for _ in range(2)]
    heavy = [scene.waiting("b", weight=3.0) for _ in range(6)]
    assert _agrees(scene.order) == [light[0], heavy[0], heavy[1], heavy[2], light[1], *heavy[3:]]


def test_a_higher_class_comes_first_and_the_lower_one_gets_a_tenth() -> None:
    scene = Scene()
    low = [scene.waiting("a", priority=-1) for _ in range(2)]
    scene.order.take(low[0])
    for _ in range(10):
        scene.waiting("b")
    scene.order.leave(low[0])
    # one place of the lower class weighs as much as nine of the higher one
    assert _agrees(scene.order).index(low[1]) == 9


def test_those_that_an_operator_put_first_come_before_all_classes_by_seniority() -> None:
    scene = Scene()
    normal, high = scene.waiting("a"), scene.waiting("b", priority=3)
    second = scene.waiting("c", preferred=True)
    would_be = scene.session("d", preferred=True)
    assert scene.order.position(would_be) == 1
    scene.order.join(would_be)
    assert _agrees(scene.order) == [would_be, second, normal, high]
    scene.order.leave(second)
    assert _agrees(scene.order) == [would_be, normal, high]


def test_the_first_new_one_is_behind_those_that_resume_in_every_tenant() -> None:
    scene = Scene()
    scene.placed("c")
    resuming = [scene.waiting("a", paused=True) for _ in range(2)]
    new = [scene.waiting("a"), scene.waiting("b", paused=True), scene.waiting("b"), scene.waiting("c")]
    order = _agrees(scene.order)
    assert set(order) == {*resuming, *new}
    # the second turn of "a" and "b" is at the level of the place of "c", which was seen first
    assert scene.order.first_new() is new[3]
    scene.order.leave(new[3])
    assert scene.order.first_new() is new[2]


def test_joining_and_leaving_twice_are_the_same_as_once() -> None:
    scene = Scene()
    session, other = scene.waiting("a"), scene.waiting("b")
    scene.order.join(session)
    assert _agrees(scene.order) == [session, other]
    scene.order.leave(session)
    scene.order.leave(session)
    assert _agrees(scene.order) == [other]
    assert session not in scene.order


def test_places_are_shared_if_they_belong_to_more_than_one_tenant_or_class() -> None:
    scene = Scene()
    first = [scene.placed("a"), scene.placed("a")]
    assert not scene.order.is_shared
    second = scene.placed("b")
    assert scene.order.is_shared
    scene.order.give_up(first[0], is_over=True)
    assert scene.order.is_shared
    scene.order.give_up(first[1], is_over=True)
    assert not scene.order.is_shared
    third = scene.placed("b", priority=1)
    assert scene.order.is_shared
    scene.order.give_up(second, is_over=True)
    scene.order.give_up(third, is_over=True)
    assert not scene.order.is_shared


def test_lanes_without_a_session_are_forgotten() -> None:
    scene = Scene()
    placed, waiting = scene.placed("a"), scene.waiting("a")
    scene.order.leave(waiting)
    assert len(scene.order._lanes) == 1
    scene.order.give_up(placed, is_over=True)
    assert not scene.order._lanes


@pytest.mark.parametrize(
    ("weight", "priority", "most"),
    [(1.0, 0, 1_000.0), (4.0, 0, 250.0), (1.0, 1, 112.0)],
    ids=["equal tenants", "a heavier tenant", "a higher class"],
)
def test_a_session_yields_once_the_other_stays_below_it_even_after_the_change(
    weight: float, priority: int, most: float
) -> None:
    scene = Scene()
    placed = scene.placed("a")
    scene.waiting("b", weight=weight, priority=priority)
    scene.serve(placed, most - 1)
    assert not scene.order.must_yield(placed)
    scene.serve(placed, 1.0)
    assert scene.order.must_yield(placed)


def test_what_is_reserved_for_its_own_place_counts_neither_before_nor_after() -> None:
    scene = Scene()
    placed, _ = scene.placed("a", weight=2.0), scene.placed("a", weight=2.0)
    scene.waiting("b")
    assert not scene.order.must_yield(placed)  # 1,000 after the change, and 500 are left to "a"
    scene.serve(placed, 1_000.0)
    assert scene.order.must_yield(placed)


def test_nobody_yields_to_its_own_tenant_or_to_nobody_and_a_preferred_session_never() -> None:
    scene = Scene()
    placed, waiting, other = scene.placed("a"), scene.waiting("a"), scene.waiting("b")
    scene.serve(placed, 5_000.0)
    assert scene.order.must_yield(placed)
    assert not scene.order.must_yield(waiting)
    first = scene.waiting("c", preferred=True)
    assert not scene.order.must_yield(placed)
    scene.order.leave(first)
    placed.seniority = -1
    assert not scene.order.must_yield(placed)
    placed.seniority = 1
    scene.order.leave(other)
    assert not scene.order.must_yield(placed)
    scene.order.leave(waiting)
    assert not scene.order.must_yield(placed)


@pytest.mark.parametrize("owners", ["aaa", "ab", "abb"])
def test_the_first_new_one_may_be_of_a_class_whose_turn_comes_later(owners: str) -> None:
    scene = Scene()
    resuming = [scene.waiting(owner, paused=True) for owner in owners]
    low, high = scene.waiting("b"), scene.waiting("c", priority=1)
    assert _agrees(scene.order)[:2] == [resuming[0], high]
    assert scene.order.first_new() is high
    scene.order.leave(high)
    assert scene.order.first_new() is low
    assert set(_agrees(scene.order)) == {*resuming, low}
