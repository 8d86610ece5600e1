"""Runs several gateway processes that share one port."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from concur_proxy.server.listen import Listening, listen
from concur_proxy.server.worker_metrics import Mailbox, connect
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)

SHORT_LIFE_S = 5.0
"""A worker that ends sooner than this is replaced only when the time is over."""

Work = Callable[[Listening, Mailbox], None]


class Workers:
    """Forks workers that share the listening sockets, and replaces those that end. Signals are passed on to all."""

    def __init__(self, count: int, work: Work, listening: Listening) -> None:
        self._work = work
        self._sockets = listening
        self._mailboxes, self._alive = connect(count)
        self._born: dict[int, tuple[float, Mailbox]] = {}
        self._is_stopping = False

    def run(self) -> int:
        """Run until a signal has stopped all workers; returns their highest exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        for mailbox in self._mailboxes:
            self._fork(mailbox)
        worst = 0
        while self._born:
            process, status = os.wait()
            began, mailbox = self._born.pop(process)
            lived_s = time.monotonic() - began
            worst = max(worst, os.waitstatus_to_exitcode(status)) if self._is_stopping else worst
            if not self._is_stopping:
                logger.error(
                    "worker %d ended with exit status %d and will be replaced",
                    process,
                    os.waitstatus_to_exitcode(status),
                )
                time.sleep(max(0.0, SHORT_LIFE_S - lived_s))
            if not self._is_stopping:  # a signal may have arrived in the meantime
                self._fork(mailbox)
        return worst

    def _fork(self, mailbox: Mailbox) -> None:
        process = os.fork()
        if process == 0:
            self._alive.close()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)  # a terminal sends Ctrl-C to its whole group, and the parent passes it on as well
            self._work(self._sockets, mailbox)
            sys.exit(0)
        self._sockets = replace(self._sockets, announces=False)
        self._born[process] = time.monotonic(), mailbox

    def _pass_on(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's arguments
        self._is_stopping = self._is_stopping or number != signal.SIGHUP
        for process in self._born:
            os.kill(process, number)


def run_workers(settings: GatewaySettings, work: Work) -> int:
    """Run `settings.workers` processes on the addresses of the settings."""
    configure_logging(level=settings.log_level, style=settings.log_format)
    listening = listen(settings)
    try:
        return Workers(settings.workers, work, listening).run()
    finally:
        listening.close()
