"""Every kind of URL against a real server of its kind."""

import asyncio
import gc
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from concur_proxy.coordination.group.term import Term
from concur_proxy.coordination.protocol.messages import Ask, Call
from concur_proxy.coordination.redis.client import connect
from concur_proxy.coordination.redis.link import RedisLink
from tests.benchmarks.process import free_port
from tests.coordination.redis_server import RedisServer

LEAVES_CONNECTION = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
"""redis-py leaves connections to a cluster's nodes and to sentinels to the garbage collector."""

ASK = Ask(number=7, call=Call(method="GET", path="/"))


async def _use(url: str, prefix: str = "t") -> None:
    """Do what a replica does: lead, exchange messages, save its state and read it again."""
    link = RedisLink(connect(url), prefix=prefix, me="r")
    try:
        term = await link.beat(may_lead=True)
        assert (term.leader, term.replicas) == ("r", frozenset({"r"}))
        link.enter(term.name, leads=True)
        link.send(ASK)
        await link.flush()
        (batch,) = await link.hear()
        assert batch.messages == (ASK,)
        assert await link.keep(term.name, b"standing", {"gone": None})
        assert await link.kept() == (b"standing", [])
        assert not await link.keep("another term", b"x", {})
        await link.resign(term.name, has_ended=False)
        assert await link.beat(may_lead=False) == Term("", frozenset({"r"}), just_heard=frozenset({"r"}))
        await link.resign("", has_ended=True)
        other = RedisLink(connect(url), prefix=prefix, me="other")
        assert (await other.beat(may_lead=False)).replicas == {"other"}
        await other.close()
    finally:
        await link.close()


async def test_a_plain_server(redis: RedisServer) -> None:
    await _use(redis.url, "plain")


async def test_a_user_with_a_password_and_no_more_rights_than_needed(redis: RedisServer) -> None:
    redis.client.acl_setuser("gateway", enabled=True, passwords=["+secret"], keys=["{acl}:*"], categories=["+@all"])
    await _use(redis.url.replace("redis://", "redis://gateway:secret@"), "acl")
    with pytest.raises(AuthenticationError):
        await _use(redis.url.replace("redis://", "redis://gateway:wrong@"), "acl")


async def test_tls(tmp_path: Path) -> None:
    key, certificate = _certify(tmp_path)
    port = free_port()
    flags = ("--tls-port", str(port), "--tls-auth-clients", "no", "--tls-key-file", str(key))
    with RedisServer(*flags, "--tls-cert-file", str(certificate)):
        await _use(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")


def _certify(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ),
        check=True,
        capture_output=True,
    )
    return key, certificate


async def test_a_socket_file(tmp_path: Path) -> None:
    with RedisServer("--unixsocket", str(tmp_path / "redis.sock")):
        await _use(f"unix://{tmp_path}/redis.sock?db=0")


@LEAVES_CONNECTION
async def test_sentinel(redis: RedisServer, sentinel: int) -> None:
    await _use(f"redis+sentinel://127.0.0.1:{sentinel}/fleet?db=0", "sentinel")
    gc.collect()


PASSWORD, ESCAPED = "p@ss/w:rd#%25+é", "p%40ss%2Fw%3Ard%23%2525+%C3%A9"


@LEAVES_CONNECTION
async def test_a_password_that_a_url_must_escape(redis: RedisServer, sentinel: int) -> None:
    redis.client.acl_setuser("a@b", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"])
    await _use(redis.url.replace("redis://", f"redis://a%40b:{ESCAPED}@"), "escaped")
    await _use(f"redis+sentinel://a%40b:{ESCAPED}@127.0.0.1:{sentinel}/fleet", "escaped sentinel")
    gc.collect()


async def test_a_password_of_a_cluster_that_a_url_must_escape() -> None:
    client = connect(f"redis+cluster://a%40b:{ESCAPED}@127.0.0.1:1")
    options = cast("Any", client).connection_kwargs
    assert (options["username"], options["password"]) == ("a@b", PASSWORD)
    await client.aclose()


def test_sentinels_by_address_and_name() -> None:
    client = connect("redis+sentinel://[::1]:5,[::2],b,c:6/fleet")
    sentinels = cast("Any", client).connection_pool.sentinel_manager.sentinels
    named = [each.connection_pool.connection_kwargs for each in sentinels]
    assert [(each["host"], each["port"]) for each in named] == [("::1", 5), ("::2", 26379), ("b", 26379), ("c", 6)]


@pytest.fixture(name="sentinel")
def _sentinel(redis: RedisServer, tmp_path: Path) -> Iterator[int]:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor fleet 127.0.0.1 {redis.port} 1\n")
    process = subprocess.Popen(("redis-server", str(config), "--sentinel"), stdout=subprocess.DEVNULL)
    try:
        _await(port)
        yield port
    finally:
        process.kill()
        process.wait()


@LEAVES_CONNECTION
async def test_a_cluster_keeps_all_keys_together() -> None:
    with RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        node = server.client
        cast("Any", node).execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while cast("dict[str, str]", node.cluster("INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.05)
        await _use(f"redis+cluster://127.0.0.1:{server.port}")
        gc.collect()


def _await(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(RedisError):
            Redis(port=port, socket_timeout=1).ping()
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers on {port}")
