import os
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from concur_proxy.settings.gateway import GatewaySettings

DISAGREE = [
    ({"scrape_interval_s": 5}, "stale_after_s must be more than scrape_interval_s"),
    ({"fail_open_after_s": 4}, "fail_open_after_s must be at least stale_after_s"),
    ({"admin_listen": "0.0.0.0:9300"}, "admin_listen must be local with admin_key"),
    ({"private_metrics": True, "admin_listen": "main"}, "private_metrics must be false with admin_listen"),
    ({"private_metrics": True, "admin_listen": "none"}, "private_metrics must be false with admin_listen"),
    ({"tls_key": "key.pem"}, "tls_key must be unset with tls_cert"),
    ({"tls_client_ca": "ca.pem"}, "tls_client_ca must be unset with tls_cert"),
    ({"tls_client_key": "key.pem"}, "tls_client_key must be unset with tls_client_cert"),
    ({"first_token_target_s": 20}, "the goal throughput has no target"),
    ({"goal": "balanced", "first_token_target_s": 600}, "first_token_target_s must be at most max_hold_s"),
]

AGREE = [
    {"scrape_interval_s": 4.9},
    {"fail_open_after_s": 5},
    {"admin_listen": "127.0.0.1:9300"},
    {"admin_listen": "0.0.0.0:9300", "admin_key": "0123456789abcdef0123456789abcdef"},
    {"private_metrics": True},
    {"tls_key": "key.pem", "tls_client_ca": "ca.pem", "tls_cert": "cert.pem"},
    {"tls_client_key": "key.pem", "tls_client_cert": "cert.pem"},
    {"goal": "first-token", "first_token_target_s": 20},
    {"goal": "balanced", "first_token_target_s": 540},
]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("CONCUR_"):
            monkeypatch.delenv(name)


def _settings(values: Mapping[str, object]) -> GatewaySettings:
    return GatewaySettings.model_validate({"engine": ["http://gpu:8000"], **values})


@pytest.mark.parametrize(("values", "complaint"), DISAGREE)
def test_values_that_do_not_fit_together_are_refused_with_both_names(
    values: Mapping[str, object], complaint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _settings(values)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("values", AGREE)
def test_values_that_fit_together_are_taken(values: Mapping[str, object]) -> None:
    assert _settings(values).engine == ("http://gpu:8000",)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        _settings({"scrape_interval_s": 5, "tls_key": "key.pem"})
    assert "scrape_interval_s" in str(caught.value)
    assert "tls_cert" in str(caught.value)
