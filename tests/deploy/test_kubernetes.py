"""The Helm chart and the plain manifests, against the schemas that Kubernetes publishes."""

import json
import math
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from concur_proxy.cli.load import load_settings
from tests.deploy.chart import CHART, DEPLOY, plain_manifests, render

EVERYTHING: dict[str, Any] = {
    "replicas": 3,
    "redis": {"url": "redis://redis:6379/0"},
    "adminKey": "long enough",
    "settings": {"otlp_endpoint": "http://collector:4318"},
    "env": [{"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": {"name": "otel", "key": "headers"}}}],
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {"matchLabels": {"agents": "yes"}}}]},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"cpu": "yes"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "image": {"pullSecrets": [{"name": "registry"}]},
}
VERSION = "1.30"
SCHEMAS = Path(__file__).parent / "schemas"
INFO = 1
"""Helm's severity of suggestions: it recommends an icon."""


def validate(document: dict[str, Any]) -> None:
    """Fails if the manifest is not valid. `schemas` has the kinds that are not of Kubernetes itself."""
    file = SCHEMAS / f"{document['kind'].lower()}.json"
    if file.exists():
        jsonschema.validate(document, json.loads(file.read_text()))
    else:
        kubernetes_validate.validate(document, VERSION, strict=True)


def by_kind(values: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {document["kind"]: document for document in render(values)}


@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, {"existingSecret": "mine", "replicas": 2}], ids=["few", "all", "own"]
)
def test_what_the_chart_makes_is_valid(values: dict[str, Any]) -> None:
    for document in render(values):
        validate(document)


def test_a_manifest_with_a_misspelt_field_is_not() -> None:
    deployment = by_kind()["Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_helm_finds_nothing_wrong_with_the_chart() -> None:
    findings = helm_python.lint(CHART)["messages"]
    assert not [finding for finding in findings if finding["severity"] > INFO]


def test_all_kinds_are_there_when_asked_for_and_not_else() -> None:
    always = {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}
    assert set(by_kind()) == always
    further = {"HorizontalPodAutoscaler", "NetworkPolicy", "Secret", "ServiceMonitor"}
    assert set(by_kind(EVERYTHING)) == always | further


@pytest.mark.parametrize("values", [{"replicas": 2}, {"autoscaling": {"enabled": True}}])
def test_several_gateways_without_a_store_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError, match=r"several gateways need Redis: set redis\.url"):
        render(values)


def test_gateways_without_a_store_never_run_side_by_side() -> None:
    assert by_kind()["Deployment"]["spec"]["strategy"]["type"] == "Recreate"
    assert "strategy" not in by_kind(EVERYTHING)["Deployment"]["spec"]


def test_the_service_monitor_finds_the_gateways_under_the_name_that_the_alerts_know() -> None:
    kinds = by_kind(EVERYTHING)
    monitor, labels = kinds["ServiceMonitor"], kinds["Service"]["metadata"]["labels"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    spec = monitor["spec"]
    assert spec.keys() == {"selector", "jobLabel", "endpoints"}
    assert spec["selector"].keys() == {"matchLabels"}
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert labels[spec["jobLabel"]] == "concur-proxy"
    (endpoint,) = spec["endpoints"]
    assert endpoint == {"port": kinds["Service"]["spec"]["ports"][0]["name"], "path": "/metrics", "interval": "5s"}


@pytest.mark.parametrize("wrong", [{"intervall": "5s"}, {"interval": 5}, {"interval": "soon"}, {"interval": "5"}])
def test_a_service_monitor_that_the_operator_would_refuse_is_refused_before(wrong: dict[str, Any]) -> None:
    with pytest.raises(helm_python.HelmError, match="serviceMonitor"):
        render({"serviceMonitor": {"enabled": True, **wrong}})


def test_the_settings_are_ones_that_the_gateway_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = by_kind(EVERYTHING)
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    (file,) = kinds["ConfigMap"]["data"].items()
    assert container["args"] == ["serve", "--config", f"/etc/concur-proxy/{file[0]}"]
    written = tmp_path / file[0]
    written.write_text(file[1])
    secret = kinds["Secret"]["stringData"]
    for key, text in secret.items():
        (tmp_path / key).write_text(text)
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "secrets")
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference.get("name") != "otel":
            text = variable.get("value") or secret[reference["key"]]
            monkeypatch.setenv(variable["name"], text.replace(mount["mountPath"], str(tmp_path)))
    settings = load_settings({"config": str(written)})
    assert settings.store == "redis"
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.admin_key == "long enough"
    assert settings.otlp_endpoint == "http://collector:4318"
    assert EVERYTHING["env"][0] in container["env"]
    assert settings.port == container["ports"][0]["containerPort"]


def test_a_pod_is_given_the_time_to_drain() -> None:
    for drain_time in (30, 300, 300.5, "45", "90s", "5m", "1h30m", "1500ms"):
        settings = load_settings({"engine": ["http://e"], "drain_timeout_s": drain_time})
        pod = by_kind({"settings": {"drain_timeout_s": drain_time}})["Deployment"]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == math.ceil(settings.drain_timeout_s) + 15


def test_a_pod_has_no_rights_and_writes_nothing() -> None:
    pod = by_kind()["Deployment"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert not pod["automountServiceAccountToken"]


def test_an_image_can_be_pinned_by_its_digest() -> None:
    digest = "sha256:" + "0a" * 32
    container = by_kind({"image": {"tag": "1", "digest": digest}})["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert container["image"] == f"concur-proxy:1@{digest}"
    container = by_kind({"image": {"digest": digest}})["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"concur-proxy@{digest}"
    with pytest.raises(Exception, match="digest"):
        by_kind({"image": {"digest": "0a0a"}})


def test_the_plain_manifests_are_the_charts() -> None:
    assert (DEPLOY / "kubernetes" / "concur-proxy.yaml").read_text() == plain_manifests()


def test_the_plain_manifests_are_valid_and_find_their_redis() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "redis.yaml").read_text()))
    for document in documents:
        validate(document)
    name = next(document["metadata"]["name"] for document in documents if document["kind"] == "Service")
    assert f"redis://{name}:6379/0" in plain_manifests()


def test_only_gateways_that_share_a_store_mount_its_secret() -> None:
    for values, name in (({"redis": {"url": "redis://r:6379"}}, "concur-proxy"), ({"existingSecret": "mine"}, "mine")):
        volumes = by_kind(values)["Deployment"]["spec"]["template"]["spec"]["volumes"]
        (secret,) = (volume["secret"] for volume in volumes if volume["name"] == "secrets")
        assert secret == {"secretName": name, "items": [{"key": "redis-url", "path": "redis-url"}]}
    pod = by_kind({"adminKey": "long enough"})["Deployment"]["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["settings"]
