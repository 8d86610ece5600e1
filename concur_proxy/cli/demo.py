"""`concur-proxy demo`: compares a fleet of agents without control and through the gateway."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from concur_proxy import plugins
from concur_proxy.cli.files import is_writable
from concur_proxy.cli.parser import CommandParser, complain, positive_number, whole_number
from concur_proxy.cli.run_async import run_async
from concur_proxy.lab.demo.options import DemoOptions

PROG = "concur-proxy demo"

DESCRIPTION = """\
Runs the same fleet of agents (growing histories, tool calls) without control and through the gateway, and compares
what happened. Some agents name their session and some do not, some start sub-agents, and some share a system prompt.
First in virtual time, which takes a few seconds, then live over HTTP against an emulated engine, which takes about a
minute. It needs no GPU. On a busy machine it lowers the time scale until the machine keeps up."""


def main(arguments: Sequence[str]) -> int:
    """Run the demo; returns the exit status."""
    options, files = read_options(arguments)
    for flag, file in files.items():
        if not is_writable(file):
            return complain(PROG, f"--{flag} {file}: cannot be written")
    import httpx  # noqa: PLC0415 - --help answers without the demo's imports

    from concur_proxy.cli.terminal import Output  # noqa: PLC0415 - as above
    from concur_proxy.lab.demo import page, run  # noqa: PLC0415
    from concur_proxy.lab.demo.servers import ServerFailed  # noqa: PLC0415

    try:
        output = Output()
        comparison = run_async(run.run(options, output, redraws=output.can_redraw))
    except (ServerFailed, httpx.HTTPError, TimeoutError) as error:
        where = f"--engine {options.engine}: " if options.engine else ""
        complain(PROG, f"{where}{str(error) or type(error).__name__}")
        return 1
    if "json" in files:
        run.write_json(comparison, files["json"])
    if "html" in files:
        files["html"].write_text(page.page(comparison, options), encoding="utf-8")
        print(f"Both courses are drawn in {files['html']}.")
    return 0


def read_options(arguments: Sequence[str]) -> tuple[DemoOptions, dict[str, Path]]:
    """The demo's options and the files for its results by flag; exits with one line if an argument is wrong."""
    given = _parser().read(arguments)
    default = DemoOptions()
    workload = replace(default.workload, agents=given.agents, turns=given.turns, seed=given.seed)
    options = replace(default, engine=given.engine, law=given.law, time_scale=given.time_scale, workload=workload)
    files = {flag: getattr(given, flag) for flag in ("json", "html")}
    return options, {flag: file for flag, file in files.items() if file is not None}


def _parser() -> CommandParser:
    default = DemoOptions()
    parser = CommandParser(PROG, usage="[options]", description=DESCRIPTION)
    parser.add_argument(
        "--engine",
        metavar="URL",
        type=url,
        help="use this inference server instead of an emulated one; there is no virtual time then",
    )
    parser.add_argument(
        "--law",
        metavar="NAME",
        type=_law,
        default=default.law,
        help=f"the gateway's control law: {', '.join(plugins.available(plugins.LAWS))} (default %(default)s)",
    )
    for name, text in (("agents", "number of agents, all started at once"), ("turns", "turns of each agent")):
        value = getattr(default.workload, name)
        parser.add_argument(
            f"--{name}", metavar="N", type=whole_number(1), default=value, help=f"{text} (default %(default)s)"
        )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=whole_number(),
        default=default.workload.seed,
        help="decides what the agents say and how long their tools run (default %(default)s)",
    )
    parser.add_argument(
        "--time-scale",
        metavar="N",
        type=positive_number,
        default=default.time_scale,
        help="how much the demo is sped up; lowered on a busy machine, 1 with --engine (default %(default)g)",
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the results to this file")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="also draw both courses side by side in this file, as a page to keep"
    )
    return parser


def _law(name: str) -> str:
    try:
        plugins.load(plugins.LAWS, name)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return name


def url(text: str) -> str:
    """A server's URL without a slash at the end. Raises `ArgumentTypeError` if it is not an HTTP URL."""
    if urlsplit(text).scheme not in {"http", "https"} or not urlsplit(text).hostname:
        raise argparse.ArgumentTypeError(f"must be a URL such as http://localhost:8000, not {text!r}")
    return text.rstrip("/")
