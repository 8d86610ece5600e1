"""Reports for tests."""

from dataclasses import replace

from concur_proxy.lab.report.comparison import ArmNumbers, Check, Comparison
from concur_proxy.lab.report.measured import Measured, Measuring
from tests.lab.recorded.recordings import NOON, request

WITHOUT = ArmNumbers(
    busy_s=7200.0,
    recomputed_tokens=8_000_000,
    prompt_tokens=16_000_000,
    mean_turn_s=20.0,
    p95_turn_s=60.0,
    mean_wait_s=0.0,
    longest_wait_s=0.0,
    refusals=0,
    kept_no_caches=0.0,
)
CONTROLLED = replace(
    WITHOUT, busy_s=3600.0, recomputed_tokens=500_000, mean_turn_s=10.0, mean_wait_s=2.0, longest_wait_s=90.0
)


def comparison(**more: object) -> Comparison:
    """A comparison in which control halves the times."""
    made = Comparison(
        requests=5000,
        sessions=200,
        engines=1,
        capacities=[300_000],
        began_at=NOON,
        ended_at=NOON + 7200,
        busy_span_s=5000.0,
        is_part=False,
        was_controlled=False,
        checked=3000,
        is_checked_apart=True,
        speeds_alone=None,
        step_s=0.02,
        prefill_tokens_s=7000.0,
        checks=[checked(0.05)],
        without=WITHOUT,
        controlled=CONTROLLED,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def checked(error: float) -> Check:
    """The check of the mean turn, with this error."""
    return Check(name="mean turn", recorded=20.0, replayed=20.0 * (1 + error), bound=0.2)


def measured(*, lost: int = 500, tenant: str = "", source: str = "day.jsonl", wait_s: float = 0.2) -> Measured:
    """Two hours of a session whose history is computed again in part. Each turn waits `wait_s` longer than the last."""
    measuring = Measuring()
    for turn in range(20):
        prompt = 1000 + 100 * turn
        cached = max(0, prompt - 90 - lost) if turn else 0
        more = {"cached_tokens": cached, "tenant": tenant if turn % 2 else "team", "wait_s": wait_s * turn}
        measuring.add(request("a", NOON + 360.0 * turn, prompt, 10, 5.0, **more))
    return measuring.result(source, has_dates=True, cut_lines=1)
