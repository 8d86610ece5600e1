"""Ten sets of values as operators write them: all that the chart makes is valid, and typos are refused."""

import json
from typing import Any

import helm_python
import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from concur_proxy.settings.gateway import GatewaySettings
from tests.deploy.chart import CHART, DEPLOY, notes, render
from tests.deploy.test_kubernetes import by_kind, validate
from tests.docs.reference.chart import SET_BY_THE_CHART, settings_schema

OPENSHIFT_IDS = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")
DIGEST = "sha256:" + "0a" * 32

SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one gateway with a key": {
        "adminKeySecret": "concur-admin",
        "settings": {"engine": ["http://gpu-1:8000", "http://gpu-2:8000"], "engine_dns": []},
    },
    "shared and scaled": {
        "redis": {"url": "rediss://:secret@redis:6379/0"},
        "autoscaling": {"enabled": True, "maxReplicas": 12},
        "resources": {"limits": {"memory": "2Gi", "cpu": 2}},
        "podDisruptionBudget": {"maxUnavailable": "25%"},
    },
    "own secret": {"existingSecret": "concur", "replicas": 3, "settings": {"workers": 2, "law": "aimd"}},
    "ingress": {
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": "3600"},
            "hosts": ["llm.example.com", "agents.example.com"],
            "path": "/llm",
            "tls": [{"secretName": "llm", "hosts": ["llm.example.com"]}],
        },
        "settings": {"root_path": "/llm"},
    },
    "gateway api": {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}],
            "hostnames": ["llm.example.com"],
        },
        "service": {"annotations": {"a": "b"}},
    },
    "monitored": {
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
        "grafanaDashboard": {"enabled": True, "annotations": {"grafana_folder": "Inference"}},
    },
    "keda": {
        "engineAutoscaling": {
            "enabled": True,
            "model": "Qwen/Qwen3-32B",
            "target": {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "qwen"},
            "enginesPerReplica": 8,
            "authenticationRef": {"name": "prometheus"},
        },
    },
    "hpa": {"engineAutoscaling": {"enabled": True, "by": "hpa", "model": "m", "minReplicas": 2, "maxReplicas": 4}},
    "openshift, with files of its own": {
        "image": {"repository": "registry.example.com:5000/concur-proxy", "digest": DIGEST},
        "serviceAccount": {"create": False, "name": "agents"},
        "extraVolumes": [{"name": "keys", "secret": {"secretName": "client-keys"}}],
        "extraVolumeMounts": [{"name": "keys", "mountPath": "/etc/keys", "readOnly": True}],
        "podLabels": {"team": "agents"},
        "priorityClassName": "serving",
        "settings": {"client_keys_file": "/etc/keys/keys.toml", "capacity_tokens": 463_459},
    },
}
"""Values by what they are for."""

TYPOS: list[tuple[dict[str, Any], str]] = [
    ({"replica": 2}, "replica"),
    ({"settings": {"max_holds": 3}}, "max_holds"),
    ({"settings": {"max_hold_s": "soon"}}, "max_hold_s"),
    ({"settings": {"max_hold_s": 0}}, "max_hold_s"),
    ({"settings": {"store": "redsi"}}, "store"),
    ({"settings": {"workers": "two"}}, "workers"),
    ({"settings": {"private_metrics": "yes please"}}, "private_metrics"),
    ({"settings": {"port": 9000}}, "port"),
    ({"image": {"tags": "1"}}, "tags"),
    ({"redis": {"URL": "redis://r"}}, "URL"),
    ({"ingress": {"enabled": True, "host": "a.example.com"}}, "host"),
    ({"ingress": {"path": "llm"}}, "path"),
    ({"httpRoute": {"requestTimeout": "forever"}}, "requestTimeout"),
    ({"httpRoute": {"enabled": True}}, "parentRefs"),
    ({"engineAutoscaling": {"by": "kedda"}}, "by"),
    ({"engineAutoscaling": {"minReplicas": 0}}, "minReplicas"),
    ({"prometheusRule": {"enable": True}}, "enable"),
    ({"prometheusRule": {"runbookUrl": "wiki"}}, "runbookUrl"),
    ({"serviceAccount": {"annotation": {}}}, "annotation"),
    ({"extraVolumeMounts": [{"name": "keys", "mountpath": "/etc/keys"}]}, "mountPath"),
]


def pod_of(values: dict[str, Any]) -> dict[str, Any]:
    pod: dict[str, Any] = by_kind(values)["Deployment"]["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("values", SETS.values(), ids=SETS.keys())
def test_what_the_chart_makes_is_valid(values: dict[str, Any]) -> None:
    documents = render(values)
    for document in documents:
        validate(document)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))
    assert "base URL" in notes(values)


@pytest.mark.parametrize(("values", "names"), TYPOS, ids=[json.dumps(values) for values, _ in TYPOS])
def test_a_typo_is_refused(values: dict[str, Any], names: str) -> None:
    with pytest.raises(helm_python.HelmError, match=names):
        render(values)


@pytest.mark.parametrize(
    "wrong",
    [
        ("PrometheusRule", ["spec", "groups", 0], {"intervall": "5s"}),
        ("ScaledObject", ["spec", "triggers", 0], {"metricsType": "Value"}),
        ("HTTPRoute", ["spec", "rules", 0], {"timeout": "1s"}),
        ("ServiceMonitor", ["spec"], {"endpoint": []}),
    ],
    ids=lambda wrong: wrong[0],
)
def test_the_schemas_of_other_projects_find_a_misspelt_field(wrong: tuple[str, list[Any], dict[str, Any]]) -> None:
    kind, path, fields = wrong
    everything = SETS["monitored"] | SETS["keda"] | SETS["gateway api"]
    document = by_kind(everything)[kind]
    validate(document)
    place = document
    for step in path:
        place = place[step]
    place.update(fields)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


@pytest.mark.parametrize("name", sorted(GatewaySettings.model_fields.keys() - SET_BY_THE_CHART))
def test_the_default_of_each_setting_is_one_that_the_chart_takes(name: str) -> None:
    default = GatewaySettings.model_fields[name].get_default(call_default_factory=True)
    if default is not None:
        values = json.loads(json.dumps({name: default}))
        jsonschema.validate(values, settings_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({name: {"a": ["mapping"]}}, settings_schema())


@pytest.mark.parametrize(
    "settings",
    [
        {"engine": "http://a:8000,http://b:8000"},
        {"capacity_tokens": 463_459},
        {"capacity_tokens": ["http://a:8000=463459", 5000]},
        {"idle_lease": 12.5},
        {"max_buffered_bytes": 1_000_000},
        {"law_options": {"minimum": 0.15}},
        {"scrape_interval_s": 1},
    ],
)
def test_what_the_gateway_takes_the_chart_takes(settings: dict[str, Any]) -> None:
    GatewaySettings(**{"engine": ["http://a:8000"]} | settings)
    jsonschema.validate(settings, settings_schema())


@pytest.mark.parametrize(
    "settings",
    [
        {"max_hold_s": 0},
        {"workers": 0},
        {"workers": 1.5},
        {"max_body_bytes": 12},
        {"law": ""},
        {"mode": "watch"},
        {"keepalive_chunks": 1},
        {"unknown": 1},
    ],
)
def test_what_the_chart_refuses_the_gateway_refuses(settings: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(settings, settings_schema())
    if settings != {"keepalive_chunks": 1}:  # the gateway also takes 1 for true
        with pytest.raises(ValidationError):
            GatewaySettings(**{"engine": ["http://a:8000"]} | settings)


def test_openshift_gives_the_pod_its_user() -> None:
    """What restricted-v2 refuses: a user or group of one's own, privileges, and capabilities."""
    pod = pod_of({})
    assert not any(name in pod["securityContext"] for name in OPENSHIFT_IDS)
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {"configMap", "secret"}
    image = (DEPLOY.parent / "Dockerfile").read_text()
    assert "USER 65532:65532" in image, "a number: the kubelet cannot tell whether a name is root"


def test_a_user_of_ones_own_is_possible() -> None:
    assert pod_of({"podSecurityContext": {"runAsUser": 1000}})["securityContext"]["runAsUser"] == 1000


def test_an_admin_key_needs_no_redis() -> None:
    for values, secret in (({"adminKeySecret": "mine"}, "mine"), ({"adminKey": "long enough"}, "concur-proxy")):
        kinds = by_kind(values)
        (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
        variables = {variable["name"]: variable for variable in container["env"]}
        reference = variables["CONCUR_ADMIN_KEY"]["valueFrom"]["secretKeyRef"]
        assert (reference["name"], reference["key"]) == (secret, "admin-key")
        assert "CONCUR_STORE" not in variables
        assert ("Secret" in kinds) == (secret == "concur-proxy")
    both = {"adminKeySecret": "mine", "redis": {"url": "redis://r"}}
    assert by_kind(both)["Secret"]["stringData"] == {"redis-url": "redis://r"}


def test_the_rules_are_those_of_the_repository() -> None:
    def groups(**values: str) -> list[Any]:
        found: list[Any] = by_kind({"prometheusRule": {"enabled": True, **values}})["PrometheusRule"]["spec"]["groups"]
        return found

    shipped = [yaml.safe_load((DEPLOY / "prometheus" / name).read_text()) for name in ("recording.yml", "alerts.yml")]
    assert groups() == [group for file in shipped for group in file["groups"]]
    alerts = groups(runbookUrl="https://wiki.example.com/concur")[-1]["rules"]
    assert {rule["annotations"]["runbook_url"] for rule in alerts} == {
        f"https://wiki.example.com/concur#{rule['alert'].lower()}" for rule in alerts
    }


def test_the_dashboard_is_the_repositorys() -> None:
    maps = [document for document in render({"grafanaDashboard": {"enabled": True}}) if document["kind"] == "ConfigMap"]
    (found,) = [each for each in maps if each["metadata"]["name"] == "concur-proxy-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "concur-proxy.json").read_text())
    assert json.loads(found["data"]["concur-proxy.json"]) == dashboard


def test_the_dashboards_links_can_lead_to_your_own_addresses() -> None:
    urls = {"page": "https://llm.example.com/concur/", "runbook": "https://wiki.example.com/concur"}
    values = {
        "grafanaDashboard": {"enabled": True, "pageUrl": urls["page"]},
        "prometheusRule": {"runbookUrl": urls["runbook"]},
    }
    (text,) = [
        document["data"]["concur-proxy.json"]
        for document in render(values)
        if document["metadata"]["name"].endswith("-dashboard")
    ]
    variables = json.loads(text)["templating"]["list"]
    assert {each["name"]: each["query"] for each in variables if each["type"] == "constant"} == urls


def test_both_autoscalers_ask_for_as_many_replicas_as_the_series_says() -> None:
    trigger = by_kind(SETS["keda"])["ScaledObject"]["spec"]["triggers"][0]
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"]["threshold"] == "8"
    assert trigger["metadata"]["query"] == (
        'max(concur_engines_wanted{job="concur-proxy",namespace="default",model="Qwen/Qwen3-32B"})'
    )
    hpa = by_kind(SETS["hpa"])["HorizontalPodAutoscaler"]["spec"]
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 4)
    assert hpa["metrics"][0]["external"] == {
        "metric": {"name": "concur_engines_wanted", "selector": {"matchLabels": {"model": "m"}}},
        "target": {"type": "AverageValue", "averageValue": "1"},
    }


def test_the_chart_is_packaged_with_the_files_it_needs() -> None:
    with helm_python.Chart.load(CHART) as chart:
        names = {file["name"] for file in chart.files}
    assert {"README.md", "files/alerts.yml", "files/recording.yml", "files/dashboard.json"} <= names
