"""Data-parallel ranks of the emulated engine in both flavours, and of real servers with one rank."""

import httpx
import pytest

from concur_proxy import plugins
from concur_proxy.doctor.engine import EngineExamination
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.kind import KnownKinds
from tests.captures import capture
from tests.http.scripted_engine import scripted_engine
from tests.lab.server.test_server import running

KINDS = KnownKinds(plugins.load_engine_kinds())


FLAVOURS = ("vllm", "sglang")


async def examined(url: str, ranks: int | None) -> dict[str, Finding]:
    async with httpx.AsyncClient(trust_env=False) as client:
        return {finding.code: finding for finding in await EngineExamination(url, client, KINDS, ranks=ranks).run()}


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(
    ("ranks", "named", "code", "message", "fix"),
    [
        (3, 3, "ranks", "has metrics of each of its 3 data-parallel ranks", ""),
        (3, None, "ranks_unnamed", "has 3 data-parallel ranks, each with its own cache", "#dp=3"),
        (3, 2, "ranks_idle", "has 3 data-parallel ranks, but #dp=2 sends requests only to the first 2", "#dp=3"),
        (2, 4, "ranks_missing", "has no metrics of rank 2, 3, which #dp=4 names", "#dp=2"),
        (1, 2, "ranks_missing", "has no metrics of rank 1, which #dp=2 names", "leave #dp=2 out"),
    ],
)
async def test_the_ranks_that_a_url_names(
    flavour: str, ranks: int, named: int | None, code: str, message: str, fix: str
) -> None:
    async with running(flavour=flavour, data_parallel_size=ranks) as url:
        found = await examined(url, named)
    assert found[code].message.startswith(message)
    assert found[code].fix.endswith(fix)
    assert found[code].severity is (Severity.OK if code == "ranks" else Severity.WARNING)
    # the same prompt twice reaches the same cache, however many there are
    assert found.keys() == {"kind", "models", "signals", "cached_tokens", code}


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_one_rank_is_nothing_to_speak_of(flavour: str) -> None:
    async with running(flavour=flavour) as url:
        assert not any("rank" in code for code in await examined(url, None))
        assert (await examined(url, 1))["ranks"].severity is Severity.OK


@pytest.mark.parametrize("name", FLAVOURS)
async def test_real_servers_of_one_rank(name: str) -> None:
    async with scripted_engine(metrics=capture(name)) as engine:
        assert not any("rank" in code for code in await examined(engine.url, None))
        assert (await examined(engine.url, 2))["ranks_missing"].fix == "leave #dp=2 out"


async def test_a_server_of_the_later_ranks_alone_has_no_name_for_them() -> None:
    metrics = "".join(f'vllm:num_requests_running{{engine="{rank}"}} 0\n' for rank in (2, 3))
    async with scripted_engine(metrics=metrics) as engine:
        found = await examined(engine.url, None)
    assert found["ranks_unnamed"].fix == ""


async def test_a_signal_that_one_rank_lacks_is_missing() -> None:
    one, other = (capture("vllm").replace('engine="0"', f'engine="{rank}"') for rank in (0, 1))
    lines = [line for line in other.splitlines() if not line.startswith("vllm:kv_cache_usage_perc")]
    async with scripted_engine(metrics="\n".join([one, *lines])) as engine:
        found = await examined(engine.url, 2)
    assert found["ranks"].severity is Severity.OK
    assert found["missing_signals"].message == "does not export KV-cache usage"
