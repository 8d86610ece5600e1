"""The Markdown tables of the relay's benchmark."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from statistics import median

from tests.benchmarks.relay.loads import Figures

DIRECT = "direct"
Rounds = Mapping[str, Sequence[Figures]]
"""The measurements under each load."""
Seen = Mapping[str, Mapping[str, Figures]]
"""The medians of each proxy under each load."""


def medians(rounds: Rounds) -> dict[str, Figures]:
    """The median of each figure."""
    names = [field.name for field in fields(Figures)]
    return {
        load: Figures(**{name: median(getattr(one, name) for one in measured) for name in names})
        for load, measured in rounds.items()
    }


def requests(seen: Seen, size: str) -> str:
    """What a whole answer costs for requests of this size."""
    busy, alone = seen[DIRECT][size], seen[DIRECT][f"{size} alone"]

    def row(name: str, under: Mapping[str, Figures]) -> tuple[str, ...]:
        many, one = under[size], under[f"{size} alone"]
        if name == DIRECT:
            return "-", f"{many.requests_s:,.0f}", f"({busy.p99_ms:.1f})", f"({alone.p50_ms:.2f})"
        return (
            f"{many.request_cpu_us:,.0f}",
            f"{many.requests_s:,.0f}",
            f"{many.p99_ms - busy.p99_ms:.1f}",
            f"{one.p50_ms - alone.p50_ms:.2f}",
        )

    head = (f"{size}, c=64: CPU us a request", "requests/s", "p99 added, ms", "c=1: p50 added, ms")
    return _table(head, _with(seen, size), row)


def streams(seen: Seen) -> str:
    """What an event costs, paced as an engine paces it, and in a flood."""

    def row(name: str, under: Mapping[str, Figures]) -> tuple[str, ...]:
        cells: list[str] = []
        for load in ("64 streams", "256 streams"):
            cells += [
                "-" if name == DIRECT else f"{under[load].event_cpu_us:.0f}",
                f"{100 * under[load].on_time:.1f} %",
                f"{under[load].first_byte_ms:.2f}",
            ]
        core = "-" if name == DIRECT else f"{100 * under['256 streams'].core:.0f} %"
        flood = under["flood"]
        return *cells, core, "-" if name == DIRECT else f"{flood.event_cpu_us:.1f}", f"{flood.events_s:,.0f}"

    head = ["64 streams: CPU us an event", "on time", "first byte, ms"]
    head += ["256 streams: CPU us an event", "on time", "first byte, ms", "of a core"]
    return _table((*head, "flood: CPU us an event", "events/s"), _with(seen, "flood"), row)


def pauses(seen: Seen) -> str:
    """How long a proxy's loop stands still under load, in milliseconds."""
    loads = ("4 kB", "200 kB", "256 streams")

    def row(_: str, under: Mapping[str, Figures]) -> tuple[str, ...]:
        return tuple(f"{under[f'{load} with pings'].pause_ms:.0f}" for load in loads)

    head = [f"{load}: longest pause, ms" for load in ("4 kB, c=64", "200 kB, c=64", "256 streams")]
    return _table(head, _with(seen, f"{loads[0]} with pings"), row)


def _with(seen: Seen, load: str) -> Seen:
    """The proxies that were measured under this load."""
    return {name: under for name, under in seen.items() if load in under}


def _table(head: Sequence[str], seen: Seen, row: Callable[[str, Mapping[str, Figures]], tuple[str, ...]]) -> str:
    lines = [
        ("proxy", *head),
        ("---", *["---:"] * len(head)),
        *((name, *row(name, under)) for name, under in seen.items()),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
