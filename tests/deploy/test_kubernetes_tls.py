"""Probes, Service and ServiceMonitor of a gateway with TLS, client certificates and private metrics."""

from typing import Any

import helm_python
import pytest

from concur_proxy.cli.load import load_settings
from tests.deploy.chart import render
from tests.deploy.test_kubernetes import by_kind, validate
from tests.http.certificates import Authority

TLS: dict[str, Any] = {"tls": {"secretName": "cert"}}
MUTUAL: dict[str, Any] = {"tls": {"secretName": "cert", "clientAuthority": True, "clientSecretName": "probe"}}
MONITORED: dict[str, Any] = {"serviceMonitor": {"enabled": True}}
PRIVATE: dict[str, Any] = {
    "settings": {"private_metrics": True, "admin_listen": "0.0.0.0:9300"},
    "adminKey": "long enough",
}
HEALTH = {"command": ["concur-proxy", "health", "--config", "/etc/concur-proxy/concur-proxy.yaml"]}


def pod_of(values: dict[str, Any]) -> dict[str, Any]:
    """The pod of the Deployment."""
    pod: dict[str, Any] = by_kind(values)["Deployment"]["spec"]["template"]["spec"]
    return pod


def endpoint_of(values: dict[str, Any]) -> dict[str, Any]:
    """What the ServiceMonitor scrapes."""
    (endpoint,) = by_kind({**MONITORED, **values})["ServiceMonitor"]["spec"]["endpoints"]
    return dict(endpoint)


@pytest.mark.parametrize("values", [TLS, MUTUAL, {**MONITORED, **MUTUAL}, {**MONITORED, **PRIVATE, **MUTUAL}])
def test_what_the_chart_makes_is_valid(values: dict[str, Any]) -> None:
    for document in render({**values, "networkPolicy": {"enabled": True}}):
        validate(document)


@pytest.mark.parametrize(
    ("values", "ready"),
    [
        ({}, {"path": "/readyz", "port": "http"}),
        (TLS, {"path": "/readyz", "port": "http", "scheme": "HTTPS"}),
        ({"settings": {"tls_cert": "/tls/tls.crt"}}, {"path": "/readyz", "port": "http", "scheme": "HTTPS"}),
        ({"settings": {"private_metrics": True}}, {"path": "/healthz", "port": "http"}),
        ({"settings": {"private_metrics": False}}, {"path": "/readyz", "port": "http"}),
    ],
)
def test_the_probes_ask_what_the_main_port_serves(values: dict[str, Any], ready: dict[str, str]) -> None:
    (container,) = pod_of(values)["containers"]
    assert container["readinessProbe"]["httpGet"] == ready
    assert container["livenessProbe"]["httpGet"] == {**ready, "path": "/healthz"}


@pytest.mark.parametrize("values", [MUTUAL, {"settings": {"tls_cert": "/c", "tls_client_ca": "/ca"}}])
def test_the_probes_run_in_the_pod_where_clients_need_a_certificate(values: dict[str, Any]) -> None:
    (container,) = pod_of(values)["containers"]
    for name in ("readinessProbe", "livenessProbe"):
        assert container[name]["exec"] == HEALTH
        assert "httpGet" not in container[name]


def test_the_certificates_are_mounted_where_the_gateway_looks(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("run")
    authority, pod = Authority(folder), pod_of(MUTUAL)
    (container,) = pod["containers"]
    secrets = {volume["name"]: volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert secrets == {"tls": "cert", "tls-client": "probe"}
    for mount in container["volumeMounts"]:
        if mount["name"] in secrets:
            certificate, key = authority.issue(mount["name"])
            place = folder / mount["mountPath"].removeprefix("/run/")
            place.mkdir()
            certificate.rename(place / "tls.crt")
            key.rename(place / "tls.key")
            (place / "ca.crt").write_bytes(authority.file.read_bytes())
    for variable in container["env"]:
        if variable["name"].startswith("CONCUR_TLS_"):
            monkeypatch.setenv(variable["name"], variable["value"].replace("/run", str(folder)))
    settings = load_settings({"engine": ["http://gpu"]})
    assert settings.tls_client_ca is not None
    assert settings.tls_client_cert is not None
    assert settings.tls_client_cert.exists()


def test_prometheus_trusts_the_secret_and_shows_the_client_certificate() -> None:
    plain = {"port": "http", "path": "/metrics", "interval": "5s"}
    assert endpoint_of({}) == plain
    tls = {"serverName": "concur-proxy.default.svc", "ca": {"secret": {"name": "cert", "key": "ca.crt"}}}
    assert endpoint_of(TLS) == {**plain, "scheme": "https", "tlsConfig": tls}
    shown = {"cert": {"secret": {"name": "probe", "key": "tls.crt"}}, "keySecret": {"name": "probe", "key": "tls.key"}}
    assert endpoint_of(MUTUAL) == {**plain, "scheme": "https", "tlsConfig": {**tls, **shown}}
    own = {"serviceMonitor": {"enabled": True, "tlsConfig": {"insecureSkipVerify": True}}}
    assert endpoint_of({**TLS, **own})["tlsConfig"] == {"insecureSkipVerify": True}


def test_private_metrics_are_scraped_at_the_admin_port() -> None:
    values = {**MONITORED, **PRIVATE, **TLS, "networkPolicy": {"enabled": True}}
    kinds = by_kind(values)
    assert endpoint_of(values) == {"port": "admin", "path": "/metrics", "interval": "5s"}
    service = {port["name"]: port for port in kinds["Service"]["spec"]["ports"]}
    assert service["admin"] == {"name": "admin", "port": 9300, "targetPort": "admin"}
    (container,) = pod_of(values)["containers"]
    assert {"name": "admin", "containerPort": 9300} in container["ports"]
    assert {"port": "admin"} in kinds["NetworkPolicy"]["spec"]["ingress"][0]["ports"]


def test_the_admin_port_is_no_port_of_the_service_unless_prometheus_needs_it() -> None:
    assert [port["name"] for port in by_kind(PRIVATE)["Service"]["spec"]["ports"]] == ["http"]


@pytest.mark.parametrize(
    "listen", ["", "auto", "127.0.0.1:9300", "localhost:9300", "[::1]:9300", "unix:/run/admin9300"]
)
def test_a_monitor_that_could_not_reach_the_metrics_is_refused(listen: str) -> None:
    private = {"private_metrics": True, **({"admin_listen": listen} if listen else {})}
    with pytest.raises(helm_python.HelmError, match="cannot reach private_metrics"):
        render({**MONITORED, "settings": private})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"tls": {"clientAuthority": True}}, r"needs tls\.secretName"),
        ({**MONITORED, "tls": {"secretName": "cert", "clientAuthority": True}}, r"serviceMonitor needs"),
        ({**MONITORED, "settings": {"tls_cert": "/c"}}, r"serviceMonitor needs"),
        ({"tls": {"secret": "cert"}}, "tls"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(helm_python.HelmError, match=problem):
        render(values)
