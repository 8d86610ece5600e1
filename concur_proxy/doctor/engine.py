"""Examines one inference server: who it is, which signals it exports, and what it tells in its answers."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy import plugins
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.engines.dialect import EngineDialect
from concur_proxy.engines.exposition import read_exposition
from concur_proxy.engines.sample import EngineSample
from concur_proxy.wire.models import model_ids

DIALECTS = "concur_proxy.engines.dialects"
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


class EngineExamination:
    """Asks one server a few questions, and two tiny completions where its answers may tell cached tokens."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
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
        metrics = await self._client.get(f"{self._url}/metrics")
        info, version = await self._identity()
        models = await self._client.get(f"{self._url}/v1/models")
        dialect, sample = _read(metrics.text) if metrics.status_code == HTTPStatus.OK else (None, None)
        served = model_ids(models.content) if models.status_code == HTTPStatus.OK else None
        kind = dialect.name if dialect is not None else "sglang" if info else "vllm" if version else None
        if kind is None and served is None:
            mend = "name the engine's own URL, without /v1"
            self._add(Severity.ERROR, "no_engine", "answers, but is no inference server that is known here", mend)
            return
        told = f" {version}" if version else ", which does not tell its version"
        self._add(Severity.OK, "kind", f"{kind or 'an unknown kind of server'}{told if kind else ''}")
        self._models(served, models.status_code)
        self._signals(kind, sample, metrics.status_code)
        self._findings.extend(self._settings(info))
        if served:
            await self._cached_tokens(kind, min(served))

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
        elif status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            message = "wants a key for /v1/models, so it counts as serving every model"
            self._add(Severity.WARNING, "models_locked", message, "give fleets of different models no such key")
        else:
            self._add(Severity.WARNING, "no_models", "lists no model, so it counts as serving every one")

    def _signals(self, kind: str | None, sample: EngineSample | None, status: int) -> None:
        if sample is None:
            what = f"/metrics answers {status}" if status != HTTPStatus.OK else "/metrics has no series of an engine"
            mend = "start it with --enable-metrics" if kind == "sglang" else "let /metrics be its own"
            self._add(Severity.ERROR, "no_signals", f"{what}: a fixed window (fallback_window) would hold", mend)
            return
        missing = [name for name in SIGNALS if getattr(sample, name) is None]
        if missing:
            told = ", ".join(SIGNALS[name] for name in missing)
            grave = Severity.ERROR if "kv_usage" in missing else Severity.WARNING
            self._add(grave, "missing_signals", f"does not export {told}", "a newer version may")
        else:
            self._add(Severity.OK, "signals", f"exports all signals; its cache holds {sample.capacity_tokens} tokens")

    def _settings(self, info: dict[str, Any]) -> Iterator[Finding]:
        if info.get("disable_radix_cache") is True:
            yield self._finding(
                Severity.ERROR,
                "no_prefix_cache",
                "runs with --disable-radix-cache: there is no cache to protect",
                "start it without that flag",
            )

    async def _cached_tokens(self, kind: str | None, model: str) -> None:
        usage: dict[str, Any] = {}
        for _ in range(2):
            body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1}
            try:
                answer = await self._client.post(f"{self._url}/v1/chat/completions", json=body)
            except httpx.TimeoutException:
                self._add(
                    Severity.WARNING, "busy", "did not answer a one-token request in time: not all could be asked"
                )
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

    async def _json(self, path: str) -> dict[str, Any]:
        answer = await self._client.get(f"{self._url}{path}")
        return _object(answer.content) if answer.status_code == HTTPStatus.OK else {}

    def _add(self, severity: Severity, code: str, message: str, mend: str = "") -> None:
        self._findings.append(self._finding(severity, code, message, mend))

    def _finding(self, severity: Severity, code: str, message: str, mend: str) -> Finding:
        return Finding(subject=self._url, severity=severity, code=code, message=message, mend=mend)


def _read(text: str) -> tuple[EngineDialect | None, EngineSample | None]:
    dialects: list[EngineDialect] = [plugins.load(DIALECTS, name).build() for name in plugins.available(DIALECTS)]
    exposition = read_exposition(text, lambda name: any(dialect.wants(name) for dialect in dialects))
    dialect = next((dialect for dialect in dialects if dialect.recognises(exposition)), None)
    return dialect, None if dialect is None else dialect.read(exposition, at=0.0)


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
