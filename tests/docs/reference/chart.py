"""Files of the Helm chart that come from elsewhere: the schema of `settings`, the rules and the dashboard."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from concur_proxy.settings.gateway import GatewaySettings

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
CHART = DEPLOY / "helm" / "concur-proxy"
SCHEMA = CHART / "values.schema.json"

SET_BY_THE_CHART = frozenset({"config", "host", "port"})
"""The pod's environment sets these, so a value in the file would have no effect."""


def values_schema() -> str:
    """The schema of the chart's values: `settings` from the gateway's own, the rest as it is in the file."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def settings_schema() -> dict[str, Any]:
    """What the chart takes under `settings`. It allows all that the gateway does, in YAML's own types."""
    properties = GatewaySettings.model_json_schema()["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _setting(schema) for name, schema in properties.items() if name not in SET_BY_THE_CHART},
    }


def _setting(schema: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key not in {"title", "default", "description"}}
    choices = [{key: value for key, value in choice.items() if key != "format"} for choice in kept.pop("anyOf", [kept])]
    if any(choice.get("type") == "array" for choice in choices):
        choices = [{"type": "array", "items": {"type": ["string", "integer"]}}, {"type": ["string", "integer"]}]
    choices = [choice for choice in choices if choice.get("type") != "null"]
    only = choices[0] if len(choices) == 1 else {"anyOf": choices}
    return {"description": schema["description"], **only}


def _copy(path: str) -> str:
    return (DEPLOY / path).read_text(encoding="utf-8")


FILES: Mapping[Path, Callable[[], str]] = {
    SCHEMA: values_schema,
    CHART / "files" / "recording.yml": partial(_copy, "prometheus/recording.yml"),
    CHART / "files" / "alerts.yml": partial(_copy, "prometheus/alerts.yml"),
    CHART / "files" / "dashboard.json": partial(_copy, "grafana/dashboards/concur-proxy.json"),
}
