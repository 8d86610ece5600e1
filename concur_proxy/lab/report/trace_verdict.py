"""The last sentence of `simulate --trace`: what control would have saved on a trace, or that it is not needed."""

from collections.abc import Sequence

from concur_proxy.control.phrasing import count, percent
from concur_proxy.lab.report.phrases import span
from concur_proxy.lab.report.verdict import ENFORCE, LEAST_GAIN, LEAST_RECOMPUTED, OBSERVE
from concur_proxy.lab.simulation.suite import Row


def trace_verdict(without: Row, controlled: Row, *, setting: str) -> str:
    """What a policy would have changed in comparison with no control. `setting` follows the mode and switches its law
    on; empty for the default law.
    """
    sessions = [row.mean("served_mean_s") for row in (without, controlled)]
    engines = [row.mean("busy_s") for row in (without, controlled)]
    tokens = [row.mean("recomputed_tokens") for row in (without, controlled)]
    session, engine = (1 - after / max(before, 1e-9) for before, after in (sessions, engines))
    share = tokens[0] / max(1.0, without.mean("prompt_tokens"))
    again = f"{percent(share)} of the prompt tokens are computed again without it"
    if max(session, engine) >= LEAST_GAIN and session > -LEAST_GAIN:
        saved = []
        if session >= LEAST_GAIN:
            saved.append(f"{percent(session)} of the mean session ({span(sessions[0])} to {span(sessions[1])})")
        if engine >= LEAST_GAIN:
            saved.append(f"{percent(engine)} of the engines' time ({span(engines[0] - engines[1])})")
        if tokens[1] < tokens[0]:
            saved.append(f"the recomputation of {count(tokens[0] - tokens[1])} of {count(tokens[0])} tokens")
        return f"Control would have saved {_listed(saved)}. Use {ENFORCE}{setting}."
    if session <= -LEAST_GAIN:
        return (
            f"Control would not have helped: {again}, and with it the mean session takes {span(sessions[1])} instead "
            f"of {span(sessions[0])}. Keep {OBSERVE}."
        )
    if share < LEAST_RECOMPUTED:
        return f"Control is not needed: this load fits into the cache; {again}. Keep {OBSERVE}."
    return (
        f"Control would make no clear difference: less than {percent(LEAST_GAIN)} of sessions and engine time, "
        f"although {again}. Keep {OBSERVE}."
    )


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
