"""Examines one inference server: who it is, which signals it exports, and what it tells in its answers."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.ranks import examine_ranks, exported_ranks
from concur_proxy.engines.dialect import EngineDialect
from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.sample import EngineSample
from concur_proxy.monitoring.dialects import KnownDialects
from concur_proxy.wire.headers import RANK_HEADER
from concur_proxy.wire.request.models import model_ids

SGLANG_INFO = ("/server_info", "/get_server_info")
"""The newer name first; both answer with the server's arguments, the version among them."""
PROMPT = "The doctor asks the same question twice. " * 40
"""Longer than a block of any engine's cache, so that the second time some of it is found there."""

SIGNALS = {
    "kv_usage": "KV-cache usage",
    "running": "running requests",
    "waiting": "waiting requests",
    "prefix_queries": "prefix-cache look-ups",
    "capacity_tokens": "the cache's capacity",
}
"""What control uses of an engine's metrics."""
LOCKED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class EngineExamination:
    """Asks one server a few questions, and two tiny completions where its answers may tell cached tokens."""

    def __init__(
        self, url: str, client: httpx.AsyncClient, *, ranks: int | None = None, api_key: str | None = None
    ) -> None:
        """`ranks` is N of the URL's `#dp=N`. `api_key` is the gateway's own for it."""
        self._url = url
        self._client = client
        self._ranks = ranks
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._findings: list[Finding] = []

    async def run(self) -> list[Finding]:
        """Everything found, in the order in which it was asked. Never raises for what a server does."""
        try:
            await self._examine()
        except httpx.ConnectError as error:
            self._add(Severity.ERROR, "unreachable", f"cannot be reached: {error}", "start it, or mend the URL")
        except httpx.TimeoutException:
            self._add(Severity.ERROR, "silent", "takes connections, but does not answer in time", "look at its log")
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            self._add(Severity.ERROR, "no_http", f"does not speak HTTP: {reason}", "mend the URL")
        return self._findings

    async def _examine(self) -> None:
        metrics = await self._get("/metrics")
        info, version = await self._identity()
        models = await self._get("/v1/models")
        dialect, exposition = KnownDialects().read(metrics.text if metrics.status_code == HTTPStatus.OK else "")
        served = model_ids(models.content) if models.status_code == HTTPStatus.OK else None
        kind = dialect.name if dialect is not None else "sglang" if info else "vllm" if version else None
        if kind is None and served is None and models.status_code not in LOCKED:
            mend = "name the engine's own URL, without /v1"
            self._add(Severity.ERROR, "no_engine", "answers, but is no inference server that is known here", mend)
            return
        told = f" {version}" if version else ", which does not tell its version"
        self._add(Severity.OK, "kind", f"{kind or 'an unknown kind of server'}{told if kind else ''}")
        self._models(served, models.status_code)
        exported = [] if dialect is None else exported_ranks(exposition, dialect.rank_label)
        self._signals(kind, _samples(dialect, exposition, exported, self._ranks), metrics.status_code)
        if dialect is not None and (finding := examine_ranks(self._url, self._ranks, exported)) is not None:
            self._findings.append(finding)
        self._findings.extend(self._settings(info))
        if served:
            # Asked twice, the same rank must answer twice: each has a cache of its own.
            rank = {RANK_HEADER.decode(): str(exported[0])} if len(exported) > 1 else {}
            await self._cached_tokens(kind, min(served), rank)

    async def _identity(self) -> tuple[dict[str, Any], str | None]:
        """SGLang's arguments where it is one, and the version of either."""
        version = (await self._json("/version")).get("version")
        if isinstance(version, str):
            return {}, version
        for path in SGLANG_INFO:
            info = await self._json(path)
            if "disable_radix_cache" in info or "internal_states" in info:
                version = info.get("version")
                return info, version if isinstance(version, str) else None
        return {}, None

    def _models(self, served: frozenset[str] | None, status: int) -> None:
        if served:
            self._add(Severity.OK, "models", f"serves {', '.join(sorted(served))[:200]}")
        elif status in LOCKED:
            self._locked(status, "so it counts as serving every model, and its answers could not be looked at")
        else:
            self._add(Severity.WARNING, "no_models", "lists no model, so it counts as serving every one")

    def _locked(self, status: int, consequence: str) -> None:
        if self._headers:
            message, mend = f"refuses engine_api_key ({status}), {consequence}", "give the one that it was started with"
            self._add(Severity.WARNING, "wrong_key", message, mend)
        else:
            mend = "give it as engine_api_key (CONCUR_ENGINE_API_KEY)"
            self._add(Severity.WARNING, "wants_key", f"wants a key ({status}), {consequence}", mend)

    def _signals(self, kind: str | None, samples: list[EngineSample], status: int) -> None:
        if not samples:
            what = f"/metrics answers {status}" if status != HTTPStatus.OK else "/metrics has no series of an engine"
            mend = "start it with --enable-metrics" if kind == "sglang" else "let /metrics be its own"
            if status in LOCKED:
                mend = "give its key as engine_api_key, or let /metrics be read without one"
            self._add(Severity.ERROR, "no_signals", f"{what}: a fixed window (fallback_window) would hold", mend)
            return
        missing = [name for name in SIGNALS if any(getattr(sample, name) is None for sample in samples)]
        if missing:
            told = ", ".join(SIGNALS[name] for name in missing)
            grave = Severity.ERROR if "kv_usage" in missing else Severity.WARNING
            self._add(grave, "missing_signals", f"does not export {told}", "a newer version may")
        else:
            tokens = sum(sample.capacity_tokens or 0 for sample in samples)
            self._add(Severity.OK, "signals", f"exports all signals; its cache holds {tokens} tokens")

    def _settings(self, info: dict[str, Any]) -> Iterator[Finding]:
        if info.get("disable_radix_cache") is True:
            yield self._finding(
                Severity.ERROR,
                "no_prefix_cache",
                "runs with --disable-radix-cache: there is no cache to protect",
                "start it without that flag",
            )

    async def _cached_tokens(self, kind: str | None, model: str, rank: dict[str, str]) -> None:
        usage: dict[str, Any] = {}
        url = f"{self._url}/v1/chat/completions"
        for _ in range(2):
            body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1}
            try:
                answer = await self._client.post(url, json=body, headers={**self._headers, **rank})
            except httpx.TimeoutException:
                self._add(
                    Severity.WARNING, "busy", "did not answer a one-token request in time: not all could be asked"
                )
                return
            if answer.status_code in LOCKED:
                self._locked(answer.status_code, "so its answers could not be looked at")
                return
            if answer.status_code != HTTPStatus.OK:
                message = f"answers a one-token request with {answer.status_code}: what its answers tell is not known"
                self._add(Severity.WARNING, "not_asked", message)
                return
            usage = _object(answer.content).get("usage") or {}
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        if cached is None:
            flag = "--enable-cache-report" if kind == "sglang" else "--enable-prompt-tokens-details"
            message = "does not tell in its answers how much of a prompt its cache held"
            self._add(Severity.WARNING, "no_cached_tokens", message, f"start it with {flag}")
        elif cached == 0:
            message = "found nothing of a prompt in its cache that it had just been sent"
            self._add(Severity.WARNING, "no_reuse", message, "switch its prefix caching on")
        else:
            self._add(Severity.OK, "cached_tokens", "tells in its answers how much of a prompt its cache held")

    async def _get(self, path: str) -> httpx.Response:
        return await self._client.get(f"{self._url}{path}", headers=self._headers)

    async def _json(self, path: str) -> dict[str, Any]:
        answer = await self._get(path)
        return _object(answer.content) if answer.status_code == HTTPStatus.OK else {}

    def _add(self, severity: Severity, code: str, message: str, mend: str = "") -> None:
        self._findings.append(self._finding(severity, code, message, mend))

    def _finding(self, severity: Severity, code: str, message: str, mend: str) -> Finding:
        return Finding(subject=self._url, severity=severity, code=code, message=message, mend=mend)


def _samples(
    dialect: EngineDialect | None, exposition: Exposition, exported: list[int], named: int | None
) -> list[EngineSample]:
    """What each engine of the fleet would say: the server, or those of its named ranks that there are."""
    if dialect is None:
        return []
    ranks = [rank for rank in exported if named is not None and rank < named]
    parts = [exposition.of_rank(dialect.rank_label, rank) for rank in ranks] or [exposition]
    return [dialect.read(part, at=0.0) for part in parts]


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
