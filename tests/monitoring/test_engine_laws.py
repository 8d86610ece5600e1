import pytest

from concur_proxy.monitoring.engine_laws import EngineLaws
from concur_proxy.settings.gateway import GatewaySettings

A, B = "http://a", "http://b"


def settings(**values: object) -> GatewaySettings:
    return GatewaySettings(engine=(A, B), **values)  # type: ignore[arg-type]


def test_each_engine_has_a_law_of_its_own() -> None:
    laws = EngineLaws(settings(law="static", law_options={"window": 4}))
    assert laws.of(A) is laws.of(A)
    assert laws.of(A) is not laws.of(B)
    assert (laws.of(A).window, laws.named(A), laws.chosen(A)) == (4, ("static", {"window": 4}), None)


def test_a_choice_holds_until_it_is_released_whatever_the_settings_become() -> None:
    laws = EngineLaws(settings(law="static", law_options={"window": 4}))
    laws.choose(A, "static", {"window": 9})
    assert laws.of(B).window == 4
    assert laws.reconfigure(settings(law="static", law_options={"window": 2})) == [B]
    assert [laws.of(engine).window for engine in (A, B)] == [9, 2]
    laws.release(A)
    assert (laws.of(A).window, laws.chosen(A)) == (2, None)


def test_the_same_settings_keep_what_the_laws_have_learnt() -> None:
    laws = EngineLaws(settings())
    before = laws.of(A)
    assert laws.reconfigure(settings(max_hold_s=3)) == []
    assert laws.of(A) is before


def test_a_wrong_choice_changes_nothing() -> None:
    laws = EngineLaws(settings(law="static", law_options={"window": 4}))
    for name, options in (("tokns", {}), ("static", {"window": 0})):
        with pytest.raises(ValueError, match=r"tokns|window"):
            laws.choose(A, name, options)
    assert (laws.chosen(A), laws.of(A).window) == (None, 4)


def test_who_only_observes_enforces_no_law() -> None:
    laws = EngineLaws(settings(law="static"))
    laws.choose(B, "off", {})
    assert [laws.enforces(engine) for engine in (A, B)] == [True, False]
    laws.reconfigure(settings(law="static", mode="observe"))
    assert not laws.enforces(A)


def test_only_the_settings_choose_a_law_by_import_path() -> None:
    path = "concur_proxy.control.laws.static:build"
    laws = EngineLaws(settings(law="static"))
    with pytest.raises(ValueError, match="an import path can be used in the settings only"):
        laws.choose(A, path, {"window": 2})
    laws.reconfigure(settings(law=path, law_options={"window": 3}))
    laws.choose(A, path, {"window": 2})
    assert [laws.of(engine).window for engine in (A, B)] == [2, 3]
