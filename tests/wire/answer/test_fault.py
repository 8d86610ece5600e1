import pytest

from concur_proxy.wire.answer.fault import GatewayFault


def test_no_two_faults_are_one() -> None:
    # equal rows would make one Enum member an alias of the other
    assert len(GatewayFault) == len(GatewayFault.__members__)


@pytest.mark.parametrize("fault", GatewayFault)
def test_every_fault_says_what_happened_and_what_to_do(fault: GatewayFault) -> None:
    row = fault.value
    assert row.what[0].isupper()
    assert not row.what.endswith(".")
    assert row.fix.endswith(".")
    assert fault.code == fault.name.lower()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (GatewayFault.QUEUE_FULL, 429),
        (GatewayFault.HOLD_TIMEOUT, 429),
        (GatewayFault.DRAINING, 503),
        (GatewayFault.BAD_HTTP, 400),
        (GatewayFault.TARGET_TOO_LONG, 414),
        (GatewayFault.ENGINE_UNREACHABLE, 502),
        (GatewayFault.ENGINE_BROKE, 502),
        (GatewayFault.INTERNAL, 500),
        (GatewayFault.BAD_JSON, 400),
        (GatewayFault.BODY_NOT_OBJECT, 400),
        (GatewayFault.BODY_TOO_LARGE, 413),
        (GatewayFault.HEADERS_TOO_LARGE, 431),
        (GatewayFault.UNKNOWN_PATH, 404),
        (GatewayFault.WRONG_METHOD, 405),
        (GatewayFault.ADMIN_REFUSED, 403),
    ],
)
def test_status(fault: GatewayFault, status: int) -> None:
    assert fault.value.status == status
    # a retry can help exactly where the client is not at fault
    assert (fault.value.retry_after_s is not None) == (status == 429 or status >= 500)
