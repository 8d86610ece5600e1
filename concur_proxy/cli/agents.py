"""`concur-proxy agents`: runs the demo's fleet again and again against a running server."""

from collections.abc import Sequence
from dataclasses import replace

from concur_proxy.cli.demo import url
from concur_proxy.cli.parser import CommandParser, positive_number, whole_number
from concur_proxy.cli.run_async import run_async
from concur_proxy.lab.demo.workload import Workload

PROG = "concur-proxy agents"

DESCRIPTION = """\
Keeps a fleet of agents (growing histories, tool calls) at work on an OpenAI-compatible server until Ctrl-C. When a
fleet has finished, a new one starts. Use it as a load when you look at a gateway's dashboard."""


def main(arguments: Sequence[str]) -> int:
    """Run until SIGTERM or Ctrl-C; returns only after the last of `--fleets`."""
    given = _parser().read(arguments)
    from concur_proxy.lab.demo.endless import keep_busy  # noqa: PLC0415 - --help answers without the demo's imports
    from concur_proxy.telemetry.logs import configure_logging  # noqa: PLC0415 - as above

    configure_logging(level="info", style="text")
    workload = replace(Workload(), agents=given.agents, turns=given.turns)
    run_async(keep_busy(given.url, workload, time_scale=given.time_scale, fleets=given.fleets))
    return 0


def _parser() -> CommandParser:
    default = Workload()
    parser = CommandParser(PROG, usage="[options] URL", description=DESCRIPTION)
    parser.add_argument("url", metavar="URL", type=url, help="the server's URL, without /v1")
    for name, text in (("agents", "agents in a fleet"), ("turns", "turns of each agent")):
        value = getattr(default, name)
        parser.add_argument(
            f"--{name}", metavar="N", type=whole_number(1), default=value, help=f"{text} (default %(default)s)"
        )
    parser.add_argument(
        "--time-scale",
        metavar="N",
        type=positive_number,
        default=1.0,
        help="how much the tool calls are sped up (default %(default)g)",
    )
    parser.add_argument(
        "--fleets", metavar="N", type=whole_number(1), help="stop after this many fleets (default: never)"
    )
    return parser
