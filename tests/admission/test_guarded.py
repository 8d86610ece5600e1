"""What is lost when a plug-in fails: nothing."""

from collections.abc import Sequence
from typing import cast

import pytest

from concur_proxy.admission.gate import SessionGate
from concur_proxy.admission.guarded import GuardedOrder, GuardedPlacement
from concur_proxy.admission.order import SharingOrder
from concur_proxy.admission.orders.fair import Fair
from concur_proxy.admission.orders.resuming_first import ResumingFirst
from concur_proxy.admission.session import Session
from tests.admission.orders.test_fair import Scene


def fail(*_: object, **__: object) -> None:
    raise KeyError("defect")


def sessions() -> list[Session]:
    scene = Scene()
    return [scene.session("a"), scene.session("a"), scene.session("b")]


def use(order: SharingOrder) -> list[Session | None]:
    """Let a session get a place, and others wait and leave. Returns what the order says meanwhile."""
    first, second, third = sessions()
    for session in (first, second, third):
        order.join(session)
    seen = [order.head(), order.first_new()]
    order.leave(first)
    order.take(first)
    order.serve(first, computed=1000, cached=0, generated=10)
    seen += [order.head(), *order, third if order.position(third) == 1 else None]
    order.must_yield(first)  # what was served before a failure is forgotten, so the answer may differ
    assert (len(order), third in order, first in order, order.is_shared) == (2, True, False, False)
    assert order.excess(first) >= (0.0, 0.0)
    order.give_up(first, is_over=True)
    order.leave(second)
    seen.append(order.head())
    order.leave(third)
    return [*seen, order.head()]


@pytest.mark.parametrize(
    "name", ["join", "leave", "head", "first_new", "position", "__iter__", "take", "give_up", "serve", "must_yield"]
)
def test_the_fair_order_goes_on_where_another_one_fails(name: str) -> None:
    failures: list[Exception] = []
    guarded = GuardedOrder(type("Failing", (Fair,), {name: fail})(), failures.append)
    keys = [None if each is None else each.key for each in use(guarded)]
    assert keys == [None if each is None else each.key for each in use(Fair())]
    assert [str(error) for error in failures] == ["'defect'"]


def test_an_order_that_does_not_fail_decides() -> None:
    failures: list[Exception] = []
    guarded = GuardedOrder(ResumingFirst(), failures.append)
    use(guarded)
    one, two, _ = sessions()
    guarded.join(two)
    guarded.join(one)
    assert list(guarded) == [one, two]
    assert (guarded.head(), guarded.position(two), failures) == (one, 2, [])


def test_an_order_that_names_a_session_that_does_not_wait_has_failed() -> None:
    gone, waiting, _ = sessions()
    failures: list[Exception] = []
    guarded = GuardedOrder(type("Failing", (Fair,), {"head": lambda _: gone})(), failures.append)
    guarded.join(waiting)
    assert guarded.head() is waiting
    assert len(failures) == 1


class Chosen:
    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)

    def choose(self, gates: Sequence[SessionGate], *, key: str, tokens: float) -> SessionGate:  # noqa: ARG002
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return cast("SessionGate", answer)


class Gate:
    waiting = active = 0
    footprint_tokens = 0.0

    def has_room_for(self, _: float) -> bool:
        return True


def test_a_placement_that_fails_is_replaced_for_one_session() -> None:
    first, second = (cast("SessionGate", Gate()) for _ in range(2))
    failures: list[Exception] = []
    guarded = GuardedPlacement(Chosen(second, KeyError("defect"), "no gate", second), failures.append)
    chosen = [guarded.choose([first, second], key="a", tokens=1.0) for _ in range(4)]
    assert chosen == [second, first, first, second]
    assert [type(error) for error in failures] == [KeyError, ValueError]
