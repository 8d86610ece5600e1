"""Agents of real SDKs and frameworks whose sessions `concur_proxy.client` names and ends.

Each runs as in `python -m tests.real_clients`: in front of the emulated engine, three agents with different tasks at
once, then three whose first prompts are the same to the byte. `tests/real_clients/loops/helped.py` has their loops.

"Recognised by" must be `headers` for each request after an agent's first, and each agent must be one session. "Session
ended" counts the agents whose session the gateway ended when their block was left. With `--resume`, rows of an earlier
run that was interrupted are taken over.
"""

from collections.abc import Sequence

from tests.real_clients.helped import HELPED
from tests.real_clients.real_clients import run_clients


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the clients and print the table."""
    run_clients(HELPED, arguments, prog="python -m tests.real_clients.client_helper", about=__doc__)


if __name__ == "__main__":
    main()
