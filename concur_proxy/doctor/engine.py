"""Examines one inference server: what it is, which signals it exports, and what its answers report."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httpx

from concur_proxy.doctor.capacity import examine_capacity
from concur_proxy.doctor.dp_ranks import examine_ranks, exported_ranks
from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.json_object import json_object
from concur_proxy.doctor.mistaken import is_gateway
from concur_proxy.doctor.no_answer import no_answer
from concur_proxy.doctor.pages import read_pages
from concur_proxy.engines.exposition import Exposition
from concur_proxy.engines.kind import Advice, EngineKind, KnownKinds, ServerInfo
from concur_proxy.engines.pages import MetricsPage
from concur_proxy.engines.sample import SIGNALS, EngineSample
from concur_proxy.wire.request.models import longest_context, model_ids

PROMPT = "The doctor asks the same question twice. " * 40
"""Longer than a block of any engine's cache, so that some of it is found there the second time."""
USED_SIGNALS = ("kv_usage", "running", "waiting", "prefix_queries", "capacity_tokens")
"""The signals that control uses."""
LOCKED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class EngineExamination:
    """Asks one server a few questions, and sends two tiny completions to see whether answers report cached tokens."""

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        kinds: KnownKinds,
        *,
        ranks: int | None = None,
        api_key: str | None = None,
        capacity_tokens: int | None = None,
        pages: Sequence[MetricsPage] = (),
    ) -> None:
        """`ranks` is N of the URL's `#dp=N`. `api_key` is the setting `engine_api_key`; `capacity_tokens` and `pages`
        (`metrics_url`) are those of this server.
        """
        self._url = url
        self._client = client
        self._kinds = kinds
        self._ranks = ranks
        self._capacity_tokens = capacity_tokens
        self._pages = pages
        self._headers = {} if api_key is None else {"authorization": f"Bearer {api_key}"}
        self._findings: list[Finding] = []

    async def run(self) -> list[Finding]:
        """All findings, in the order of the questions. Never raises, whatever the server does."""
        try:
            await self._examine()
        except httpx.HTTPError as error:
            self._findings.append(no_answer(self._url, error))
        return self._findings

    async def _examine(self) -> None:
        elsewhere = await read_pages(self._url, self._pages, self._client, self._kinds)
        kind, exposition, status = await self._metrics()
        if kind is None and await is_gateway(self._url, self._client):
            fix = f"name the engines behind it, or examine the gateway: concur-proxy doctor --gateway {self._url}"
            self._add(Severity.ERROR, "is_gateway", "is a concur-proxy gateway and no engine", fix)
            return
        kind = elsewhere.kind or kind
        kind_of_info, info = await self._identify(kind)
        has_signals, kind = kind is not None, kind or kind_of_info
        models = await self._get("/v1/models")
        served = model_ids(models.content) if models.status_code == HTTPStatus.OK else None
        if kind is None and served is None and models.status_code not in LOCKED:
            fix = "name the engine's own URL, without /v1"
            self._add(Severity.ERROR, "no_engine", "answers, but is not an inference server of a known kind", fix)
            return
        version = f" {info.version}" if info.version else ", which does not report its version"
        self._add(Severity.OK, "kind", "is an unknown kind of server" if kind is None else f"is {kind.name}{version}")
        self._models(served, models.status_code)
        exported = [] if kind is None else exported_ranks(exposition, kind.rank_label)
        self._findings += elsewhere.findings
        if self._pages and elsewhere.sample is None:
            pass  # the findings say why
        elif kind is not None and has_signals:
            own = _samples(kind, exposition, exported, self._ranks)
            samples = own if elsewhere.sample is None else [elsewhere.sample]
            self._signals(kind, samples)
            longest = None if served is None else longest_context(models.content)
            self._findings += examine_capacity(self._url, samples, set_tokens=self._capacity_tokens, longest=longest)
            if not self._pages and (finding := examine_ranks(self._url, self._ranks, exported)) is not None:
                self._findings.append(finding)
        else:
            self._no_signals(kind, status)
        for problem in info.problems:
            self._add(Severity.ERROR, problem.code, problem.message, problem.fix)
        if served:
            # the same rank must get both requests, because each rank has its own cache
            pin = None if kind is None or len(exported) < 2 else kind.rank_header
            await self._cached_tokens(kind, min(served), {} if pin is None else {pin: str(exported[0])})

    async def _metrics(self) -> tuple[EngineKind | None, Exposition, int]:
        """The server's kind and its series. If no kind recognises them, the status of its first metrics path."""
        statuses = []
        for path in self._kinds.metrics_paths:
            answer = await self._get(path)
            kind, exposition = self._kinds.read(path, answer.text if answer.status_code == HTTPStatus.OK else "")
            if kind is not None:
                return kind, exposition, answer.status_code
            statuses.append(answer.status_code)
        return None, Exposition(), statuses[0]

    async def _identify(self, known: EngineKind | None) -> tuple[EngineKind | None, ServerInfo]:
        """Ask the server what it is. `known` is its kind, if its metrics showed that."""
        for kind in self._kinds if known is None else (known,):
            for path in kind.info_paths:
                answer = await self._get(path)
                said = json_object(answer.content) if answer.status_code == HTTPStatus.OK else {}
                if said and (info := kind.identify(path, said)) is not None:
                    return kind, info
        return None, ServerInfo()

    def _models(self, served: frozenset[str] | None, status: int) -> None:
        if served:
            self._add(Severity.OK, "models", f"serves {', '.join(sorted(served))[:200]}")
        elif status in LOCKED:
            self._locked(status, "so the gateway sends it requests for every model, and its answers were not examined")
        else:
            self._add(Severity.WARNING, "no_models", "lists no model, so the gateway sends it requests for every model")

    def _locked(self, status: int, consequence: str) -> None:
        if self._headers:
            message, fix = f"refuses engine_api_key ({status}), {consequence}", "use the key that it was started with"
            self._add(Severity.WARNING, "wrong_key", message, fix)
        else:
            fix = "set it as engine_api_key (CONCUR_ENGINE_API_KEY)"
            self._add(Severity.WARNING, "wants_key", f"wants a key ({status}), {consequence}", fix)

    def _no_signals(self, kind: EngineKind | None, status: int) -> None:
        path = self._kinds.metrics_paths[0] if kind is None else kind.metrics_path
        what = f"{path} answers {status}" if status != HTTPStatus.OK else f"{path} has no series of an engine"
        fix = (Advice() if kind is None else kind.advice).metrics
        if status in LOCKED:
            fix = f"set its key as engine_api_key, or make {path} readable without a key"
        message = f"{what}, so the fixed window (fallback_window) would be used"
        self._add(Severity.ERROR, "no_signals", message, fix)

    def _signals(self, kind: EngineKind, samples: list[EngineSample]) -> None:
        missing = [name for name in USED_SIGNALS if any(getattr(sample, name) is None for sample in samples)]
        expected = [name for name in missing if name not in kind.not_reported]
        if expected:
            severity = Severity.ERROR if "kv_usage" in expected else Severity.WARNING
            self._add(severity, "missing_signals", f"does not export {_named(expected)}", "a newer version may")
            return
        said = "exports all signals" if not missing else "exports the signals of its kind"
        tokens = sum(sample.capacity_tokens or 0 for sample in samples)
        said += f"; its cache holds {tokens} tokens" if tokens else ""
        said += f"; this kind of engine does not report {_named(missing)}" if missing else ""
        self._add(Severity.OK, "signals", said)

    async def _cached_tokens(self, kind: EngineKind | None, model: str, pin: dict[str, str]) -> None:
        usage: dict[str, Any] = {}
        url = f"{self._url}/v1/chat/completions"
        for _ in range(2):
            body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 1}
            try:
                answer = await self._client.post(url, json=body, headers={**self._headers, **pin})
            except httpx.TimeoutException:
                message = "did not answer a one-token request in time, so its answers were not examined"
                self._add(Severity.WARNING, "busy", message)
                return
            if answer.status_code in LOCKED:
                self._locked(answer.status_code, "so its answers were not examined")
                return
            if answer.status_code != HTTPStatus.OK:
                message = f"answers a one-token request with {answer.status_code}, so its answers were not examined"
                self._add(Severity.WARNING, "not_asked", message)
                return
            usage = json_object(answer.content).get("usage") or {}
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        if cached is None:
            message = "does not report in its answers how much of a prompt was in its cache"
            fix = (Advice() if kind is None else kind.advice).cached_tokens
            self._add(Severity.WARNING, "no_cached_tokens", message, fix)
        elif cached == 0:
            message = "found nothing in its cache of a prompt that it had received just before"
            self._add(Severity.WARNING, "no_reuse", message, "switch its prefix caching on")
        else:
            self._add(Severity.OK, "cached_tokens", "reports in its answers how much of a prompt was in its cache")

    async def _get(self, path: str) -> httpx.Response:
        return await self._client.get(f"{self._url}{path}", headers=self._headers)

    def _add(self, severity: Severity, code: str, message: str, fix: str = "") -> None:
        self._findings.append(Finding(subject=self._url, severity=severity, code=code, message=message, fix=fix))


def _samples(kind: EngineKind, exposition: Exposition, exported: list[int], named: int | None) -> list[EngineSample]:
    """A sample of each engine: of the server, or of each of its ranks that the URL names."""
    ranks = [rank for rank in exported if named is not None and rank < named]
    parts = [exposition.of_rank(kind.rank_label, rank) for rank in ranks if kind.rank_label is not None]
    return [kind.read(part, at=0.0) for part in parts or [exposition]]


def _named(signals: list[str]) -> str:
    return ", ".join(SIGNALS[name] for name in signals)
