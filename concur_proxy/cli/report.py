"""`concur-proxy report`: what control would have saved on a recorded load."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.status import Status

from concur_proxy.cli.parser import CommandParser, complain, whole_number
from concur_proxy.lab.recorded.both import NoReplay, replay_both
from concur_proxy.lab.recorded.part import LoadOverTime, part_of
from concur_proxy.lab.recorded.reader import GatewayRecording, Reader
from concur_proxy.lab.recorded.request import TraceProblem
from concur_proxy.lab.report.comparison import compare
from concur_proxy.lab.report.measured import Measuring
from concur_proxy.lab.report.report import Report, report_of
from concur_proxy.lab.report.text import print_report

PROG = "concur-proxy report"

DESCRIPTION = """\
Reports what was measured while the gateway observed, and what control would have saved. RECORDING is a file of
serve --record, also compressed with gzip. Its load is replayed in virtual time without and with control."""


def main(arguments: Sequence[str]) -> int:
    """Print the report; returns the exit status."""
    given = _parser().read(arguments)
    try:
        with Console(stderr=True).status("reading the recording") as status:
            report = _from_recording(given.recording, given.capacity_tokens, status)
    except TraceProblem as error:
        return complain(PROG, str(error))
    print_report(report, Console(highlight=False))
    return 0


def _from_recording(path: Path, capacity_tokens: int | None, status: Status) -> Report:
    reader: Reader = GatewayRecording(path)
    measuring, load = Measuring(), LoadOverTime()
    for request in reader.requests():
        measuring.add(request)
        load.add(request)
    measured = measuring.result(str(path), has_dates=reader.has_dates, cut_lines=reader.cut_lines)
    if not measured.totals.requests:
        raise TraceProblem(f"{path}: no request has token counts: record with ask_usage = true, the default")
    part = part_of(reader.requests(), load.busiest())
    try:
        fleets = replay_both(part, capacity_tokens=capacity_tokens, on_step=status.update)
    except NoReplay as problem:
        return report_of(measured, None, str(problem))
    return report_of(measured, compare(fleets, is_part=len(part) < measured.totals.requests))


def _parser() -> CommandParser:
    parser = CommandParser(PROG, usage="RECORDING [options]", description=DESCRIPTION)
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="a file of serve --record")
    parser.add_argument(
        "--capacity-tokens",
        metavar="N",
        type=whole_number(1024),
        help="size of each engine's KV cache (default: as it was recorded)",
    )
    return parser
