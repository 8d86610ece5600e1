"""Several gateway processes behind one port of one host."""

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType

from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.telemetry.logs import configure_logging

logger = logging.getLogger(__name__)

BACKLOG = 2048
"""As uvicorn has it."""
SHORT_LIFE_S = 5.0
"""A worker that ended sooner is not replaced before this time is over."""

Work = Callable[[socket.socket], None]


class Workers:
    """Forks workers that share a listening socket, and replaces those that die. What ends or reloads goes to all."""

    def __init__(self, count: int, work: Work, listening: socket.socket) -> None:
        self._count = count
        self._work = work
        self._socket = listening
        self._born: dict[int, float] = {}
        self._is_stopping = False

    def run(self) -> int:
        """Work until told to stop and all have ended; the worst exit status."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._pass_on)
        for _ in range(self._count):
            self._fork()
        worst = 0
        while self._born:
            process, status = os.wait()
            lived_s = time.monotonic() - self._born.pop(process)
            worst = max(worst, os.waitstatus_to_exitcode(status)) if self._is_stopping else worst
            if not self._is_stopping:
                logger.error("worker %d ended with %d and is replaced", process, os.waitstatus_to_exitcode(status))
                time.sleep(max(0.0, SHORT_LIFE_S - lived_s))
            if not self._is_stopping:  # a signal may have come meanwhile
                self._fork()
        return worst

    def _fork(self) -> None:
        process = os.fork()
        if process == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            self._work(self._socket)
            sys.exit(0)
        self._born[process] = time.monotonic()

    def _pass_on(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's arguments
        self._is_stopping = self._is_stopping or number != signal.SIGHUP
        for process in self._born:
            os.kill(process, number)


def run_workers(settings: GatewaySettings, work: Work) -> int:
    """Run `settings.workers` of them on the settings' address."""
    configure_logging(level=settings.log_level, style=settings.log_format)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG) as listening:
        return Workers(settings.workers, work, listening).run()
