import pytest

from concur_proxy.wire.request.endpoint_rule import EndpointKind, parse_endpoint_rule


def test_a_literal_rule() -> None:
    rule = parse_endpoint_rule("POST /my/path", EndpointKind.GENERATE)
    assert (rule.methods, rule.path, rule.is_prefix) == (("POST",), "/my/path", False)
    assert rule.kind is EndpointKind.GENERATE
    assert rule.route == "/my/path"


def test_a_rule_for_everything_below() -> None:
    rule = parse_endpoint_rule("  get, post   /files/* ", EndpointKind.PASS)
    assert rule.methods == ("GET", "POST")
    assert (rule.path, rule.is_prefix) == ("/files/", True)
    assert rule.route == "/files/*"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "POST",
        "/my/path",
        "POST my/path",
        "FETCH /my/path",
        "POST /my//path",
        "POST /my/../path",
        "POST /my/path/",
        "POST /my/*/path",
        "POST /my/pa*",
        "POST /my/%2e%2e",
        "POST /my path",
        "POST /a?b=c",
        "POST, /x",
    ],
)
def test_a_wrong_rule_is_named_in_its_error(text: str) -> None:
    with pytest.raises(ValueError, match="path") as raised:
        parse_endpoint_rule(text, EndpointKind.PASS)
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)
