"""Examines the pages of `metrics_url`: whether each can be read, and what they say together."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from concur_proxy.doctor.finding import Finding, Severity
from concur_proxy.doctor.no_answer import no_answer
from concur_proxy.engines.kind import EngineKind, KnownKinds
from concur_proxy.engines.pages import MetricsPage, PageReading, combine
from concur_proxy.engines.sample import EngineSample, SignalRates


@dataclass(slots=True, kw_only=True)
class Pages:
    """What was read."""

    kind: EngineKind | None = None
    """The kind of the engine; None if a page cannot be read."""
    sample: EngineSample | None = None
    """What all pages say together."""
    findings: list[Finding] = field(default_factory=list)


async def read_pages(url: str, pages: Sequence[MetricsPage], client: httpx.AsyncClient, kinds: KnownKinds) -> Pages:
    """Read each page of the engine at `url` once. Never raises, whatever the servers do."""
    read, kind = Pages(), None
    readings = []
    for page in pages:
        try:
            answer = await client.get(page.url)
        except httpx.HTTPError as error:
            read.findings.append(no_answer(page.url, error))
            continue
        is_there = answer.status_code == HTTPStatus.OK
        kind, exposition = kinds.read(None, answer.text if is_there else "")
        if kind is None:
            what = "has no series of a known engine" if is_there else f"answers {answer.status_code}"
            message = f"{what}, so the fixed window (fallback_window) would be used"
            fix = "name the page that has the engine's own series in metrics_url"
            finding = Finding(subject=page.url, severity=Severity.ERROR, code="no_signals", message=message, fix=fix)
            read.findings.append(finding)
            continue
        sample = kind.read(exposition, at=0.0)
        readings.append(PageReading(role=page.role, rates=SignalRates().advance(sample), sample=sample))
    if readings and not read.findings:
        read.kind = kind
        _, read.sample = combine(readings)
        message = "has its metrics at " + ", ".join(page.url for page in pages)
        read.findings.append(Finding(subject=url, severity=Severity.OK, code="metrics_url", message=message))
    return read
