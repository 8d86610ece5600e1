"""How a command ends when it is stopped, or when nobody reads its output: without a traceback.

- Ctrl-C, SIGTERM and SIGHUP: the command ends, and so does what it started. A second Ctrl-C ends it at once.
- A closed pipe, as in `concur-proxy status | head -1`: the command ends silently, like other programs.
- A full disk: one line says so.
"""

import errno
import os
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from concur_proxy.cli.parser import complain

INTERRUPTED = 128 + signal.SIGINT
"""Exit status that a shell reports for a command ended by Ctrl-C."""
NOT_READ = 128 + signal.SIGPIPE
"""Exit status that a shell reports for a command whose output nobody reads any longer."""
NOT_WRITTEN = 1
"""Exit status of a command that could not write its output."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def run_command(prog: str, work: Callable[[], int]) -> NoReturn:
    """Do the work of a command, then exit with its status. `prog` is the name for an error line."""
    stops = _Stops()
    try:
        stops.listen()
        status = _flushed(work)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = stops.status
    except OSError as error:
        if error.errno == errno.EPIPE and _is_unread():
            status = NOT_READ
        elif error.errno in FULL:
            status = _complain_of_full(prog, error)
        else:
            raise
    _drop_unwritten()
    sys.exit(status)


class _Stops:
    """Lets SIGTERM and SIGHUP end a command in the same way as Ctrl-C, so that it can end what it has started."""

    def __init__(self) -> None:
        self.status = INTERRUPTED
        """The exit status for the signal that ended the command."""

    def listen(self) -> None:
        """Handle the signals that would end the process."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._stop)
        # A shell lets its background jobs ignore Ctrl-C, and they could not be stopped in this way.
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's arguments
        self.status = 128 + number
        signal.raise_signal(signal.SIGINT)


def _flushed(work: Callable[[], int]) -> int:
    """The status of the work, once its output is written. Raises `OSError` if it cannot be."""
    try:
        status = work()
    except SystemExit as exiting:  # of the parser
        status = exiting.code if isinstance(exiting.code, int) else 1
        if exiting.code is None:
            status = 0
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return status


def _complain_of_full(prog: str, error: OSError) -> int:
    with suppress(OSError):  # standard error may be on the same disk
        complain(prog, f"the output cannot be written: {(error.strerror or str(error)).lower()}")
    return NOT_WRITTEN


def _is_unread() -> bool:
    """Whether standard output or standard error is a pipe that nobody reads."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        try:
            poll.register(stream.fileno(), 0)
        except (AttributeError, OSError, ValueError):
            continue  # closed, or not a file
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _drop_unwritten() -> None:
    """Send what cannot be written to nowhere, so that Python does not complain about it when it exits."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
