import asyncio
import logging
import socket
from collections.abc import Sequence

import pytest

from concur_proxy.monitoring.name_watch import NameWatch, OneFamily, resolve


class Names:
    """A resolver whose answers a test changes, and a record of the servers that it leads to."""

    def __init__(self, url: str, *addresses: str) -> None:
        self.addresses: Sequence[str] | OSError = addresses
        self.asked: list[tuple[str, int]] = []
        self.told: list[Sequence[str]] = []
        self.watch = NameWatch(url, self.told.append, interval_s=0.01, resolve=self.resolve)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        if isinstance(self.addresses, OSError):
            raise self.addresses
        return self.addresses


async def test_each_address_is_a_server_and_only_news_is_told() -> None:
    names = Names("http://vllm.svc:8000/base#dp=2", "fd00::1", "fd00::2")
    for _ in range(2):
        await names.watch.ask()
    names.addresses = ["fd00::2"]
    await names.watch.ask()
    assert names.told == [
        ["http://[fd00::1]:8000/base#dp=2", "http://[fd00::2]:8000/base#dp=2"],
        ["http://[fd00::2]:8000/base#dp=2"],
    ]
    assert names.asked == [("vllm.svc", 8000)] * 3


PODS_4 = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
PODS_6 = ["fd00::1", "fd00::2", "fd00::3"]


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        (PODS_4 + PODS_6, PODS_4),
        (PODS_6 + PODS_4, PODS_4),
        (PODS_6, PODS_6),
        (PODS_4[:1] + PODS_6, PODS_6),
        (["::ffff:10.0.0.1", "10.0.0.1", "fd00::1"], ["10.0.0.1"]),
        (["fd00::1", "fd00:0:0:0:0:0:0:1"], ["fd00::1"]),
        ([], []),
    ],
)
def test_a_server_with_two_addresses_is_one_engine(answer: list[str], used: list[str]) -> None:
    assert OneFamily().choose(answer) == used


def test_the_family_in_use_stays_while_records_of_the_other_come_first() -> None:
    """A switch would give every engine a new name."""
    family = OneFamily()
    assert family.choose(PODS_4 + PODS_6) == PODS_4
    assert family.choose(PODS_4[:2] + PODS_6) == PODS_4[:2]
    assert family.choose(PODS_4 + PODS_6) == PODS_4
    assert family.choose(PODS_6) == [], "the old answer stays in use"
    assert family.choose(PODS_6) == []
    assert family.choose(PODS_6) == PODS_6
    assert family.choose(PODS_4 + PODS_6) == PODS_6


async def test_one_lost_answer_changes_no_engine() -> None:
    names = Names("http://vllm.svc:8000", *PODS_4, *PODS_6)
    await names.watch.ask()
    names.addresses = PODS_6
    await names.watch.ask()
    names.addresses = PODS_4 + PODS_6
    await names.watch.ask()
    assert names.told == [[f"http://{address}:8000" for address in PODS_4]]


async def test_without_a_port_there_is_none() -> None:
    names = Names("http://vllm.svc", "10.0.0.1")
    await names.watch.ask()
    assert (names.told, names.asked) == ([["http://10.0.0.1"]], [("vllm.svc", 80)])


async def test_while_there_is_no_answer_the_last_one_holds_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    names = Names("http://vllm.svc:8000", "10.0.0.1")
    await names.watch.ask()
    names.addresses = socket.gaierror(-2, "Name or service not known")
    for _ in range(3):
        await names.watch.ask()
    names.addresses = []
    await names.watch.ask()
    names.addresses = ["10.0.0.1"]
    await names.watch.ask()
    assert names.told == [["http://10.0.0.1:8000"]]
    assert len(caplog.records) == 2
    assert "Name or service not known" in caplog.text


async def test_it_asks_until_it_is_cancelled() -> None:
    names = Names("http://vllm.svc:8000", "10.0.0.1")
    running = asyncio.create_task(names.watch.run())
    async with asyncio.timeout(10):
        while len(names.asked) < 3:
            await asyncio.sleep(0.005)
    running.cancel()


async def test_the_systems_resolver_is_asked() -> None:
    assert "127.0.0.1" in await resolve("localhost", 8000)
    with pytest.raises(OSError, match=r".+"):
        await resolve("no.such.name.invalid", 8000)
