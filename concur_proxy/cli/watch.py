"""What `concur-proxy status` and `concur-proxy top` share: their flags, and asking a gateway how it stands."""

import os
from typing import Any

import httpx

from concur_proxy.cli.parser import CommandParser

DEFAULT_URL = "http://127.0.0.1:8300"
TIMEOUT_S = 5.0
EXIT_NO_ANSWER = 1
"""Status of a command to which no gateway has told its state."""


class NoState(Exception):  # noqa: N818 - says what happened
    """The gateway did not tell; the text is one line with the mend."""


def add_gateway_flags(parser: CommandParser) -> None:
    """Which gateway, and its key."""
    parser.add_argument("--url", default=DEFAULT_URL, metavar="URL", help=f"the gateway (default {DEFAULT_URL})")
    parser.add_argument(
        "--admin-key",
        default=os.environ.get("CONCUR_ADMIN_KEY"),
        metavar="KEY",
        help="its admin key, where it has one (default: CONCUR_ADMIN_KEY)",
    )


def read_state(url: str, admin_key: str | None) -> dict[str, Any]:
    """How the gateway stands; `NoState` when it does not say so."""
    headers = {} if admin_key is None else {"authorization": f"Bearer {admin_key}"}
    try:
        answer = httpx.get(f"{url.rstrip('/')}/concur/v1/state", headers=headers, timeout=TIMEOUT_S, trust_env=False)
        state = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoState(f"--url {url}: no gateway answers there: {error}") from error
    except ValueError as error:
        told = "its log tells why" if answer.is_server_error else "it is no gateway of this version"
        raise NoState(f"--url {url}: the answer is HTTP {answer.status_code} and no state: {told}") from error
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise NoState(f"{state['error']['message']} Use --admin-key or CONCUR_ADMIN_KEY.")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "error" in state:
        raise NoState(f"--url {url}: {state['error']['message']}")
    if answer.status_code != httpx.codes.OK or "engines" not in state:
        raise NoState(f"--url {url}: what answers there is no gateway of this version")
    return dict(state)
