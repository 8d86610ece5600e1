import pytest

from concur_proxy.cli.secrets import redacted, redacted_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:pw@h/0", "redis://:***@h/0"),
        ("redis://:p/w@h/0", "redis://:***@h/0"),
        (
            "redis+sentinel://u:p@w@a:1,b:2/m?db=0&sentinel_password=s",
            "redis+sentinel://u:***@a:1,b:2/m?db=0&sentinel_password=***",
        ),
        ("rediss://h/0?password=pw&ssl_ca_certs=/a", "rediss://h/0?password=***&ssl_ca_certs=/a"),
    ],
)
def test_a_url_is_shown_without_its_passwords(url: str, shown: str) -> None:
    assert redacted_url(url) == shown


def test_a_key_is_not_shown_and_its_absence_is() -> None:
    assert redacted("admin_key", "12345678") == "***"
    assert redacted("admin_key", None) is None
    assert redacted("port", 80) == 80
