"""Every query of the dashboard, sent to a real Prometheus that scrapes a gateway under load."""

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest

from concur_proxy.admin.paths import PAGE_PATH
from tests.coordination.redis_server import RedisServer
from tests.deploy.dashboard import ALL, DASHBOARD, SCOPE, Intervals, annotations, dashboard, panels, substituted
from tests.deploy.dashboard_load import Engine
from tests.deploy.prometheus_server import Prometheus, prometheus
from tests.http.running_gateway import RunningGateway, running_gateway

INTERVALS = Intervals(step="1s", rate="30s")
AGENTS = 6
IN_SESSIONS = "< +Inf"
"""Occurs in the query for a window that only some laws have."""


def queries(engine: str) -> Iterator[tuple[str, str]]:
    """Each query as Grafana sends it, with its place in the dashboard."""
    for panel in panels([engine], INTERVALS):
        for query, legend in panel.queries:
            yield f"{panel.title}: {legend}", query


async def agent(gateway: RunningGateway, name: str) -> None:
    """An agent: streamed turns with short tool calls. It goes on after an engine restarts."""
    history = [{"role": "user", "content": f"{name} " * 400}]
    while True:
        await gateway.chat(name, model="emulated", messages=history, stream=True)
        if len(history) < 12:
            history += [{"role": "assistant", "content": "yes"}, {"role": "user", "content": f"{name} " * 60}]
        await asyncio.sleep(0.05)


@asynccontextmanager
async def load(gateway: RunningGateway) -> AsyncIterator[None]:
    agents = [asyncio.create_task(agent(gateway, f"agent-{number}")) for number in range(AGENTS)]
    try:
        yield
    finally:
        for task in agents:
            task.cancel()
        await asyncio.gather(*agents, return_exceptions=True)


async def until_all_have_data(server: Prometheus, missing: dict[str, str]) -> dict[str, str]:
    """The places of queries that still have no data after 20 s. Data that cannot be drawn does not count."""
    missing = dict(missing)
    for _ in range(40):
        for place, expression in list(missing.items()):
            values = await server.query(expression)
            assert math.inf not in values, f"{place} cannot be drawn"
            if any(map(math.isfinite, values)):
                del missing[place]
        if not missing:
            break
        await asyncio.sleep(0.5)
    return missing


async def is_marked(server: Prometheus, query: str, began: float) -> bool:
    """Whether an annotation has appeared since then, or appears within 10 s."""
    for _ in range(20):
        if await server.range(query, start=began, end=time.time(), step=1):
            return True
        await asyncio.sleep(0.5)
    return False


@pytest.mark.timeout(90)
async def test_every_query_has_data_under_load(redis: RedisServer) -> None:
    began = time.time()
    settings = {"store": "redis", "redis_url": redis.url, "redis_prefix": "dashboard", "health_interval_s": 0}
    with ExitStack() as stack:
        engine = Engine(stack, "--time-scale", "20", "--capacity-tokens", "6000", "--answer-tokens", "8")
        engine.start()
        async with (
            running_gateway(engine.url, **settings) as gateway,
            prometheus(gateway.url.removeprefix("http://"), labels={"cluster": "c", "namespace": "n"}) as server,
            load(gateway),
        ):

            async def steer(method: str, path: str, **body: object) -> None:
                answer = await gateway.client.request(method, f"/concur/v1/{path}", json={"engine": engine.url, **body})
                assert answer.is_success, answer.text

            await gateway.until(lambda: gateway.snapshot().answered_tokens > 20_000, "agents at work")
            while not await server.query("concur_engine_restarts_total == 0"):
                await asyncio.sleep(0.1)  # events before the first scrape are not an increase
            await steer("PUT", "window", tokens=5000)
            await asyncio.sleep(2)  # an annotation compares with the value one step earlier
            await steer("PUT", "window", tokens=2500)
            await asyncio.to_thread(engine.start)
            every = dict(queries(engine.url))
            in_sessions = {place: query for place, query in every.items() if query.endswith(IN_SESSIONS)}
            assert in_sessions
            missing = await until_all_have_data(server, {name: every[name] for name in every.keys() - in_sessions})
            assert not missing, f"no data for {missing}"
            for name, _, query in annotations(INTERVALS):
                assert await is_marked(server, query, began), f"nothing is marked: {name}"
            # the law `tokens` has no window in sessions, so none is drawn; other laws have one
            for query in in_sessions.values():
                assert not await server.query(query)
            await steer("DELETE", "window")
            await steer("PUT", "law", law="static", options={"window": 4})
            assert not await until_all_have_data(server, in_sessions)
            for variable in dashboard()["templating"]["list"]:
                if variable["type"] == "query":
                    found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
                    assert found is not None
                    series = substituted(found[1], ALL, INTERVALS)
                    assert await server.label_values(series, found[2]), f"no values for {variable['name']}"
            assert await server.label_values("concur_generation_duration_seconds_count", "model") == ["emulated"]
            for rule in await server.rules():
                assert rule["health"] == "ok", f"{rule['name']}: {rule.get('lastError')}"
            for name in {rule["name"] for rule in await server.rules() if rule["type"] == "recording"}:
                assert await server.query(name), f"no data for the recording rule {name}"


def test_every_query_is_limited_to_the_cluster_namespace_and_job() -> None:
    wanted = "".join(f'{name}=~"${name}",' for name in SCOPE).rstrip(",")
    targets = [target for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    for target in (*targets, *(annotation["target"] for annotation in dashboard()["annotations"]["list"])):
        selectors = re.findall(r"\b(?:concur|process)_\w+(\{?[^}]*)", target["expr"])
        assert selectors
        assert all(selector.startswith("{" + wanted) for selector in selectors), target["expr"]


def test_the_dashboard_leads_to_the_page_and_the_runbook() -> None:
    values = {each["name"]: each["query"] for each in dashboard()["templating"]["list"] if each["type"] == "constant"}
    assert [link["url"] for link in dashboard()["links"]] == [f"${{{name}}}" for name in values]
    assert values["page"].endswith(PAGE_PATH)
    assert (DASHBOARD.parents[3] / values["runbook"]).is_file()


def test_each_panel_tells_what_it_shows_and_no_two_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
        assert panel["type"] == "row" or (panel["description"] and panel["targets"])
    identifiers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(identifiers) == len(set(identifiers))


def test_colours_are_meant_for_series_that_there_are() -> None:
    """Grafana silently ignores an override for a legend that does not exist."""
    for panel in panels(["http://a:8000"], INTERVALS):
        legends = {legend for _, legend in panel.queries}
        for override in panel.overrides:
            name = override["matcher"]["options"]
            assert name in legends or (name in {"active", "paused", "queued"} and "{{state}}" in legends), panel.title


def test_a_number_has_thresholds_or_a_colour_of_its_own() -> None:
    """Without thresholds Grafana shows values above 80 in red."""
    for panel in panels(["http://a:8000"], INTERVALS):
        if panel.kind == "stat":
            assert panel.defaults["color"]["mode"] == "fixed" or panel.defaults["thresholds"]["steps"], panel.title


def test_a_variable_is_put_in_as_grafana_escapes_it() -> None:
    (query,) = {
        query for panel in panels(["http://a.b:1"], INTERVALS) for query, _ in panel.queries if "capacity" in query
    }
    scope = 'cluster=~".*",namespace=~".*",job=~".*"'
    assert query == rf'max(concur_engine_capacity_tokens{{{scope},engine=~"http://a\\.b:1"}})'
    with pytest.raises(AssertionError, match="does not define"):
        substituted("up{pod=~'$pod'}", ALL, INTERVALS)
