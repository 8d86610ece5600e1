"""What a report says, line by line. The text and the page show the same lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from concur_proxy.control.phrasing import count, number_of, percent
from concur_proxy.lab.recorded.known_speeds import Speeds
from concur_proxy.lab.report.comparison import ArmNumbers, Comparison
from concur_proxy.lab.report.measured import SHORTEST_WAIT_S, Measured, Totals
from concur_proxy.lab.report.phrases import moment, span, whole

Line = tuple[str, str]
"""A name and what is said about it."""
NO_TENANT = "(no tenant)"
SPAN_HEADINGS = ("requests", "recom-\nputed", "of re-\nturning", "waits\np95", "turn\nmean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: each row begins with a name."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def measured_lines(measured: Measured) -> Iterator[Line]:
    """What was measured, in order of importance."""
    totals = measured.totals
    began, ended = (moment(at, has_dates=measured.has_dates) for at in (measured.began_at, measured.ended_at))
    yield "Source", measured.source
    yield "Time", f"{began} to {ended} ({span(measured.ended_at - measured.began_at)})"
    unrecognised = totals.unrecognised_share
    told = "" if unrecognised is None else f"; {percent(unrecognised)} unrecognised"
    yield "Requests", f"{whole(totals.requests)} in {number_of(totals.sessions, 'session')}{told}"
    cached = totals.cached_tokens
    found = "the engine does not report cached tokens"
    if cached is not None and totals.prompt_tokens:
        found = f"{percent(cached / totals.prompt_tokens)} found in the cache"
    yield "Prompt tokens", f"{count(totals.prompt_tokens)}; {found}"
    if totals.recomputed_tokens is not None:
        share = totals.recomputed_share or 0.0
        yield "Returning tokens", f"{count(totals.returning_tokens)} had been computed before in the same session"
        yield "Recomputed", f"{count(totals.recomputed_tokens)} of these ({percent(share)})"
    yield "Answer tokens", count(totals.answer_tokens)
    turns, waits = totals.turns, totals.waits
    yield (
        "Turns",
        f"mean {span(turns.mean)}, half within {span(turns.quantile(0.5))}, 95 % within {p95(totals, turns=True)}",
    )
    waited = f"{percent(waits.share_above(SHORTEST_WAIT_S))} of the requests; 95 % within {p95(totals)}"
    yield "Waited", waited if waits.total or waits.quantile(0.999) else "no request"
    if totals.would_have_waited is not None:
        yield "Would have waited", f"{number_of(totals.would_have_waited, 'session')}, with control"
    if measured.cut_lines:
        yield (
            "Left out",
            "1 line that was cut" if measured.cut_lines == 1 else f"{whole(measured.cut_lines)} lines that were cut",
        )


def p95(totals: Totals, *, turns: bool = False) -> str:
    """The time within which 95 % of the waits or turns end."""
    return span((totals.turns if turns else totals.waits).quantile(0.95))


def measured_tables(measured: Measured) -> Iterator[Table]:
    """The same over time, and by tenant and model if there are several."""
    rows = {moment(at, has_dates=measured.has_dates, with_day=False): totals for at, totals in measured.over_time}
    yield _table(f"Every {span(measured.width_s)}", rows)
    if measured.by_tenant:
        yield _table("By tenant", {name or NO_TENANT: totals for name, totals in measured.by_tenant.items()})
    if measured.served_by_tenant:
        everything = max(1.0, sum(measured.served_by_tenant.values()))
        rows_by_tenant = [
            (name or NO_TENANT, count(tokens), percent(tokens / everything))
            for name, tokens in measured.served_by_tenant.items()
        ]
        yield Table(title="By tenant", headings=("tokens", "share"), rows=rows_by_tenant)
    if measured.by_model:
        yield _table("By model", {name or "(no model)": totals for name, totals in measured.by_model.items()})


def _table(title: str, rows: Mapping[str, Totals]) -> Table:
    return Table(title=title, headings=SPAN_HEADINGS, rows=[(name, *_cells(totals)) for name, totals in rows.items()])


def _cells(totals: Totals) -> Iterable[str]:
    share = totals.recomputed_share
    return (
        whole(totals.requests),
        "-" if totals.recomputed_tokens is None else count(totals.recomputed_tokens),
        "-" if share is None else percent(share),
        p95(totals),
        span(totals.turns.mean),
    )


def replay_lines(comparison: Comparison, *, has_dates: bool) -> Iterator[Line]:
    """What was replayed, and with which engine."""
    which = "the busiest part: " if comparison.is_part else ""
    began, ended = (moment(at, has_dates=has_dates) for at in (comparison.began_at, comparison.ended_at))
    busy = f", {span(comparison.busy_span_s)} without idle times"
    yield (
        "Replayed",
        f"{which}{number_of(comparison.requests, 'request')} in {number_of(comparison.sessions, 'session')}",
    )
    yield "Time", f"{began} to {ended}{busy}"
    sizes = " and ".join(dict.fromkeys(count(tokens) for tokens in comparison.capacities))
    engines = "1 engine" if comparison.engines == 1 else f"{comparison.engines} engines"
    yield (
        "Engines",
        (
            f"{engines}, {sizes} tokens of cache, {count(comparison.prefill_tokens_s)} prefill tokens/s, "
            f"{1000 * comparison.step_s:.3g} ms a step"
        ),
    )
    if comparison.speeds_alone is not None:
        yield "Speeds", speeds_line(comparison.speeds_alone)
        return
    mode = "with" if comparison.was_controlled else "without"
    those = (
        "other requests than those it was fitted to" if comparison.is_checked_apart else "the requests it was fitted to"
    )
    yield "Checked", f"the replay {mode} control, on {number_of(comparison.checked, 'request')} ({those})"


def speeds_line(speeds: Speeds) -> str:
    """Where the engines' speeds are from, and how far the durations that they give are from the recorded ones."""
    if not speeds.answers:
        return "assumed, because the recording has too few durations"
    of_model = f" of {speeds.model}" if speeds.model else ""
    error = f"half within {percent(speeds.median_error)}, 90 % within {percent(speeds.p90_error)}"
    parts = [f"fitted to the durations of {number_of(speeds.answers, 'answer')}{of_model}; error: {error}"]
    if speeds.outside_s >= SHORTEST_WAIT_S:
        parts.append(f"{span(speeds.outside_s)} of each answer depend on no token and are left out")
    if not speeds.shows_prefill:
        parts.append("the prefill speed is assumed, because the durations do not show it")
    return "; ".join(parts)


def checks_table(comparison: Comparison) -> Table:
    """How far the replay is from the recording."""
    rows = []
    for check in comparison.checks:
        shown = percent if check.is_share else span
        unit = "points" if check.is_share else "%"
        rows.append(
            (
                check.name,
                shown(check.recorded),
                shown(check.replayed),
                f"{round(100 * check.error):+d} {unit}",
                f"{100 * check.bound:.0f} {unit}",
                "yes" if check.is_good else "NO",
            )
        )
    headings = ("recorded", "replayed", "error", "accepted", "good")
    return Table(title="Error of the replay", headings=headings, rows=rows)


def effect_table(comparison: Comparison) -> Table:
    """The replays without and with control."""

    def row(name: str, one: float, other: float, text: str, other_text: str) -> Sequence[str]:
        change = f"{round(100 * (other / one - 1)):+d} %" if one else "-"
        return name, text, other_text, change

    def times(name: str, field: str) -> Sequence[str]:
        one, other = (getattr(arm, field) for arm in arms)
        return row(name, one, other, span(one), span(other))

    arms: tuple[ArmNumbers, ArmNumbers] = (comparison.without, comparison.controlled)
    tokens = [arm.recomputed_tokens for arm in arms]
    refusals = [arm.refusals for arm in arms]
    refused = (
        [row("refused, then retried", refusals[0], refusals[1], whole(refusals[0]), whole(refusals[1]))]
        if any(refusals)
        else []
    )
    return Table(
        title="What control changes",
        headings=("without", "with", "change"),
        rows=[
            times("engine time", "busy_s"),
            row("recomputed tokens", tokens[0], tokens[1], count(tokens[0]), count(tokens[1])),
            times("mean turn", "mean_turn_s"),
            times("95 % of turns within", "p95_turn_s"),
            times("mean wait", "mean_wait_s"),
            times("longest wait", "longest_wait_s"),
            *refused,
        ],
    )
