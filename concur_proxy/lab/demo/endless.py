"""Runs one fleet after another against a server."""

import asyncio
import logging
from dataclasses import replace
from itertools import count

import httpx

from concur_proxy.lab.demo.fleet import AgentFleet
from concur_proxy.lab.demo.workload import Workload, write_scripts

RETRY_S = 2.0
"""Seconds between attempts while the server does not answer."""

logger = logging.getLogger(__name__)


async def keep_busy(
    base_url: str, workload: Workload, *, time_scale: float, fleets: int | None = None, model: str | None = None
) -> None:
    """Run this many fleets, each with its own texts; None: until cancelled. Waits while the server does not answer.
    Without a `model`, the agents use the first one that the server lists.
    """
    model = model or await _model(base_url)
    for number in count() if fleets is None else range(fleets):
        seed = workload.seed + number
        scripts = [
            replace(script, name=f"fleet-{seed}-{script.name}")
            for script in write_scripts(replace(workload, seed=seed))
        ]
        fleet = AgentFleet(
            base_url=base_url, model=model, scripts=scripts, time_scale=time_scale, streams=True, says_end=True
        )
        progress = await fleet.run()
        logger.info("fleet %d: %d turns, %d failures", number, progress.turns, len(progress.failures))
        if progress.failures:
            logger.warning("fleet %d: last failure: %s", number, progress.failures[-1])
        if not progress.turns:
            await asyncio.sleep(RETRY_S)


async def _model(base_url: str) -> str:
    """Wait until the server lists its models; returns the first."""
    problem = ""
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as client:
        while True:
            try:
                response = await client.get("/v1/models")
                response.raise_for_status()
                return str(response.json()["data"][0]["id"])
            except (httpx.HTTPError, KeyError, IndexError, TypeError, ValueError) as error:
                before, problem = problem, f"{type(error).__name__}: {error}"
                if problem != before:
                    logger.warning("%s lists no models yet; asking again every %g s: %s", base_url, RETRY_S, problem)
                await asyncio.sleep(RETRY_S)
