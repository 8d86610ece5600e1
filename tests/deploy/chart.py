"""Renders the Helm chart with Helm itself. As a program it prints the plain manifests of deploy/kubernetes.

.venv/bin/python -m tests.deploy.chart > deploy/kubernetes/concur-proxy.yaml
"""

from pathlib import Path
from typing import Any

import helm_python
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "concur-proxy"
NOTES = "NOTES.txt"
HEAD = "# Rendered from helm/concur-proxy with the values.yaml in this folder. Change those, then run\n"
COMMAND = "# .venv/bin/python -m tests.deploy.chart > deploy/kubernetes/concur-proxy.yaml\n"


def render(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The manifests that Helm renders with these values; Helm's own error if it refuses them."""
    files = {name: text for name, text in _files(values).items() if not name.endswith(NOTES)}
    documents = [document for name in sorted(files) for document in yaml.safe_load_all(files[name])]
    return [document for document in documents if document]


def notes(values: dict[str, Any] | None = None) -> str:
    """What Helm tells the operator after the installation."""
    return next(text for name, text in _files(values).items() if name.endswith(NOTES))


def _files(values: dict[str, Any] | None) -> dict[str, str]:
    with helm_python.Chart.load(CHART) as chart:
        files: dict[str, str] = chart.render(values or {}, name="concur-proxy", namespace="default")
    return files


def plain_manifests() -> str:
    """The text of `deploy/kubernetes/concur-proxy.yaml`."""
    values = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())
    return HEAD + COMMAND + yaml.dump_all(render(values), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


if __name__ == "__main__":
    print(plain_manifests(), end="")
