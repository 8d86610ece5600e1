"""What the gateway is to reach, and whether it did in this run, in sentences."""

from collections.abc import Iterator

from tests.benchmarks.relay.held import Held
from tests.benchmarks.relay.loads import LOADS, STEPS_S, Figures
from tests.benchmarks.relay.python_peers import STACK, THUNDER
from tests.benchmarks.relay.tables import DIRECT, Seen

OWN = "concur-proxy"
SCHEDULING = "vllm-router, program scheduling"
ROUTER = "vllm-router"
TIMES = {STACK: 10.0, THUNDER: 40.0}
"""How many times the gateway's CPU time these are to take, at least."""
DELIVERED = 0.99
"""Part of the due events that counts as all of them: the last ones are in flight when the measurement ends."""


def verdicts(seen: Seen, held: Held | None) -> str:
    """One line for each bar that this run can judge, as a Markdown list."""
    return "\n".join(f"- {line}" for line in (*_cpu(seen), *_delay(seen), *_streams(seen), *_memory(held)))


def _cpu(seen: Seen) -> Iterator[str]:
    for what, load, unit in (
        ("CPU for a request of 4 kB", "4 kB", "request"),
        ("CPU for a request of 200 kB", "200 kB", "request"),
        ("CPU for an event, 64 paced streams", "64 streams", "event"),
        ("CPU for an event, 256 paced streams", "256 streams", "event"),
    ):
        yield _compared(seen, what, load, f"{unit}_cpu_us", SCHEDULING, 1.0, "us")
        if "HAProxy" in seen:
            own, other = (getattr(seen[name][load], f"{unit}_cpu_us") for name in (OWN, "HAProxy"))
            yield f"{what}: {own / max(other, 0.01):.1f} times HAProxy's {other:,.0f} us. No bar."
    for name, least in TIMES.items():
        if name in seen:
            own, other = (seen[each]["4 kB"].request_cpu_us for each in (OWN, name))
            verdict = "Reached" if other >= least * own else "Missed"
            what = f"{other:,.0f} us for a request of 4 kB, {other / own:.1f} times ours"
            yield f"{name}: {what}. {verdict}: the bar is at least {least:g} times."


def _delay(seen: Seen) -> Iterator[str]:
    own, alone = seen[OWN], seen[DIRECT]["4 kB alone"]
    added = own["4 kB alone"].p50_ms - alone.p50_ms
    yield f"p50 added to one request of 4 kB after another: {added:.2f} ms. {_judged(added, 0.35, 'ms')}"
    direct, what = seen[DIRECT]["4 kB"].p99_ms, "p99 added with 64 agents, 4 kB"
    if ROUTER in seen:
        late, other = own["4 kB"].p99_ms - direct, seen[ROUTER]["4 kB"].p99_ms - direct
        limit = 2 * max(other, 0.0)
        yield f"{what}: {late:.1f} ms; {ROUTER} {other:.1f} ms. {_judged(late, limit, 'ms', 'twice that, ')}"
    else:
        yield f"{what}: {own['4 kB'].p99_ms - direct:.1f} ms. Not judged: {ROUTER} is not in this run."
    for load in ("4 kB", "200 kB", "256 streams"):
        pause = own[f"{load} with pings"].pause_ms
        yield f"Longest pause, {load}: {pause:.0f} ms. {_judged(pause, 20.0, 'ms')}"


def _streams(seen: Seen) -> Iterator[str]:
    many = seen[OWN]["256 streams"]
    part = many.events_s / (STEPS_S * LOADS["256 streams"].settings["connections"])
    verdict = "Reached" if part >= DELIVERED else "Missed"
    yield f"256 streams: {min(part, 1.0):.1%} of the due events delivered. {verdict}: the bar is all of them."
    yield f"256 streams: {many.core:.0%} of a core. {_judged(100 * many.core, 80.0, '%')}"
    yield _compared(seen, "First byte of 256 streams", "256 streams", "first_byte_ms", "nginx", 2.0, "ms")


def _memory(held: Held | None) -> Iterator[str]:
    if held is not None:
        yield f"A request that waits: {held.each_kb:.1f} kB. {_judged(held.each_kb, 12.0, 'kB')}"
        left = held.after / held.before
        yield f"Memory after {held.requests:,} have left: {left:.2f} times that before. {_judged(left, 1.2, 'times')}"


def _compared(seen: Seen, what: str, load: str, figure: str, other: str, most: float, unit: str) -> str:
    """A figure of the gateway in comparison with another proxy's."""

    def of(under: Figures) -> float:
        return float(getattr(under, figure))

    own = of(seen[OWN][load])
    if other not in seen:
        return f"{what}: {own:,.1f} {unit}. Not judged: {other} is not in this run."
    theirs = of(seen[other][load])
    times = own / max(theirs, 0.01)
    return f"{what}: {own:,.1f} {unit}, {times:.2f} times {other}'s {theirs:,.1f}. {_judged(times, most, 'times')}"


def _judged(value: float, most: float, unit: str, meaning: str = "") -> str:
    return f"{'Reached' if value <= most else 'Missed'}: the bar is {meaning}{most:.4g} {unit}."
