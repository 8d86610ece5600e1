import asyncio

import pytest

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.changes import Drain, EndSession
from concur_proxy.admission.outcome import Outcome
from concur_proxy.coordination.local import LocalCoordinator
from concur_proxy.coordination.waits import AGAIN_S
from tests.coordination.fleets import make_fleet
from tests.coordination.virtual_time import in_virtual_time, virtual_loop


class Counting(LocalCoordinator):
    """Counts the calls of `expire`."""

    expiries = 0

    def expire(self) -> None:
        """Expire as the coordinator does, and count the call."""
        self.expiries += 1
        super().expire()


class Scene:
    """A coordinator over one gate with one place, in the loop's time."""

    def __init__(self, *, lease_s: float = 1000.0) -> None:
        self.clock = virtual_loop().time
        self.coordinator = Counting(make_fleet(window=1.0, lease_s=lease_s), self.clock)
        self.began = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.began


@in_virtual_time
async def test_a_request_with_a_place_does_not_wait() -> None:
    scene = Scene()
    ticket = scene.coordinator.arrive(Arrival(key="s", hold_s=10))
    assert ticket.outcome is Outcome.ADMITTED
    assert await scene.coordinator.wait(ticket)
    assert len(scene.coordinator.waits) == 0
    assert scene.elapsed == 0


@in_virtual_time
async def test_a_held_request_sleeps_until_a_place_is_free() -> None:
    scene = Scene()
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    second = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    waiting = asyncio.create_task(scene.coordinator.wait(second))
    await asyncio.sleep(7)
    assert not waiting.done()
    assert len(scene.coordinator.waits) == 1
    scene.coordinator.finish(first, Answered(client_gone=True))
    assert await waiting
    assert second.outcome is Outcome.ADMITTED
    assert second.held_s == 7
    assert len(scene.coordinator.waits) == 0


@in_virtual_time
async def test_a_hold_ends_at_its_deadline_to_the_second() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=12.5))
    assert await scene.coordinator.wait(held)
    assert held.outcome is Outcome.HOLD_TIMEOUT
    assert scene.elapsed == pytest.approx(12.5)


@in_virtual_time
async def test_an_earlier_deadline_re_arms_the_timer_and_a_later_one_waits_for_its_turn() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    ends: dict[str, float] = {}

    async def hold(key: str, hold_s: float) -> None:
        ticket = scene.coordinator.arrive(Arrival(key=key, hold_s=hold_s))
        await scene.coordinator.wait(ticket)
        ends[key] = scene.elapsed

    await asyncio.gather(hold("late", 30.0), hold("early", 10.0), hold("later", 40.0), hold("next", 20.0))
    assert ends == pytest.approx({"early": 10.0, "next": 20.0, "late": 30.0, "later": 40.0})


@in_virtual_time
async def test_nothing_happens_between_two_deadlines() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = [scene.coordinator.arrive(Arrival(key=f"t{n}", hold_s=30.0 * (n + 1))) for n in range(3)]
    slept = virtual_loop().waits
    await asyncio.gather(*(scene.coordinator.wait(ticket) for ticket in held))
    assert scene.elapsed == pytest.approx(90)
    assert scene.coordinator.expiries == 3
    assert virtual_loop().waits - slept == 3


@in_virtual_time
async def test_a_deadline_whose_ticket_is_gone_costs_one_look_and_the_next_is_kept() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    gone = scene.coordinator.arrive(Arrival(key="t", hold_s=10))
    held = scene.coordinator.arrive(Arrival(key="u", hold_s=20))
    scene.coordinator.finish(gone, Answered())
    assert gone.outcome is Outcome.CLIENT_GONE
    assert await scene.coordinator.wait(held)
    assert scene.elapsed == pytest.approx(20)
    assert scene.coordinator.expiries == 2


@in_virtual_time
async def test_the_timer_goes_on_when_an_expiry_reports_nothing() -> None:
    class Taciturn(LocalCoordinator):
        def expire(self) -> None:
            decided = self.fleet.expire(now=self._clock())
            if decided:
                self.waits.decided(decided)

    clock = virtual_loop().time
    taciturn = Taciturn(make_fleet(), clock)
    taciturn.arrive(Arrival(key="s", hold_s=50))
    gone = taciturn.arrive(Arrival(key="t", hold_s=10))
    held = taciturn.arrive(Arrival(key="u", hold_s=20))
    taciturn.finish(gone, Answered())
    assert await taciturn.wait(held)
    assert held.outcome is Outcome.HOLD_TIMEOUT


@in_virtual_time
async def test_a_lapsed_lease_hands_the_place_on_without_any_event() -> None:
    scene = Scene(lease_s=3.0)
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    scene.coordinator.finish(first, Answered())
    second = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    assert await scene.coordinator.wait(second)
    assert second.outcome is Outcome.ADMITTED
    assert scene.elapsed == pytest.approx(3.0)


@in_virtual_time
async def test_a_deadline_in_the_past_ends_the_hold_at_once_and_does_not_spin() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    late = scene.coordinator.arrive(Arrival(key="t", hold_s=-5))
    assert await scene.coordinator.wait(late)
    assert late.outcome is Outcome.HOLD_TIMEOUT
    await asyncio.sleep(1)
    assert scene.coordinator.expiries == 1


@in_virtual_time
async def test_a_wait_with_a_time_out_can_be_taken_up_again() -> None:
    scene = Scene()
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=500))
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=500))
    assert not await scene.coordinator.wait(held, timeout_s=15)
    assert not await scene.coordinator.wait(held, timeout_s=15)
    assert scene.elapsed == pytest.approx(30)
    assert len(scene.coordinator.waits) == 0
    scene.coordinator.finish(first, Answered(client_gone=True))
    assert await scene.coordinator.wait(held, timeout_s=15)
    assert scene.elapsed == pytest.approx(30)
    assert len(scene.coordinator.waits) == 0


@in_virtual_time
async def test_a_cancelled_wait_leaves_a_ticket_that_can_be_abandoned() -> None:
    scene = Scene()
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    gone = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    held = scene.coordinator.arrive(Arrival(key="u", hold_s=50))
    waiting = asyncio.create_task(scene.coordinator.wait(gone))
    await asyncio.sleep(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gone.is_held
    assert len(scene.coordinator.waits) == 0
    scene.coordinator.finish(gone, Answered())
    assert gone.outcome is Outcome.CLIENT_GONE
    scene.coordinator.finish(first, Answered(client_gone=True))
    assert held.outcome is Outcome.ADMITTED


@in_virtual_time
async def test_a_client_that_goes_between_two_waits_leaves_nothing_parked() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    assert not await scene.coordinator.wait(held, timeout_s=1)
    scene.coordinator.finish(held, Answered())
    assert len(scene.coordinator.waits) == 0


@in_virtual_time
async def test_a_decision_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    scene = Scene()
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    waiting = asyncio.create_task(scene.coordinator.wait(held))
    await asyncio.sleep(1)
    scene.coordinator.finish(first, Answered(client_gone=True))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert held.is_in_flight
    scene.coordinator.finish(held, Answered(client_gone=True))
    assert not held.is_in_flight
    assert scene.coordinator.fleet.gates["a"].snapshot().in_flight == 0


@in_virtual_time
async def test_a_drain_wakes_everybody_at_once() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = [scene.coordinator.arrive(Arrival(key=f"t{n}", hold_s=50)) for n in range(100)]
    waiting = [asyncio.create_task(scene.coordinator.wait(ticket)) for ticket in held]
    await asyncio.sleep(1)
    scene.coordinator.apply(Drain())
    assert await asyncio.gather(*waiting) == [True] * 100
    assert {ticket.outcome for ticket in held} == {Outcome.DRAINING}
    assert len(scene.coordinator.waits) == 0
    assert scene.elapsed == pytest.approx(1)


@in_virtual_time
async def test_the_end_of_a_session_frees_its_place() -> None:
    scene = Scene()
    first = scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    scene.coordinator.finish(first, Answered())
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=50))
    assert not scene.coordinator.apply(EndSession(key="nobody"))
    assert scene.coordinator.apply(EndSession(key="s"))
    assert held.outcome is Outcome.ADMITTED


@in_virtual_time
async def test_after_close_no_time_passes_whatever_happens() -> None:
    scene = Scene()
    scene.coordinator.arrive(Arrival(key="s", hold_s=50))
    held = scene.coordinator.arrive(Arrival(key="t", hold_s=10))
    scene.coordinator.waits.close()
    scene.coordinator.waits.close()
    later = scene.coordinator.arrive(Arrival(key="u", hold_s=5))
    await asyncio.sleep(100)
    assert held.is_held
    assert later.is_held
    assert scene.coordinator.expiries == 0


class Failing(LocalCoordinator):
    """Its first `expire` fails."""

    failures = 0

    def expire(self) -> None:
        """Fail once, and then expire as the coordinator does."""
        self.failures += 1
        if self.failures == 1:
            raise ValueError("a defect")
        super().expire()


@in_virtual_time
async def test_an_error_does_not_stop_the_timer() -> None:
    coordinator = Failing(make_fleet(window=1.0, lease_s=1000.0), virtual_loop().time)
    coordinator.arrive(Arrival(key="s", hold_s=50))
    waiting = coordinator.arrive(Arrival(key="t", hold_s=10))
    assert await coordinator.wait(waiting, timeout_s=20.0)
    assert waiting.outcome is Outcome.HOLD_TIMEOUT
    assert waiting.held_s == 10 + AGAIN_S
