import re

import pytest

from concur_proxy.monitoring.named_servers import OPERATOR, SETTINGS, NamedServers

ONE, TWO, RANKS, DNS = "http://one:1", "http://two:1", "http://ranks:1#dp=2", "http://name:1"
NAMED = NamedServers(by_source={SETTINGS: (ONE, RANKS), DNS: (DNS,)})


def test_the_servers_of_all_sources_in_order_and_the_engines_of_each() -> None:
    assert NAMED.servers == [ONE, RANKS, DNS]
    assert NAMED.engines == [ONE, "http://ranks:1#rank=0", "http://ranks:1#rank=1", DNS]
    assert NAMED.homes["http://ranks:1#rank=1"] == RANKS


def test_a_server_that_two_sources_name_is_there_once() -> None:
    both = NAMED.with_source(DNS, [ONE, TWO])
    assert both.servers == [ONE, RANKS, TWO]
    assert both.sources_of(ONE) == [SETTINGS, DNS]
    assert both.sources_of("http://ranks:1") == [SETTINGS]


def test_what_an_operator_removes_is_still_named_by_its_source() -> None:
    manual = NAMED.with_manual([TWO], [ONE])
    assert manual.servers == [RANKS, DNS, TWO]
    assert manual.is_named(ONE)
    assert not manual.is_named(TWO)
    assert manual.all_named == {ONE, RANKS, DNS, TWO}
    assert manual.with_manual([], []).servers == NAMED.servers
    assert (NAMED.removed, OPERATOR in NAMED.by_source) == (frozenset(), False)


@pytest.mark.parametrize(
    ("source", "servers", "why"),
    [
        (SETTINGS, [], "http://one:1 is the last engine"),
        (SETTINGS, [RANKS, "http://ranks:1"], "an engine is named twice, with different ranks"),
        (SETTINGS, ["http://one:1#dp=x"], "must be dp=N"),
    ],
)
def test_servers_that_cannot_form_a_fleet(source: str, servers: list[str], why: str) -> None:
    alone = NamedServers(by_source={SETTINGS: (ONE,)})
    with pytest.raises(ValueError, match=re.escape(why)):
        alone.with_source(source, servers)
    assert alone.servers == [ONE]
