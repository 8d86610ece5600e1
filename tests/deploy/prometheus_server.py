"""A real Prometheus for tests. It scrapes gateways often and evaluates the shipped rules."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.process import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series over a range."""

    labels: dict[str, str]
    points: list[tuple[float, float]]
    """Times and values. Times without a value are left out."""


class Prometheus:
    """Queries to a running Prometheus."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[float]:
        """The values of an instant query; fails if Prometheus rejects the query."""
        data = await self._get("query", query=expression)
        return [float(sample["value"][1]) for sample in data["result"]]

    async def range(self, expression: str, *, start: float, end: float, step: float) -> list[Series]:
        """The series of a range query."""
        times = {"start": str(start), "end": str(end), "step": str(step)}
        data = await self._get("query_range", query=expression, **times)
        return [
            Series(labels=found["metric"], points=[(float(at), float(value)) for at, value in found["values"]])
            for found in data["result"]
        ]

    async def label_values(self, series: str, label: str) -> list[str]:
        """The values of a label, as Grafana reads them for a variable."""
        values: list[str] = await self._get(f"label/{label}/values", **{"match[]": series})
        return values

    async def rules(self) -> list[dict[str, Any]]:
        """Each rule and its health."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        body = (await self._client.get(f"/api/v1/{path}", params=parameters)).json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]


@asynccontextmanager
async def prometheus(
    *targets: str, interval: str = "200ms", labels: Mapping[str, str] | None = None
) -> AsyncIterator[Prometheus]:
    """Scrape these targets, given as host and port, until the block ends. Their series also get `labels`."""
    scraped = {"targets": list(targets), "labels": dict(labels or {})}
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="concur-prometheus-") as folder:
        config = {
            "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), interval),
            "rule_files": [str(SHIPPED / "recording.yml"), str(SHIPPED / "alerts.yml")],
            "scrape_configs": [{"job_name": "concur-proxy", "static_configs": [scraped]}],
        }
        file = Path(folder) / "prometheus.yml"
        file.write_text(json.dumps(config))  # JSON is YAML
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                await _ready(client, process)
                yield Prometheus(client)
        finally:
            process.terminate()
            await process.wait()


async def _ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(30):
        while True:
            assert process.returncode is None, "prometheus did not start"
            try:
                if (await client.get("/-/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
