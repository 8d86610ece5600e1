"""A network namespace for Redis with two virtual cables, each of which can be cut. Needs root and iproute2."""

import os
import subprocess
from types import TracebackType
from typing import Self

from tests.coordination.redis_server import RedisServer

NETWORK = "10.213.77"
"""Addresses of the ends of the cables. Only this machine reaches them."""


class RedisNamespace:
    """Holds a Redis that listens only at the inner ends of both cables.

    What is sent into a cut cable is lost without an error, as in a network that does not deliver.
    """

    def __init__(self) -> None:
        self._name = f"concur-{os.getpid()}"
        self._cables = [f"cc{os.getpid() % 100_000}{letter}" for letter in "ab"]
        addresses = [f"{NETWORK}.{4 * number + 2}" for number in range(len(self._cables))]
        self.redis = RedisServer(
            *("--protected-mode", "no", "--bind", *addresses),
            host=addresses[0],
            launcher=("ip", "netns", "exec", self._name),
        )
        self.urls = [f"redis://{address}:{self.redis.port}/0" for address in addresses]
        """By cable."""

    def __enter__(self) -> Self:
        _run("ip", "netns", "add", self._name)
        for number, cable in enumerate(self._cables):
            inner, first = f"{cable}i", f"{NETWORK}.{4 * number + 1}"
            _run("ip", "link", "add", cable, "type", "veth", "peer", "name", inner, "netns", self._name)
            _run("ip", "address", "add", f"{first}/30", "dev", cable)
            _run("ip", "link", "set", cable, "up")
            self._inside("address", "add", f"{NETWORK}.{4 * number + 2}/30", "dev", inner)
            self._inside("link", "set", inner, "up")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("ip", "netns", "del", self._name)  # this also removes the cables

    def cut(self, number: int) -> None:
        """Deliver nothing through this cable."""
        self._inside("link", "set", f"{self._cables[number]}i", "down")

    def mend(self, number: int) -> None:
        """Deliver again."""
        self._inside("link", "set", f"{self._cables[number]}i", "up")

    def _inside(self, *arguments: str) -> None:
        _run("ip", "-n", self._name, *arguments)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
