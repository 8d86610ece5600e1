"""`concur-proxy status`: shows the state of a running gateway once."""

import json
from collections.abc import Sequence

from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.cli.state_view import state_view
from concur_proxy.cli.terminal import Output
from concur_proxy.cli.watch import EXIT_NO_ANSWER, NoState, add_gateway_flags, admin_key, gateway_tls, read_state

PROG = "concur-proxy status"


def main(arguments: Sequence[str]) -> int:
    """Print the state; returns 1 if no gateway answers."""
    parser = CommandParser(PROG, usage="[--url URL] [--json]", description="Shows the state of a running gateway.")
    add_gateway_flags(parser)
    parser.add_argument("--json", action="store_true", help="print the answer of GET /concur/v1/state")
    options = parser.read(arguments)
    try:
        key = admin_key(options)
        verify = gateway_tls(options.url, options.tls_client_cert, options.tls_client_key)
        state = read_state(options.url, key, verify)
    except NoState as problem:
        complain(PROG, str(problem))
        return EXIT_NO_ANSWER
    if options.json:
        print(json.dumps(state, indent=2))
    else:
        Output().print(state_view(state, sessions=0, decisions=5))
    return 0
