"""Examines a running gateway: whether it serves, whether it reads its engines, and whether it recognises sessions."""

from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy.control.phrasing import duration, percent
from concur_proxy.coordination.coordinator import Role
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.json_object import json_object
from concur_proxy.doctor.mistaken import READY_PATH, engine_at, is_gateway, is_private, readiness
from concur_proxy.doctor.no_answer import no_answer
from concur_proxy.engines.kind import KnownKinds
from concur_proxy.settings.admin_listen import ADDRESS_HEADER, UNIX
from concur_proxy.telemetry.recognition import FEWEST, GUIDE, MOST

STATE_PATH = "/concur/v1/state"
LOCKED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


async def examine_gateway(
    url: str, client: httpx.AsyncClient, kinds: KnownKinds, *, admin_key: str | None = None
) -> list[Finding]:
    """What is to say about the gateway at `url`. Never raises, whatever the server does.

    `kinds` are the engines that are recognised if `url` is one.
    """
    examination = _Examination(url.rstrip("/"), client, kinds, admin_key)
    try:
        await examination.run()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        examination.findings.append(no_answer(url, error))
    return examination.findings


class _Examination:
    def __init__(self, url: str, client: httpx.AsyncClient, kinds: KnownKinds, admin_key: str | None) -> None:
        self.findings: list[Finding] = []
        self._url = url
        self._client = client
        self._kinds = kinds
        self._headers = {} if admin_key is None else {"authorization": f"Bearer {admin_key}"}

    async def run(self) -> None:
        """Ask the gateway. Raises httpx's errors."""
        answer = await self._get(READY_PATH)
        ready = readiness(answer)
        if ready is None:
            await self._mistaken(answer)
            return
        self._serving(ready["status"], ready["store"])
        self._signals(ready["engines"])
        answer = await self._get(STATE_PATH, self._headers)
        state = json_object(answer.content)
        if answer.status_code == HTTPStatus.OK and "shared_keys" in state:
            self._recognition(state.get("unrecognised"), state["shared_keys"])
        elif answer.status_code in LOCKED:
            message = f"refuses to show its state ({answer.status_code}), so its sessions were not examined"
            fix = "give its key: --admin-key, --admin-key-file or CONCUR_ADMIN_KEY"
            self._add(Severity.WARNING, "wants_key", message, fix)
        else:
            message = f"answers {answer.status_code} without its state, so its sessions were not examined"
            self._add(Severity.WARNING, "no_state", message, "look at its log")

    async def _mistaken(self, answer: httpx.Response) -> None:
        """Report what else this server is. `answer` is the one to `READY_PATH`."""
        if is_private(answer):
            message = "is a gateway, but shows its state only at its admin_listen"
            fix = "give that address: --gateway http://HOST:9300"
            self._add(Severity.ERROR, "private_gateway", message, fix)
        elif (kind := await engine_at(self._url, self._client, self._kinds)) is not None:
            fix = f"give the gateway's URL, or examine the engine: concur-proxy doctor --engine {self._url}"
            self._add(Severity.ERROR, "is_engine", f"is {kind} and no gateway", fix)
        elif await is_gateway(self._url, self._client):
            self._add(
                Severity.ERROR, "other_version", "is a gateway of another version", "use the doctor of its version"
            )
        else:
            fix = "name the gateway's own URL, without /v1; an engine's goes to --engine"
            self._add(Severity.ERROR, "no_gateway", "answers, but is not a gateway", fix)

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
