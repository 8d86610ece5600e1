"""The tenant of a request, and the names of sessions among several tenants."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.control.faults import Faults
from concur_proxy.recognition.client_keys import client_key_entry, parse_client_keys
from concur_proxy.recognition.tenants import MAX_TENANT_CHARS, ONLY, Tenant, Tenants, scoped, split_name

BLUE = Tenant(name="blue", weight=3.0, is_declared=True)
KEYS = {sha256(b"key-of-blue").digest(): BLUE}

tenant_names = st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]), max_size=8)
keys = st.text(st.sampled_from("ab\x1f\0"), max_size=6)


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer key-of-blue"},
        {b"authorization": b"bearer  key-of-blue"},
        {b"x-api-key": b"key-of-blue"},
        {b"api-key": b"key-of-blue"},
        {b"authorization": b"Bearer dummy", b"x-api-key": b"key-of-blue"},
    ],
)
def test_a_key_names_its_tenant_in_every_header_that_the_sdks_use(headers: dict[bytes, bytes]) -> None:
    assert Tenants(keys=KEYS).of(headers) == BLUE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b""},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer key-of-blu"},
        {b"authorization": b"Bearer key-of-blue2"},
        {b"authorization": b"Basic key-of-blue"},
        {b"authorization": sha256(b"key-of-blue").hexdigest().encode()},
        {b"x-tenant": b"blue"},
    ],
)
def test_a_request_without_a_valid_key_has_no_tenant(headers: dict[bytes, bytes]) -> None:
    assert Tenants(keys=KEYS, header=b"x-tenant").of(headers) is None


def test_no_key_is_valid_if_there_are_none() -> None:
    assert Tenants(keys={}).of({b"authorization": b"Bearer x"}) is None


def test_new_keys_count_at_once() -> None:
    tenants = Tenants(keys=KEYS)
    tenants.use({sha256(b"another").digest(): BLUE})
    assert tenants.of({b"x-api-key": b"key-of-blue"}) is None
    assert tenants.of({b"x-api-key": b"another"}) == BLUE


def test_a_trusted_header_decides_whatever_the_credential() -> None:
    tenants = Tenants(header=b"x-tenant")
    assert tenants.of({b"x-tenant": b" blue ", b"authorization": b"Bearer a"}) == Tenant(name="blue", is_declared=True)
    assert tenants.of({b"authorization": b"Bearer a"}) == Tenant(is_declared=True)


@pytest.mark.parametrize("value", [b"a" * (MAX_TENANT_CHARS + 1), b"a\x1fb", b"\x00"])
def test_an_unusable_name_in_the_header_becomes_its_digest(value: bytes) -> None:
    found = Tenants(header=b"x-tenant").of({b"x-tenant": value})
    assert found is not None
    assert found.name == "sha256:" + sha256(value).hexdigest()[:32]


def test_without_any_set_up_each_credential_is_a_tenant() -> None:
    tenants = Tenants()
    found = [
        tenants.of(headers)
        for headers in (
            {b"authorization": b"Bearer a"},
            {b"authorization": b"Bearer b"},
            {b"x-api-key": b"Bearer a"},
            {},
        )
    ]
    assert len({each.name for each in found if each is not None}) == len(found)
    assert found[-1] is ONLY
    assert not any(b"Bearer" in repr(each).encode() for each in found)
    assert tenants.of({b"authorization": b"Bearer a", b"x-other": b"1"}) == found[0]


@given(one=st.tuples(tenant_names, keys), two=st.tuples(tenant_names, keys))
def test_two_tenants_never_get_the_same_name(one: tuple[str, str], two: tuple[str, str]) -> None:
    assert (scoped(*one) == scoped(*two)) == (one == two)
    assert split_name(scoped(*one)) == one


def test_the_only_tenant_has_plain_names() -> None:
    assert scoped("", "agent-7") == "agent-7"


def test_a_file_of_keys_is_read() -> None:
    digest = sha256(b"k").hexdigest()
    text = client_key_entry(digest, 'the "blue" team') + "weight = 3\npriority = 1\nmax_active = 2\nmax_waiting = 4\n"
    assert parse_client_keys(text) == {
        bytes.fromhex(digest): Tenant(
            name='the "blue" team', weight=3.0, priority=1, max_active=2, max_waiting=4, is_declared=True
        )
    }
    assert parse_client_keys("") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[keys]\n", "line 1"),
        ("[[key]]\n", "`key`"),
        ('[[keys]]\ntenant = "a"\n', "sha256"),
        ('[[keys]]\nsha256 = "a key in clear"\ntenant = "a"\n', "key 1 needs a sha256 of 64 hexadecimal digits"),
        (client_key_entry("0" * 64, "a") * 2, "line 5: key 2 has the same sha256"),
        (client_key_entry("0" * 64, ""), "key 1 needs a tenant"),
        (client_key_entry("0" * 64, "a\tb"), "key 1 needs a tenant"),
        (client_key_entry("0" * 64, "a") + "weight = 0\n", "key 1 needs a weight above 0"),
        (client_key_entry("0" * 64, "a") + "weight = nan\n", "key 1 needs a weight above 0"),
        (client_key_entry("0" * 64, "a") + "priority = 5\n", "key 1 needs a priority from -4 to 4"),
        (
            client_key_entry("0" * 64, "a") + "max_active = 0\n",
            "line 4: key 1 needs max_active to be a whole number of 1 or more",
        ),
        (client_key_entry("0" * 64, "a") + 'weight = "3"\n', "line 4: key 1 needs a weight above 0"),
        (client_key_entry("0" * 64, "a") + "max_active = true\n", "line 4: key 1 needs max_active to be"),
        (client_key_entry("0" * 64, "a") + 'max_buffered_bytes = "much"\n', "or a size such as 100M"),
        (client_key_entry("0" * 64, "a") + "wieght = 2\n", "has an unknown name 'wieght': did you mean weight?"),
        ("keys = 3\n", "`keys` must be tables"),
        ("a = " + "[" * 20000, ""),
    ],
)
def test_a_wrong_file_of_keys_is_refused_with_the_place(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_client_keys(text)
    assert problem in str(caught.value)


def test_everything_that_is_wrong_in_a_file_of_keys_is_reported_by_line() -> None:
    text = (
        client_key_entry("0" * 64, "a")
        + client_key_entry("1", "b")
        + "weight = -1\n"
        + client_key_entry("0" * 64, "c")
        + 'colour = "blue"\n'
    )
    with pytest.raises(Faults) as caught:
        parse_client_keys(text)
    assert caught.value.problems == (
        "line 5: key 2 needs a sha256 of 64 hexadecimal digits",
        "line 7: key 2 needs a weight above 0",
        (
            "line 11: key 3 has an unknown name 'colour': it may have sha256, tenant, weight, priority, max_active, "
            "max_waiting, max_connections, max_buffered_bytes"
        ),
        "line 9: key 3 has the same sha256 as another key",
    )


def test_keys_as_inline_tables_are_named_by_number() -> None:
    with pytest.raises(Faults) as caught:
        parse_client_keys('keys = [{sha256 = "1", tenant = "b"}]')
    assert caught.value.problems == ("key 1 needs a sha256 of 64 hexadecimal digits",)


def test_a_limit_in_bytes_can_have_a_unit() -> None:
    (tenant,) = parse_client_keys(client_key_entry("0" * 64, "a") + 'max_buffered_bytes = "100M"\n').values()
    assert tenant.max_buffered_bytes == 100_000_000
