"""A gateway's state on a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

State = dict[str, Any]


def state_view(state: State, *, sessions: int, decisions: int) -> RenderableType:
    """Engines, at most so many sessions, and the newest decisions."""
    who = f"{state['replica']}: {state['role']}, {state['replicas']} gateway(s), mode {state['mode']}"
    parts: list[RenderableType] = [escape(who), _engines(state)]
    if sessions:
        parts.append(_sessions(state, sessions))
    newest = state["decisions"][:decisions]
    texts = (f"{decision['ago_s']:.0f} s ago  {decision['engine']}: {decision['text']}" for decision in newest)
    return Group(*parts, *map(escape, texts))


def _engines(state: State) -> Table:
    table = Table()
    table.add_column("engine", overflow="fold")  # on a narrow terminal as well, one must be told from the next
    for name in ("signals", "law", "window", "active", "waiting", "paused", "KV", "hits"):
        table.add_column(name, justify="left" if name in {"signals", "law"} else "right")
    for engine in state["engines"]:
        sessions, by_hand = engine["sessions"], " by hand" if engine["window"]["by_hand"] else ""
        counts = (str(sessions[name]) for name in ("active", "waiting", "paused"))
        table.add_row(
            escape(engine["engine"]),
            engine["signals"] if engine["reachable"] else "not reachable",
            engine["law"]["name"] + ("" if engine["law"]["enforced"] else " (observed)"),
            _window(engine["window"]) + by_hand,
            *counts,
            _share(engine["kv_usage"]),
            _share(engine["hit_rate"]),
        )
    return table


def _sessions(state: State, limit: int) -> Table:
    table = Table(title=f"{state['sessions_total']} sessions")
    for name in ("session", "state", "place", "tokens", "turns", "waits"):
        table.add_column(name, justify="left" if name in {"session", "state"} else "right")
    # whoever waits first: on a small terminal they would never be seen behind the active ones
    for session in sorted(state["sessions"], key=lambda session: session["place"] is None)[:limit]:
        name = session["session_id"]
        table.add_row(
            "(one request)" if name.startswith("\0") else escape(name.replace("\0", " ")),
            session["state"] + (" by hand" if session["by_hand"] else ""),
            "" if session["place"] is None else str(session["place"]),
            f"{session['footprint_tokens']:,}",
            str(session["turns"]),
            f"{session['wait_s']:.1f} s",
        )
    return table


def _window(window: State) -> str:
    tokens = "" if window["tokens"] is None else f"{window['tokens']:,.0f} tokens"
    sessions = "" if window["sessions"] is None else f"{window['sessions']:g} sessions"
    return ", ".join(part for part in (tokens, sessions) if part) or "open"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
