"""`concur-proxy top`: shows a running gateway until Ctrl-C."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.live import Live

from concur_proxy.cli.parser import CommandParser, complain, positive_number
from concur_proxy.cli.state_view import state_view
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
    console = Console(highlight=False)
    try:
        key = admin_key(options)
        verify = gateway_tls(options.url, options.tls_client_cert, options.tls_client_key)
        state = read_state(options.url, key, verify)
    except NoState as problem:
        complain(PROG, str(problem))
        return EXIT_NO_ANSWER
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            tenants = min(MOST_TENANTS, len(state["tenants"]))
            others = OTHER_LINES + WARNING_LINES * len(state["warnings"]) + (tenants and tenants + TENANT_LINES)
            rows = max(5, console.height - others)
            live.update(state_view(state, sessions=rows, decisions=5, tenants=tenants), refresh=True)
            time.sleep(options.interval)
            try:
                state = read_state(options.url, key, verify)
            except NoState as problem:
                live.update(str(problem), refresh=True)
