import os
import resource

import pytest

from concur_proxy.upstream.client import Upstream
from concur_proxy.upstream.exhaustion import is_own_exhaustion
from concur_proxy.upstream.failures import EngineUnreachable, GatewayExhausted
from tests.upstream.raw_engine import OK, Serve, both_loops, get


@both_loops
async def test_a_gateway_without_files_does_not_blame_the_engine(upstream: Upstream, serve: Serve) -> None:
    _, url = await serve(OK)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(GatewayExhausted, match="open files"):
            await upstream.send(url, "GET", b"/", [])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (await get(upstream, url))[2] == b"ok"
    with pytest.raises(EngineUnreachable) as refused:
        await upstream.send("http://127.0.0.1:1", "GET", b"/", [])
    assert not isinstance(refused.value, GatewayExhausted)


def test_a_cause_is_found_behind_other_errors() -> None:
    outer = RuntimeError("connect")
    outer.__cause__ = ExceptionGroup("all attempts", [ValueError(), OSError(24, "Too many open files")])
    assert is_own_exhaustion(outer)
    assert not is_own_exhaustion(ConnectionRefusedError(111, "refused"))
    assert not is_own_exhaustion(None)
