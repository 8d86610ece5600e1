"""A real Prometheus for tests, which scrapes one gateway often and evaluates the rules that are shipped."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.benchmarks.process import free_port

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
INTERVAL = "200ms"


class Prometheus:
    """What a running one can be asked."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[float]:
        """The values of an instant query; fails on one that Prometheus does not take."""
        data = await self._get("query", query=expression)
        return [float(sample["value"][1]) for sample in data["result"]]

    async def label_values(self, series: str, label: str) -> list[str]:
        """A label's values, as Grafana asks for a variable's."""
        values: list[str] = await self._get(f"label/{label}/values", **{"match[]": series})
        return values

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health."""
        groups = (await self._get("rules"))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        body = (await self._client.get(f"/api/v1/{path}", params=parameters)).json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]


@asynccontextmanager
async def prometheus(target: str) -> AsyncIterator[Prometheus]:
    """Scrapes `target`, host and port, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="concur-prometheus-") as folder:
        config = {
            "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(SHIPPED / "recording.yml"), str(SHIPPED / "alerts.yml")],
            "scrape_configs": [{"job_name": "concur-proxy", "static_configs": [{"targets": [target]}]}],
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
