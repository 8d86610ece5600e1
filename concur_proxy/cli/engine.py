"""`concur-proxy engine`: the emulated inference server."""

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, get_args, get_type_hints

from concur_proxy.cli.listen import listen_problem
from concur_proxy.cli.parser import CommandParser, complain, number, token_count, whole_number
from concur_proxy.lab.server.options import EmulatorOptions

PROG = "concur-proxy engine"

DESCRIPTION = """\
Runs an emulated inference server with the APIs of OpenAI (chat and Responses) and Anthropic (Messages), and the
/metrics of vLLM or SGLang. It models continuous batching, a paged prefix cache with LRU eviction, chunked prefill and
preemption. It needs no GPU. The texts of its answers have no meaning; their timing does. With --tool-turns and
--any-model, agents such as Claude Code and Codex run against it."""

DEFAULT_PORT = 8000
"""The same as vLLM's."""

_READERS: Mapping[type, Callable[[str], object]] = {int: whole_number(), float: number, str: str}
_METAVARS: Mapping[type, str] = {int: "N", float: "NUMBER", str: "TEXT"}


def main(arguments: Sequence[str]) -> int:
    """Serve until SIGTERM or Ctrl-C; returns the exit status."""
    given = vars(_parser().read(arguments))
    host, port = given.pop("host"), given.pop("port")
    try:
        options = EmulatorOptions(**given)
    except ValueError as error:
        return complain(PROG, str(error))
    if problem := listen_problem([host], port):
        return complain(PROG, problem)
    from concur_proxy.lab.server import server  # noqa: PLC0415 - --help answers without the server's imports

    asyncio.run(server.serve(options, host, port))
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(PROG, usage="[options]", description=DESCRIPTION)
    listening = parser.add_argument_group("listening")
    listening.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1", help="address to listen on (default %(default)s)"
    )
    listening.add_argument(
        "--port",
        metavar="N",
        type=whole_number(0, 65535),
        default=DEFAULT_PORT,
        help="TCP port to listen on; 0: any free port (default %(default)s)",
    )
    engine = parser.add_argument_group("the engine")
    types = get_type_hints(EmulatorOptions)
    for field in fields(EmulatorOptions):
        _add_flag(engine, field, types[field.name])
    return parser


def _add_flag(group: "argparse._ArgumentGroup", field: Field[Any], annotation: object) -> None:
    """Add the flag of one option. Its type decides how it is read; its metadata has the help text."""
    flag, text = "--" + field.name.replace("_", "-"), str(field.metadata.get("help", "")).replace("%", "%%")
    if field.default is not MISSING and field.default is not None:
        text += f" (default {_shown(field.default)})"
    if annotation is bool:
        group.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        return
    kind = next((kind for kind in (int, float) if annotation is kind or kind in get_args(annotation)), str)
    read = token_count() if kind is int and field.name.endswith("_tokens") else _READERS[kind]
    group.add_argument(flag, default=argparse.SUPPRESS, type=read, metavar=_METAVARS[kind], help=text)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
