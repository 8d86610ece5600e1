"""The sessions for the next leader, as every worker keeps them."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.coordination.workers.kept import PART_BYTES, KeptSessions, encoded
from concur_proxy.steps import finish
from tests.coordination.fleets import make_fleet


def test_records_are_sent_in_parts_as_they_are_when_a_part_is_sent() -> None:
    kept = KeptSessions()
    kept.take({f"k{number}": bytes(PART_BYTES // 2) for number in range(6)})
    parts = kept.parts()
    assert list(next(parts)) == ["k0", "k1"]
    kept.take({"k0": b"new", "k2": b"new", "k4": None, "k6": b"added"})
    assert [(key, len(record or b"")) for part in parts for key, record in part.items()] == [
        ("k2", 3),
        ("k3", PART_BYTES // 2),
        ("k5", PART_BYTES // 2),
    ]
    assert "k4" not in kept


def test_nothing_is_sent_of_nothing() -> None:
    assert list(KeptSessions().parts()) == []


def test_what_is_kept_can_be_read() -> None:
    fleet = make_fleet()
    fleet.arrive(Arrival(key="s", body_bytes=400, hold_s=60.0), now=0.0)
    record = fleet.record("s", now=1.0)
    kept = KeptSessions()
    kept.take(encoded({"s": record, "t": None}))
    assert finish(kept.decoded()) == [record]
    kept.clear()
    assert finish(kept.decoded()) == []
