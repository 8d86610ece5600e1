"""`concur-proxy report`: what control would have saved on a recorded load."""

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from concur_proxy.cli.files import is_writable
from concur_proxy.cli.parser import CommandParser, complain, whole_number
from concur_proxy.cli.terminal import Output, steps
from concur_proxy.lab.recorded.both import NoReplay, replay_both
from concur_proxy.lab.recorded.formats import open_trace
from concur_proxy.lab.recorded.part import LoadOverTime, part_of
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.report.comparison import compare
from concur_proxy.lab.report.measured import Measuring
from concur_proxy.lab.report.page import page
from concur_proxy.lab.report.prometheus import PrometheusReader, TimeRange
from concur_proxy.lab.report.report import Report, report_of
from concur_proxy.lab.report.text import print_report
from concur_proxy.upstream.tls import Trust

PROG = "concur-proxy report"

DESCRIPTION = """\
Reports what was measured while the gateway observed, and what control would have saved. RECORDING is a file of
serve --record, agent sessions in WEKA's format (also a folder of them), or requests in Mooncake's, also compressed with
gzip; its load is replayed in virtual time without and with control. A Prometheus server knows what was measured, but
nothing can be replayed from it."""

UNITS_S = {"m": 60, "h": 3600, "d": 86400}
PROMETHEUS_TIMEOUT_S = 60.0


def main(arguments: Sequence[str]) -> int:
    """Print the report; returns the exit status."""
    given = _parser().read(arguments)
    if (given.recording is None) == (given.prometheus is None):
        return complain(PROG, "give either a recording or --prometheus URL")
    if given.html is not None and not is_writable(given.html):
        return complain(PROG, f"--html {given.html}: cannot be written")
    try:
        with steps("reading") as show:
            if given.recording is not None:
                report = _from_recording(given.recording, given.capacity_tokens, show)
            else:
                report = _from_prometheus(given.prometheus, given.since)
    except TraceProblem as error:
        return complain(PROG, str(error))
    if given.html is not None:
        given.html.write_text(page(report), encoding="utf-8")
    print_report(report, Output())
    return 0


def _from_recording(path: Path, capacity_tokens: int | None, show: Callable[[str], None]) -> Report:
    reader = open_trace(path)
    measuring, load = Measuring(), LoadOverTime()
    for request in reader.requests():
        measuring.add(request)
        load.add(request)
    measured = measuring.result(str(path), has_dates=reader.has_dates, cut_lines=reader.cut_lines)
    if not measured.totals.requests:
        raise TraceProblem(f"{path}: no request has token counts: record with ask_usage = true, the default")
    part = part_of(reader.requests(), load.busiest())
    try:
        fleets = replay_both(part, capacity_tokens=capacity_tokens, on_step=show, shows_load=reader.shows_load)
    except NoReplay as problem:
        return report_of(measured, None, str(problem))
    return report_of(measured, compare(fleets, is_part=len(part) < measured.totals.requests))


def _from_prometheus(url: str, since_s: float) -> Report:
    base = url.rstrip("/") + "/"
    try:
        with httpx.Client(
            base_url=base, trust_env=False, verify=Trust().for_url(base), timeout=PROMETHEUS_TIMEOUT_S
        ) as client:
            shown = str(client.base_url.copy_with(username=None, password=None))
            measured = PrometheusReader(client, TimeRange.before(time.time(), since_s)).measure(shown)
    except httpx.InvalidURL as error:
        raise TraceProblem(f"--prometheus {url}: {error}") from error
    return report_of(measured, None, "Prometheus keeps sums and no sessions: record with serve --record")


def _since(text: str) -> float:
    found = re.fullmatch(r"(\d{1,4})([mhd])", text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"must be a time such as 90m, 24h or 7d, not {text!r}")
    return int(found[1]) * UNITS_S[found[2]]


def _parser() -> CommandParser:
    parser = CommandParser(PROG, usage="RECORDING | --prometheus URL [options]", description=DESCRIPTION)
    parser.add_argument(
        "recording", metavar="RECORDING", nargs="?", type=Path, help="a file of serve --record, or a trace"
    )
    parser.add_argument(
        "--prometheus", metavar="URL", help="read what was measured from this Prometheus server instead"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=_since,
        default="24h",
        help="with --prometheus: how long ago to begin, such as 90m, 24h or 7d (default %(default)s)",
    )
    parser.add_argument(
        "--capacity-tokens",
        metavar="N",
        type=whole_number(1024),
        help="size of each engine's KV cache (default: as it was recorded)",
    )
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write the report as a page to this file")
    return parser
