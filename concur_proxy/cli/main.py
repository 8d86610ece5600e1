"""The `concur-proxy` command: passes its arguments to a subcommand."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from concur_proxy.cli.ending import run_command
from concur_proxy.cli.parser import complain


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand: the module with its `main`, and a summary for the help."""

    module: str
    summary: str


COMMANDS = {
    "serve": Command(module="concur_proxy.cli.serve", summary="run the gateway in front of vLLM or SGLang servers"),
    "check-config": Command(
        module="concur_proxy.cli.check_config", summary="check the settings of serve, and show where each was set"
    ),
    "doctor": Command(module="concur_proxy.cli.doctor", summary="examine engines and Redis, and report what to enable"),
    "engine": Command(module="concur_proxy.cli.engine", summary="run an emulated inference server; needs no GPU"),
    "status": Command(module="concur_proxy.cli.status", summary="show the state of a running gateway"),
    "key": Command(module="concur_proxy.cli.key", summary="make a key for a client, and its entry in the file of keys"),
    "health": Command(module="concur_proxy.cli.health", summary="exit with 0 if the gateway of this machine is alive"),
    "top": Command(module="concur_proxy.cli.top", summary="show the state of a running gateway every second"),
    "report": Command(
        module="concur_proxy.cli.report", summary="report what control would have saved on a recorded load"
    ),
    "simulate": Command(
        module="concur_proxy.cli.simulate", summary="compare control laws with fleets of agents, in virtual time"
    ),
    "demo": Command(
        module="concur_proxy.cli.demo", summary="run a fleet of agents without control, then through the gateway"
    ),
    "agents": Command(module="concur_proxy.cli.agents", summary="run a fleet of agents against a server, as a load"),
}

HELP = """\
usage: concur-proxy COMMAND [options]

Admission control for fleets of LLM agents: a congestion window over whole sessions, in front of unmodified vLLM and
SGLang servers.

commands:
{commands}

options:
  -h, --help  show this help; for a command: concur-proxy COMMAND --help
  --version   show the version
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    name = f"concur-proxy {given[0]}" if given and given[0] in COMMANDS else "concur-proxy"
    run_command(name, lambda: _run(given))


def _run(arguments: list[str]) -> int:
    first = arguments[0] if arguments else None
    if first in COMMANDS:
        status: int = import_module(COMMANDS[first].module).main(arguments[1:])
        return status
    if first in {"-h", "--help"}:
        print(_help(), end="")
        return 0
    if first == "--version":
        print(f"concur-proxy {_version()}")
        return 0
    if first is None:
        print(_help(), end="", file=sys.stderr)
        return complain("concur-proxy", "no command given")
    near = [] if first.startswith("-") else get_close_matches(first, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(COMMANDS)}"
    return complain("concur-proxy", f"unknown command {first}: {hint}")


def _help() -> str:
    width = max(map(len, COMMANDS))
    return HELP.format(commands="\n".join(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()))


def _version() -> str:
    try:
        return version("concur-proxy")
    except PackageNotFoundError:
        return "unknown: run from source without an installation"
