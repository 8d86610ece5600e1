"""Shows the state of a gateway on a terminal."""

from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from concur_proxy.control.phrasing import count, duration, number_of, percent

State = dict[str, Any]
_STYLES = {"good": "green", "warning": "yellow", "bad": "bold red"}


def state_view(state: State, *, sessions: int, decisions: int, tenants: int = 50) -> RenderableType:
    """The effect, the engines, at most `tenants` tenants, at most `sessions` sessions, and the newest `decisions`
    decisions.
    """
    gateways = "1 gateway" if state["replicas"] == 1 else f"{state['replicas']} gateways"
    who = f"{state['replica']}: {state['role']}, {gateways}, mode {state['mode']}"
    warnings = (Text(f"Warning: {warning}", style="bold yellow") for warning in state["warnings"])
    parts: list[RenderableType] = [escape(who), *warnings, _effect(state), _engines(state)]
    if state["tenants"]:
        parts.append(_tenants(state, tenants))
    if sessions:
        parts.append(_sessions(state, sessions))
    newest, several = state["decisions"][:decisions], len(state["engines"]) > 1
    texts = (
        f"{duration(decision['ago_s'])} ago: {decision['engine'] + ': ' if several else ''}{decision['text']}"
        for decision in newest
    )
    return Group(*parts, *map(escape, texts))


def _effect(state: State) -> Table:
    """The head figures of the live page."""
    effect, unrecognised = state["effect"], state["unrecognised"]
    again, returning = effect["recomputed_tokens_s"], effect["returning_tokens_s"]
    if again is None:
        recomputed = "not known yet: no answer older than 5 s has said what was cached"
    elif not returning:
        recomputed = f"{count(again)} tokens/s; no context came back in the last 30 s"
    else:
        bound = f"at most {count(returning)} without control"
        recomputed = f"{count(again)} tokens/s, {percent(again / returning)} of what came back; "
        recomputed += "this is without control" if state["mode"] == "observe" else bound
    table = Table.grid(padding=(0, 2))
    table.add_row("Recomputed now", recomputed)
    table.add_row("Prefill saved", f"{count(effect['saved_tokens'])} tokens in the last {duration(effect['saved_s'])}")
    waiting = effect["waiting_sessions"]
    longest = f", the longest for {duration(effect['longest_wait_s'])}" if waiting else ""
    table.add_row("Waiting", f"{number_of(waiting, 'session')}{longest}")
    share = "not known yet" if unrecognised is None else f"{percent(unrecognised)} of the last 300 requests"
    table.add_row("Unrecognised", share)
    return table


def _engines(state: State) -> Table:
    table = Table()
    table.add_column("engine", overflow="fold")  # a narrow terminal must still show the whole name
    for name in ("health", "window", "sessions", "cache"):
        table.add_column(name)
    for engine in state["engines"]:
        sessions, law = engine["sessions"], engine["law"]["name"]
        idle = max(0, sessions["paused"] + sessions["queued"] - sessions["waiting"])
        table.add_row(
            escape(engine["engine"]),
            Text(engine["health"], style=_STYLES[engine["health_level"]]),
            f"{engine['window_text']}; law {law}; goal {engine['goal']['text']}",
            f"{sessions['active']} admitted, {sessions['waiting']} waiting, {idle} idle",
            f"{_share(engine['kv_usage'])} in use, {_share(engine['hit_rate'])} hits",
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
    table = Table(title=number_of(state["sessions_total"], "session"))
    for name in ("session", "state", "cache tokens", "turns", "has waited"):
        table.add_column(name, justify="left" if name in {"session", "state"} else "right")
    # waiting sessions first: on a small terminal the running ones would hide them
    for session in sorted(state["sessions"], key=lambda session: session["place"] is None)[:limit]:
        others = session["members_total"] - 1
        family = f" (+{others} sub-agent{'' if others == 1 else 's'})" if others > 0 else ""
        table.add_row(
            escape(session["name"] + family),
            session["text"],
            count(session["footprint_tokens"]),
            str(session["turns"]),
            duration(session["wait_s"]) if session["wait_s"] else "",
        )
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else percent(value)
