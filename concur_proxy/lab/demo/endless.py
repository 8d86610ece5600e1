"""One fleet after another, for as long as somebody looks."""

import asyncio
import logging
from dataclasses import replace
from itertools import count

import httpx

from concur_proxy.lab.demo.fleet import Fleet
from concur_proxy.lab.demo.workload import Workload, write_scripts

RETRY_S = 2.0
"""Pause while the server does not answer."""

logger = logging.getLogger(__name__)


async def keep_busy(
    base_url: str, workload: Workload, *, time_scale: float, fleets: int | None = None, model: str | None = None
) -> None:
    """Run this many fleets, each with texts of its own; None: until cancelled. Waits while the server is away. Without
    a `model` they ask for the first that the server lists.
    """
    model = model or await _model(base_url)
    for number in count() if fleets is None else range(fleets):
        seed = workload.seed + number
        scripts = [
            replace(script, name=f"fleet-{seed}-{script.name}")
            for script in write_scripts(replace(workload, seed=seed))
        ]
        fleet = Fleet(
            base_url=base_url, model=model, scripts=scripts, time_scale=time_scale, streams=True, says_end=True
        )
        progress = await fleet.run()
        logger.info("fleet %d: %d turns, %d failures", number, progress.turns, len(progress.failures))
        if progress.failures:
            logger.warning("fleet %d: the last failure: %s", number, progress.failures[-1])
        if not progress.turns:
            await asyncio.sleep(RETRY_S)


async def _model(base_url: str) -> str:
    """The first model that the server lists, once it does."""
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
                    logger.warning("%s lists no model yet, asked again each %g s: %s", base_url, RETRY_S, problem)
                await asyncio.sleep(RETRY_S)
