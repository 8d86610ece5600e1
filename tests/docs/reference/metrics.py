"""The page of metrics, read from a gateway that has just answered a request."""

import time
from collections.abc import Iterable

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from concur_proxy.admission.goal import ENOUGH
from tests.docs.processes import running
from tests.docs.reference.page import code, codes, page, table

ABOUT = """\
`GET /metrics` answers in Prometheus' text format, on the gateway's own port. A scraper that asks for OpenMetrics gets
that. No series has a label for a session, because the number of sessions has no bound. A series is left out while its
value is unknown. Process metrics of Python's client library (`process_*`, `python_*`) are exported as well.

With several `workers`, any of them answers for all, and each series has the label `worker`, from 0. A worker that does
not answer within 1 s is left out.

`GET /healthz` answers 200 while the process lives. `GET /readyz` answers 200 while the gateway can serve requests; its
body describes each engine and its signals."""

OPEN_LABELS = {"engine": "the engine's name", "model": "a model that the engine lists, else `other`"}
"""Labels whose values depend on the fleet."""
OTHER_LABELS = {
    "plugin": "the name in the setting",
    "path": "the endpoint",
    "code": "the HTTP status",
    "le": "the bucket's upper bound",
}
ATTEMPTS, READINGS = 10, 10
FLAGS = ("--scrape-interval-s", "0.2", "--goal", "first-token", "--first-token-target-s", "60")
"""With these, every series has a sample."""


def metrics_page() -> str:
    """A table of all families, and one of the labels."""
    families = sorted(_families(), key=lambda family: family.name)
    rows = [[code(_exported(family)), family.type, codes(_labels(family)), family.documentation] for family in families]
    labels = [[code(name), text] for name, text in (OPEN_LABELS | OTHER_LABELS).items()]
    closed = sorted({(label, _exported(family), values) for family in families for label, values in _values(family)})
    return page(
        "Metrics",
        ABOUT,
        "## Series\n\n" + table(["Name", "Type", "Labels", "Meaning"], rows),
        "## Labels\n\n" + table(["Label", "Value"], labels),
        "Labels with a fixed set of values:\n\n"
        + table(["Label", "Series", "Values"], [[code(label), code(name), values] for label, name, values in closed]),
    )


def _families() -> list[Metric]:
    """All families, once each has a sample: the hit ratio needs a prompt that was looked up since the last scrape,
    and the time of 99 % of first tokens needs some answers."""
    with running("engine") as engine, running("serve", "--engine", engine, *FLAGS) as gateway:
        for _ in range(ENOUGH):
            _ask(gateway)
        for _ in range(ATTEMPTS):
            _ask(gateway)
            for _ in range(READINGS):
                text = httpx.get(f"{gateway}/metrics", trust_env=False).text
                families = [family for family in text_string_to_metric_families(text) if _is_ours(family.name)]
                if all(family.samples for family in families):
                    return families
                time.sleep(0.05)
    raise RuntimeError(f"no sample of {[family.name for family in families if not family.samples]}")


def _ask(gateway: str) -> None:
    messages = [{"role": "user", "content": "A prompt that fills several blocks of the cache. " * 20}]
    body = {"model": "emulated", "messages": messages, "stream": True, "max_tokens": 2}
    answer = httpx.post(f"{gateway}/v1/chat/completions", json=body, trust_env=False, timeout=30)
    answer.raise_for_status()


def _is_ours(name: str) -> bool:
    """Prometheus' client adds the time at which each counter began."""
    return name.startswith("concur_") and not name.endswith("_created")


def _exported(family: Metric) -> str:
    """The name as queries use it; clients drop the suffix of a counter."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> list[str]:
    names = {name for sample in family.samples for name in sample.labels}
    return sorted(names - {"le"}, key=lambda name: (name not in OPEN_LABELS, name))


def _values(family: Metric) -> Iterable[tuple[str, str]]:
    for label in _labels(family):
        if label not in OPEN_LABELS | OTHER_LABELS:
            yield label, codes(sorted({sample.labels[label] for sample in family.samples if label in sample.labels}))
