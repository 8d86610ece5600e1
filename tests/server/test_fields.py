"""Header fields that requests have in common exist once."""

from concur_proxy.server.fields import LONG_BYTES, MOST, SharedFields
from concur_proxy.wire.headers import Headers


def made(fields: SharedFields, name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """The field as a request gets it, from bytes that exist for it alone."""
    headers: Headers = []
    fields.add(headers, bytes(bytearray(name)), bytes(bytearray(value)))
    (field,) = headers
    return field


def test_what_many_requests_say_exists_once_for_each_spelling() -> None:
    fields = SharedFields()
    first = made(fields, b"X-Stainless-OS", b"Linux")
    assert first == (b"x-stainless-os", b"Linux")
    assert made(fields, b"X-Stainless-OS", b"Linux") is first
    other = made(fields, b"x-stainless-os", b"Linux")
    assert other == first
    assert other[0] is first[0]
    assert made(fields, b"x-stainless-os", b"MacOS") == (b"x-stainless-os", b"MacOS")


def test_secrets_and_what_differs_for_each_agent_are_not_kept() -> None:
    fields = SharedFields()
    for name in (b"Authorization", b"authorization", b"AUTHORIZATION", b"X-Session-Id", b"cookie", b"x-own"):
        first, second = made(fields, name, b"secret"), made(fields, name, b"secret")
        assert first == second == (name.lower(), b"secret")
        assert first[1] is not second[1]


def test_no_client_can_fill_the_memory() -> None:
    fields = SharedFields()
    long = b"x" * (LONG_BYTES + 1)
    assert made(fields, b"user-agent", long)[1] is not made(fields, b"user-agent", long)[1]
    first = made(fields, b"user-agent", b"first")
    for number in range(MOST):
        made(fields, b"user-agent", b"%d" % number)
    assert made(fields, b"user-agent", b"first") is not first
    assert len(fields._known) <= MOST
