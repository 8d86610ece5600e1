"""`concur-proxy top`: shows a running gateway until Ctrl-C. In a file, each reading follows the one before."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from rich.console import RenderableType
from rich.live import Live

from concur_proxy.cli.parser import CommandParser, complain, positive_number
from concur_proxy.cli.state_view import state_view
from concur_proxy.cli.terminal import Output
from concur_proxy.cli.watch import EXIT_NO_ANSWER, NoState, add_gateway_flags, admin_key, gateway_tls, read_state

PROG = "concur-proxy top"
OTHER_LINES = 24
"""Lines of the screen that are not rows of sessions."""
MOST_TENANTS = 8
"""Rows of tenants."""
TENANT_LINES = 5
"""Lines of the table of tenants that are not rows."""
WARNING_LINES = 3
"""Lines of one warning on a narrow screen."""


def main(arguments: Sequence[str]) -> int:
    """Show the state every interval; returns 1 if no gateway answers at the start."""
    parser = CommandParser(PROG, usage="[--url URL]", description="Shows a running gateway until Ctrl-C.")
    add_gateway_flags(parser)
    parser.add_argument(
        "--interval",
        type=positive_number,
        default=1.0,
        metavar="SECONDS",
        help="seconds between two readings (default 1)",
    )
    options = parser.read(arguments)
    console = Output()
    try:
        key = admin_key(options)
        verify = gateway_tls(options.url, options.tls_client_cert, options.tls_client_key)
        state: dict[str, Any] | NoState = read_state(options.url, key, verify)
    except NoState as problem:
        complain(PROG, str(problem))
        return EXIT_NO_ANSWER
    with Live(console=console, screen=True, auto_refresh=False) if console.can_redraw else nullcontext() as live:
        while True:
            view = str(state) if isinstance(state, NoState) else _view(state, console.height)
            if live is not None:
                live.update(view, refresh=True)
            else:
                console.print(time.strftime("%H:%M:%S"), view)
            time.sleep(options.interval)
            try:
                state = read_state(options.url, key, verify)
            except NoState as problem:
                state = problem


def _view(state: dict[str, Any], height: int) -> RenderableType:
    """The state, with as many sessions as fit on the screen."""
    tenants = min(MOST_TENANTS, len(state["tenants"]))
    others = OTHER_LINES + WARNING_LINES * len(state["warnings"]) + (tenants and tenants + TENANT_LINES)
    return state_view(state, sessions=max(5, height - others), decisions=5, tenants=tenants)
