import pytest

from concur_proxy.wire.request.request_id import find_request_id


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([b"a-1"], b"a-1"),
        ([b"first", b"second"], b"first"),
        ([b"x" * 128], b"x" * 128),
        ([b"x" * 129], None),
        ([b""], None),
        ([b"a b"], None),
        ([b"caf\xe9"], None),
    ],
)
def test_the_clients_id_where_it_is_usable(values: list[bytes], found: bytes | None) -> None:
    headers = [(b"accept", b"*/*"), *((b"x-request-id", value) for value in values)]
    assert find_request_id(headers) == found
