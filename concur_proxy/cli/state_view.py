"""Shows the state of a gateway on a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from concur_proxy.control.phrasing import count, duration, percent

State = dict[str, Any]


def state_view(state: State, *, sessions: int, decisions: int, tenants: int = 50) -> RenderableType:
    """The engines, at most `tenants` tenants, at most `sessions` sessions, and the newest `decisions` decisions."""
    who = f"{state['replica']}: {state['role']}, {state['replicas']} gateway(s), mode {state['mode']}"
    warnings = (Text(f"Warning: {warning}", style="bold yellow") for warning in state["warnings"])
    parts: list[RenderableType] = [escape(who), *warnings, _engines(state)]
    if state["tenants"]:
        parts.append(_tenants(state, tenants))
    if sessions:
        parts.append(_sessions(state, sessions))
    newest = state["decisions"][:decisions]
    texts = (f"{duration(decision['ago_s'])} ago  {decision['engine']}: {decision['text']}" for decision in newest)
    return Group(*parts, *map(escape, texts))


def _engines(state: State) -> Table:
    table = Table()
    table.add_column("engine", overflow="fold")  # a narrow terminal must still show the whole name
    for name in ("signals", "law", "window", "admitted", "waiting", "idle", "KV cache", "hits"):
        table.add_column(name, justify="left" if name in {"signals", "law"} else "right")
    for engine in state["engines"]:
        sessions, manual = engine["sessions"], " (manual)" if engine["window"]["by_hand"] else ""
        idle = max(0, sessions["paused"] + sessions["queued"] - sessions["waiting"])
        table.add_row(
            escape(engine["engine"]),
            engine["signals"] if engine["reachable"] else "not reachable",
            engine["law"]["name"] + ("" if engine["law"]["enforced"] else " (observe only)"),
            _window(engine["window"]) + manual,
            *map(str, (sessions["active"], sessions["waiting"], idle)),
            _share(engine["kv_usage"]),
            _share(engine["hit_rate"]),
        )
    return table


def _tenants(state: State, limit: int) -> Table:
    listed = state["tenants"]
    table = Table(title=f"{len(listed)} tenants" if len(listed) <= limit else f"{limit} of {len(listed)} tenants")
    for name in ("tenant", "served tokens", "share", "weight", "admitted", "waiting"):
        table.add_column(name, justify="left" if name == "tenant" else "right")
    for tenant in listed[:limit]:
        table.add_row(
            escape(tenant["tenant"]) or "(no tenant)",
            count(tenant["served_tokens"]),
            _share(tenant["share"]),
            "-" if tenant["weight"] is None else f"{tenant['weight']:g}",
            str(tenant["active"]),
            str(tenant["waiting"]),
        )
    return table


def _sessions(state: State, limit: int) -> Table:
    table = Table(title=f"{state['sessions_total']} sessions")
    for name in ("session", "state", "cache tokens", "turns", "has waited"):
        table.add_column(name, justify="left" if name in {"session", "state"} else "right")
    # waiting sessions first: on a small terminal the running ones would hide them
    for session in sorted(state["sessions"], key=lambda session: session["place"] is None)[:limit]:
        name = session["session_id"]
        table.add_row(
            "(request without a session)" if name.startswith("\0") else escape(name.replace("\0", " ")),
            session["text"],
            count(session["footprint_tokens"]),
            str(session["turns"]),
            duration(session["wait_s"]) if session["wait_s"] else "",
        )
    return table


def _window(window: State) -> str:
    tokens = "" if window["tokens"] is None else f"{count(window['tokens'])} tokens"
    sessions = "" if window["sessions"] is None else f"{window['sessions']:g} sessions"
    return ", ".join(part for part in (tokens, sessions) if part) or "no limit"


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)
