"""Recognises a server that the wrong flag names: a gateway as an engine, or an engine as a gateway."""

from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy.doctor.json_object import json_object
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.admin_listen import ADDRESS_HEADER
from concur_proxy.wire.request.models import model_ids

READY_PATH = "/readyz"
NOT_HERE = "not_here"
"""The error code of a gateway that serves a path only at `admin_listen`."""
OWN_SERIES = "concur_"


def readiness(answer: httpx.Response) -> dict[str, Any] | None:
    """The body of a gateway's `/readyz`; None if this is another server's answer."""
    ready = json_object(answer.content)
    store, engines = ready.get("store"), ready.get("engines")
    if not isinstance(store, dict) or not {"role", "replicas"} <= store.keys() or not isinstance(engines, list):
        return None
    wanted = {"engine", "reachable", "signals", "signal_age_s", "problem"}
    return ready if all(isinstance(each, dict) and wanted <= each.keys() for each in engines) else None


def is_private(answer: httpx.Response) -> bool:
    """Whether a gateway answers that it serves this path only at `admin_listen`."""
    error = json_object(answer.content).get("error")
    return ADDRESS_HEADER in answer.headers or (isinstance(error, dict) and error.get("code") == NOT_HERE)


async def is_gateway(url: str, client: httpx.AsyncClient) -> bool:
    """Whether the server at `url` is a gateway, also one of another version. Raises httpx's errors."""
    ready = await client.get(f"{url}{READY_PATH}")
    if readiness(ready) is not None or is_private(ready):
        return True
    metrics = await client.get(f"{url}/metrics")
    return metrics.status_code == HTTPStatus.OK and f"# TYPE {OWN_SERIES}" in metrics.text


async def engine_at(url: str, client: httpx.AsyncClient, kinds: KnownKinds) -> str | None:
    """What kind of inference server is at `url`, for a sentence; None if it is none. Raises httpx's errors."""
    for path in kinds.metrics_paths:
        answer = await client.get(f"{url}{path}")
        kind, _ = kinds.read(path, answer.text if answer.status_code == HTTPStatus.OK else "")
        if kind is not None:
            return f"a {kind.name} server"
    for kind in kinds:
        for path in kind.info_paths:
            answer = await client.get(f"{url}{path}")
            said = json_object(answer.content) if answer.status_code == HTTPStatus.OK else {}
            if said and kind.identify(path, said) is not None:
                return f"a {kind.name} server"
    models = await client.get(f"{url}/v1/models")
    is_list = models.status_code == HTTPStatus.OK and model_ids(models.content)
    return "an inference server of an unknown kind" if is_list else None
