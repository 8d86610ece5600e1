"""The last sentence of a report: what control would have saved, or that it is not needed, or that nobody can say."""

import enum
from dataclasses import dataclass

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.recorded.part import CONTROLLED_SHARE
from concur_proxy.lab.report.comparison import Comparison
from concur_proxy.lab.report.measured import SHORTEST_WAIT_S, Measured
from concur_proxy.lab.report.phrases import span

LEAST_GAIN = 0.05
"""A smaller change is called none."""
LEAST_RECOMPUTED = 0.1
"""Part of the returning tokens. Below it, the load fits into the cache."""
GAVE_WAY = 0.5
"""If no cache was worth keeping at the end of more turns than this share, that is why control changes nothing."""
ENFORCE = 'mode = "enforce" (--mode enforce)'
OBSERVE = 'mode = "observe"'


class Finding(enum.Enum):
    """What is recommended."""

    SAVES = "saves"
    NOT_NEEDED = "not needed"
    NO_DIFFERENCE = "no difference"
    COSTS = "costs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The finding, its sentence, and what to do."""

    finding: Finding
    sentence: str
    advice: str


def judge(measured: Measured, comparison: Comparison | None, problem: str = "") -> Verdict:
    """The verdict. `problem` says why there is no comparison."""
    if comparison is None:
        return _without_replay(measured, problem)
    failed = next((check for check in comparison.checks if not check.is_good), None)
    if failed is not None:
        unit = "points" if failed.is_share else "%"
        return Verdict(
            finding=Finding.UNKNOWN,
            sentence=(
                f'No saving is stated: the replay misses the recorded "{failed.name}" by '
                f"{100 * abs(failed.error):.0f} {unit}, and at most {100 * failed.bound:.0f} {unit} is accepted."
            ),
            advice=_by_share(measured),
        )
    without, controlled = comparison.without, comparison.controlled
    engine = 1 - controlled.busy_s / max(without.busy_s, 1e-9)
    turn = 1 - controlled.mean_turn_s / max(without.mean_turn_s, 1e-9)
    margin = max(LEAST_GAIN, comparison.error)
    tense = "Control saved" if comparison.was_controlled else "Control would have saved"
    if max(engine, turn) >= margin and turn > -margin:
        parts = []
        if engine >= LEAST_GAIN:
            parts.append(f"{percent(engine)} of the engines' time ({span(without.busy_s - controlled.busy_s)})")
        saved_tokens = without.recomputed_tokens - controlled.recomputed_tokens
        if saved_tokens > 0:
            parts.append(f"the recomputation of {count(saved_tokens)} of {count(without.recomputed_tokens)} tokens")
        if abs(turn) >= LEAST_GAIN:
            change = f"{percent(abs(turn))} of the mean turn" if turn > 0 else ""
            parts += [f"{change} ({span(without.mean_turn_s)} to {span(controlled.mean_turn_s)})"] if change else []
        return Verdict(
            finding=Finding.SAVES,
            sentence=f"{tense} {_listed(parts)}.",
            advice=f"Keep {ENFORCE}." if comparison.was_controlled else f"Use {ENFORCE}.",
        )
    share = f"{percent(without.recomputed_share)} of the prompt tokens are computed again without it"
    if min(engine, turn) <= -margin:
        return Verdict(
            finding=Finding.COSTS,
            sentence=(
                f"Control would not have helped: {share}, and with it the mean turn takes "
                f"{span(controlled.mean_turn_s)} instead of {span(without.mean_turn_s)}."
            ),
            advice=f"Keep {OBSERVE}.",
        )
    if without.recomputed_share < LEAST_RECOMPUTED:
        return Verdict(
            finding=Finding.NOT_NEEDED,
            sentence=f"Control is not needed: this load fits into the cache; {share}.",
            advice=f"Keep {OBSERVE}; {ENFORCE} would cost nothing and protects you when the load grows.",
        )
    return _no_difference(comparison, margin)


def _no_difference(comparison: Comparison, margin: float) -> Verdict:
    if comparison.controlled.kept_no_caches > GAVE_WAY:
        return Verdict(
            finding=Finding.NO_DIFFERENCE,
            sentence=(
                "Control would make no clear difference: the engine computes its whole cache in "
                f"{span(comparison.whole_cache_s)}, and tool calls take about as long or longer. Keeping a context for "
                "its next turn is not worth a wait then, so nobody waits."
            ),
            advice=f"Keep {OBSERVE}. A larger cache, or shorter tool calls, would change this.",
        )
    return Verdict(
        finding=Finding.NO_DIFFERENCE,
        sentence=f"Control would make no clear difference: less than the replay's own error of {percent(margin)}.",
        advice=f"Keep {OBSERVE}, and record a busier day.",
    )


def _without_replay(measured: Measured, problem: str) -> Verdict:
    reason = f" ({problem})" if problem else ""
    return Verdict(
        finding=Finding.UNKNOWN, sentence=f"Measured only: nothing was replayed{reason}.", advice=_by_share(measured)
    )


def _by_share(measured: Measured) -> str:
    share = measured.totals.recomputed_share
    if share is None:
        return "The engine does not report cached tokens: start vLLM with --enable-prompt-tokens-details."
    said = f"{percent(share)} of the returning tokens were computed again"
    if measured.totals.waits.share_above(SHORTEST_WAIT_S) > CONTROLLED_SHARE:
        return f"With control, {said}: keep {ENFORCE}." if share < LEAST_RECOMPUTED else f"With control, {said}."
    if share < LEAST_RECOMPUTED:
        return f"{said}: below a tenth, control is not needed."
    return f"{said}: above a tenth, control is worth trying with {ENFORCE}."


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
