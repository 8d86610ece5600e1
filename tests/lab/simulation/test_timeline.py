from concur_proxy.lab.simulation.timeline import Timeline


def test_what_is_due_next_happens_next_and_equals_in_order() -> None:
    timeline, seen = Timeline(), []
    for time, name in ((2.0, "c"), (1.0, "a"), (1.0, "b")):
        timeline.at(time, lambda name=name: seen.append((timeline.now, name)))  # type: ignore[misc]
    timeline.run(until=lambda: False)
    assert seen == [(1.0, "a"), (1.0, "b"), (2.0, "c")]


def test_a_cancelled_alarm_does_not_ring_and_the_past_is_now() -> None:
    timeline = Timeline()
    seen: list[float] = []
    timeline.at(1.0, lambda: seen.append(-1.0)).cancel()

    def late() -> None:
        timeline.at(0.5, lambda: seen.append(timeline.now))
        timeline.after(1.0, lambda: seen.append(timeline.now))

    timeline.at(2.0, late)
    timeline.run(until=lambda: False)
    assert seen == [2.0, 3.0]


def test_it_stops_when_it_is_told_to() -> None:
    timeline, seen = Timeline(), []

    def again() -> None:
        seen.append(timeline.now)
        timeline.after(1.0, again)

    again()
    timeline.run(until=lambda: len(seen) == 4)
    assert seen == [0.0, 1.0, 2.0, 3.0]
