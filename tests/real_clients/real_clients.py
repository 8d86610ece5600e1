"""Real agent clients run their loops through the gateway.

Each client runs in an environment of its own, in front of the emulated engine, which calls the tools that the client
offers. Three agents with different tasks run at once, then three whose first prompts are the same to the byte. Their
tools' results differ. All agents use the same API key.

"Recognised by" says what found the session of each request after an agent's first, from the gateway's log. "Stable over
turns" means that all requests of an agent are in one session, and that no two agents share one. Agents with the same
first prompt may change sessions at their second request, because nothing tells them apart before.
"After a 429" is when the client repeated a request that was refused with `Retry-After: 2`. "20 s of silence" is whether
it waited for an answer that took 20 s to begin. A dash means that this was not tried. With `--resume`, rows of an
earlier run that was interrupted are taken over.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.real_clients.clients import CLIENTS, Client
from tests.real_clients.install import DEFAULT_FOLDER, Installed, NotInstalled, install
from tests.real_clients.report import NOT_HERE, Row, table
from tests.real_clients.run import TURNS, run_client


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the clients, see `run_clients`."""
    run_clients(CLIENTS, arguments, prog="python -m tests.real_clients", about=__doc__)


def run_clients(clients: Sequence[Client], arguments: Sequence[str] | None, *, prog: str, about: str | None) -> None:
    """Install and run the clients and print the table. Ends with status 1 if a client was not recognised as it must
    be.
    """
    parser = argparse.ArgumentParser(prog=prog, description=about)
    parser.add_argument("--only", action="append", choices=[client.name for client in clients], help="repeatable")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="for clients and results")
    parser.add_argument("--turns", type=int, default=TURNS, help="requests of each agent (default %(default)s)")
    parser.add_argument("--keep", type=Path, help="folder for the output of clients and gateway")
    parser.add_argument("--at-once", type=int, default=1, help="how many clients run at once (default %(default)s)")
    parser.add_argument("--resume", action="store_true", help="do not run clients again that have a result there")
    parser.add_argument("--no-trouble", action="store_true", help="leave out the 429 and the silence")
    given = parser.parse_args(arguments)
    chosen = [client for client in clients if not given.only or client.name in given.only]
    # before any client runs: it blocks, and clients may share an environment
    begun = [_begun(client, given) for client in chosen]
    rows = asyncio.run(_finished(begun, given))
    print(table(rows))
    if wrong := [row.client.name for row in rows if not row.is_right]:
        raise SystemExit(f"not as it must be: {', '.join(wrong)}")


def _begun(client: Client, given: argparse.Namespace) -> tuple[Row, Installed | None]:
    """A client's row, and the client if it has to be run for it."""
    result = _result(client, given)
    if given.resume and result.exists():
        row = msgspec.json.decode(result.read_bytes(), type=Row)
        row.client = client
        return row, None
    try:
        return Row(client), install(client, CLIENTS, given.folder)
    except NotInstalled as error:
        return Row(client, problem=f"{NOT_HERE}: {error}"), None


async def _finished(begun: Sequence[tuple[Row, Installed | None]], given: argparse.Namespace) -> list[Row]:
    """The rows, in the same order. Several clients run at once."""
    free = asyncio.Semaphore(given.at_once)

    async def finish(row: Row, installed: Installed | None) -> Row:
        if installed is not None:
            async with free:
                row = await run_client(
                    row.client, installed, given.turns, given.keep, with_trouble=not given.no_trouble
                )
            result = _result(row.client, given)
            result.parent.mkdir(parents=True, exist_ok=True)
            result.write_bytes(msgspec.json.encode(row))
        print(f"{row.client.name}: {row.verdict}", file=sys.stderr, flush=True)
        return row

    return list(await asyncio.gather(*(finish(*each) for each in begun)))


def _result(client: Client, given: argparse.Namespace) -> Path:
    return Path(given.folder) / "results" / f"{client.name}.json"


if __name__ == "__main__":
    main()
