"""Examines a running gateway: whether it serves, whether it reads its engines, and whether it recognises sessions."""

import json
from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy.control.phrasing import duration, percent
from concur_proxy.coordination.coordinator import Role
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.no_answer import no_answer
from concur_proxy.settings.admin_listen import ADDRESS_HEADER, UNIX
from concur_proxy.telemetry.recognition import FEWEST, GUIDE, MOST

READY_PATH = "/readyz"
STATE_PATH = "/concur/v1/state"
LOCKED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


async def examine_gateway(url: str, client: httpx.AsyncClient, *, admin_key: str | None = None) -> list[Finding]:
    """What is to say about the gateway at `url`. Never raises, whatever the server does."""
    examination = _Examination(url.rstrip("/"), client, admin_key)
    try:
        await examination.run()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        examination.findings.append(no_answer(url, error))
    return examination.findings


async def is_gateway(url: str, client: httpx.AsyncClient) -> bool:
    """Whether the server at `url` is a gateway. Raises httpx's errors."""
    return _readiness(await client.get(f"{url}{READY_PATH}")) is not None


class _Examination:
    def __init__(self, url: str, client: httpx.AsyncClient, admin_key: str | None) -> None:
        self.findings: list[Finding] = []
        self._url = url
        self._client = client
        self._headers = {} if admin_key is None else {"authorization": f"Bearer {admin_key}"}

    async def run(self) -> None:
        """Ask the gateway. Raises httpx's errors."""
        ready = _readiness(await self._get(READY_PATH))
        if ready is None:
            message = "answers, but is not a gateway of this version"
            fix = "name the gateway's own URL, without /v1; an engine's goes to --engine"
            self._add(Severity.ERROR, "no_gateway", message, fix)
            return
        self._serving(ready["status"], ready["store"])
        self._signals(ready["engines"])
        answer = await self._get(STATE_PATH, self._headers)
        state = _object(answer)
        if answer.status_code == HTTPStatus.OK and "shared_keys" in state:
            self._recognition(state.get("unrecognised"), state["shared_keys"])
        elif answer.status_code in LOCKED:
            message = f"refuses to show its state ({answer.status_code}), so its sessions were not examined"
            fix = "give its key: --admin-key, --admin-key-file or CONCUR_ADMIN_KEY"
            self._add(Severity.WARNING, "wants_key", message, fix)
        else:
            message = f"answers {answer.status_code} without its state, so its sessions were not examined"
            self._add(Severity.WARNING, "no_state", message, "look at its log")

    async def _get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        """Ask the gateway, at its admin socket if it says that the path is only there."""
        answer = await self._client.get(f"{self._url}{path}", headers=headers)
        address = answer.headers.get(ADDRESS_HEADER)
        if address is None or headers:  # a key is only for the gateway that was named
            return answer
        if not address.startswith(UNIX):
            return await self._client.get(f"{address}{path}")
        transport = httpx.AsyncHTTPTransport(uds=address.removeprefix(UNIX))
        async with httpx.AsyncClient(transport=transport, timeout=self._client.timeout) as client:
            return await client.get(f"http://localhost{path}")

    def _serving(self, status: object, store: dict[str, Any]) -> None:
        if status == "ready":
            others = f", one of {store['replicas']} gateways ({store['role']})" if store["replicas"] != 1 else ""
            self._add(Severity.OK, "ready", f"serves requests{others}")
        elif status == "draining":
            self._add(Severity.WARNING, "draining", "is stopping and accepts no new requests", "wait for the next one")
        else:
            self._add(Severity.ERROR, "not_ready", f"cannot serve requests: {status}", "examine each engine: --engine")
        if store["role"] == Role.ALONE.value:
            message = "cannot reach Redis, and decides alone with its share of the windows"
            self._add(Severity.WARNING, "alone", message, "examine Redis: --store redis --redis-url")

    def _signals(self, engines: list[dict[str, Any]]) -> None:
        for each in engines:
            fix = f"examine it: concur-proxy doctor --engine {each['engine']}"
            if not each["reachable"]:
                message = f"cannot reach {each['engine']}: {each['problem'] or 'it has not answered yet'}"
                self._add(Severity.WARNING, "engine_unreachable", message, fix)
            elif each["signals"] != "fresh":
                age = duration(each["signal_age_s"])
                message = (
                    f"has read no metrics of {each['engine']} for {age}: {each['problem'] or 'no reason is known'}"
                )
                self._add(Severity.WARNING, "signals_stale", message, fix)
        if engines and all(each["reachable"] and each["signals"] == "fresh" for each in engines):
            which = engines[0]["engine"] if len(engines) == 1 else f"all {len(engines)} engines"
            self._add(Severity.OK, "signals", f"has fresh metrics of {which}")

    def _recognition(self, unrecognised: float | None, shared_keys: int) -> None:
        fix = f"let each agent send a session header of its own, such as x-session-id, see {GUIDE}"
        if unrecognised is None:
            message = f"has served fewer than {FEWEST} requests, too few to say how many it recognises"
            self._add(Severity.OK, "few_requests", message)
        elif unrecognised > MOST:
            message = f"does not recognise the session of {percent(unrecognised)} of the last requests"
            self._add(Severity.WARNING, "unrecognised", message, fix)
        else:
            message = f"recognises the session of {percent(1 - unrecognised)} of the last requests"
            self._add(Severity.OK, "recognised", message)
        if shared_keys:
            keys = "one session key that names" if shared_keys == 1 else f"{shared_keys} session keys that each name"
            self._add(Severity.WARNING, "shared_keys", f"sees {keys} many parallel conversations", fix)

    def _add(self, severity: Severity, code: str, message: str, fix: str = "") -> None:
        self.findings.append(Finding(subject=self._url, severity=severity, code=code, message=message, fix=fix))


def _readiness(answer: httpx.Response) -> dict[str, Any] | None:
    """The body of a gateway's `/readyz`; None if this is another server's answer."""
    ready = _object(answer)
    store, engines = ready.get("store"), ready.get("engines")
    if not isinstance(store, dict) or not {"role", "replicas"} <= store.keys() or not isinstance(engines, list):
        return None
    wanted = {"engine", "reachable", "signals", "signal_age_s", "problem"}
    return ready if all(isinstance(each, dict) and wanted <= each.keys() for each in engines) else None


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
