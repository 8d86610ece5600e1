import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from concur_proxy.engines.pages import MetricsPage, Role
from concur_proxy.settings.file import ConfigFileError
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.settings.kinds import split_list
from concur_proxy.wire.request.endpoint_rule import EndpointKind

ENGINE = "http://gpu:8000"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("CONCUR_"):
            monkeypatch.delenv(name)


def settings(**values: Any) -> GatewaySettings:  # noqa: ANN401 - what an operator may write
    return GatewaySettings(**{"engine": [ENGINE], **values})


def complaints(**values: Any) -> str:  # noqa: ANN401
    with pytest.raises(ValidationError) as caught:
        settings(**values)
    return str(caught.value)


def test_the_defaults_are_those_of_the_documentation() -> None:
    defaults = settings()
    assert (defaults.host, defaults.port, defaults.law, defaults.store) == (("127.0.0.1",), 8300, "tokens", "memory")
    assert (defaults.scrape_interval_s, defaults.scrape_timeout_s) == (1, 2)
    assert (defaults.stale_after_s, defaults.fail_open_after_s, defaults.fallback_window) == (5, 15, 256)
    assert (defaults.max_waiting_sessions, defaults.max_hold_s, defaults.session_ttl_s) == (10_000, 540, 1800)
    assert defaults.max_conversations == 100_000
    assert (defaults.work_conserving, defaults.ask_usage, defaults.idle_lease) == (True, True, "auto")
    assert defaults.session_headers[0] == "x-session-id"
    assert "metadata.session_id" in defaults.session_body_fields
    assert "prompt_cache_key" not in defaults.session_body_fields, "many conversations may share one"
    assert defaults.session_end_headers == ("x-session-end", "x-dynamo-session-final")
    assert (defaults.max_body_bytes, defaults.max_header_bytes) == (64 * 1024 * 1024, 64 * 1024)
    assert defaults.keepalive_comments_s == 0
    assert defaults.allow_paths == ()


class TestUnits:
    @pytest.mark.parametrize(
        ("name", "text", "value"),
        [
            ("max_hold_s", "5m", 300),
            ("session_ttl_s", "1h30m", 5400),
            ("scrape_interval_s", "250ms", 0.25),
            ("idle_lease", "2m", 120),
            ("idle_lease", "20", 20),
            ("max_body_bytes", "200M", 200_000_000),
            ("max_header_bytes", "64k", 64_000),
            ("max_buffered_bytes", "1Gi", 1 << 30),
            ("max_buffered_bytes_per_tenant", "1.5Mi", 3 << 19),
        ],
    )
    def test_a_text_with_a_unit_is_a_number(self, name: str, text: str, value: float) -> None:
        assert getattr(settings(**{name: text}), name) == value

    def test_a_capacity_can_have_a_unit(self) -> None:
        read = settings(capacity_tokens=f"60k,{ENGINE}=463.4k")
        assert read.capacity_tokens == ("60000", f"{ENGINE}=463400")
        assert read.capacity_of(ENGINE) == 463_400

    def test_every_setting_in_seconds_or_bytes_takes_a_unit(self) -> None:
        schema = GatewaySettings.model_json_schema()["properties"]
        quantities = [name for name in schema if name.endswith("_s") or "_bytes" in name or name == "idle_lease"]
        assert len(quantities) >= 20
        for name in quantities:
            assert "string" in {each.get("type") for each in schema[name]["anyOf"]}, name

    @pytest.mark.parametrize(
        ("text", "is_valid"), [("5m", True), ("1h30m", True), ("5 m", False), ("", False), ("m", False)]
    )
    def test_the_schema_of_a_file_knows_the_units(self, text: str, is_valid: bool) -> None:  # noqa: FBT001
        schema = GatewaySettings.model_json_schema()["properties"]["max_hold_s"]
        assert jsonschema.Draft202012Validator(schema).is_valid(text) is is_valid


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        settings().port = 1


class TestSources:
    def test_flag_over_environment_over_file_over_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "c.toml"
        file.write_text('port = 1\nhost = "file"\nlaw = "off"\nstale_after_s = 6\n')
        monkeypatch.setenv("CONCUR_PORT", "2")
        monkeypatch.setenv("CONCUR_HOST", "environment")
        read = settings(config=file, port="3")
        assert (read.port, read.host, read.law, read.stale_after_s, read.fallback_window) == (
            3,
            ("environment",),
            "off",
            6,
            256,
        )

    def test_the_environment_can_name_the_file_and_a_flag_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
        first.write_text("port: 1")
        second.write_text("port: 2")
        monkeypatch.setenv("CONCUR_CONFIG", str(first))
        assert settings().port == 1
        assert settings(config=str(second)).port == 2

    def test_an_empty_variable_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONCUR_PORT", "")
        assert settings().port == 8300

    def test_law_options_add_up_by_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "c.toml"
        file.write_text("[law_options]\nalpha = 1\nbeta = 0.1\ninitial = 4\n")
        monkeypatch.setenv("CONCUR_LAW_OPTIONS", '{"beta": 0.2, "once_per_episode": true}')
        read = settings(config=file, law_options={"initial": "8"})
        assert read.law_options == {"alpha": 1, "beta": 0.2, "initial": "8", "once_per_episode": True}

    @pytest.mark.parametrize("written", ["http://a,http://b/", '["http://a", "http://b"]', " http://a , http://b ,"])
    def test_lists_in_the_environment(self, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONCUR_ENGINE", written)
        assert GatewaySettings().engine == ("http://a", "http://b")  # type: ignore[call-arg]

    def test_one_engine_in_a_file_needs_no_list(self, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text('engine = "http://a"')
        assert GatewaySettings(config=file).engine == ("http://a",)  # type: ignore[call-arg]

    def test_a_file_names_no_other_file(self, tmp_path: Path) -> None:
        file = tmp_path / "c.toml"
        file.write_text('config = "other.toml"')
        with pytest.raises(ConfigFileError, match="a configuration file cannot name another"):
            settings(config=file)

    def test_rules_are_separated_by_semicolons(self) -> None:
        rules = ["POST /a", "GET,POST /b/*"]
        assert split_list("allow_paths", "POST /a; GET,POST /b/*") == rules
        assert split_list("allow_paths", '["POST /a", "GET,POST /b/*"]') == rules


class TestEngines:
    @pytest.mark.parametrize(
        ("url", "kept"),
        [
            ("http://a:8000/", "http://a:8000"),
            ("https://a/base/path//", "https://a/base/path"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ],
    )
    def test_no_slash_at_the_end_is_kept(self, url: str, kept: str) -> None:
        assert settings(engine=[url]).engine == (kept,)

    def test_a_name_may_stand_for_all_engines_but_not_over_tls(self) -> None:
        assert settings(engine=[], engine_dns=["http://vllm.svc:8000/"]).engine_dns == ("http://vllm.svc:8000",)
        assert "must begin with http://" in complaints(engine_dns=["https://vllm.svc:8000"])
        assert "no engine given" in complaints(engine=[])

    def test_a_servers_ranks_are_engines_of_their_own(self) -> None:
        read = settings(engine=["http://a/#dp=2", "http://b"])
        assert [address.name for address in read.addresses] == ["http://a#rank=0", "http://a#rank=1", "http://b"]

        assert "must be dp=N" in complaints(engine=["http://a#b"])
        assert "twice" in complaints(engine=["http://a", "http://a#dp=2"])

    @pytest.mark.parametrize(
        "url",
        [
            "ftp://a",
            "http://",
            "http://:80",
            "http://a:b",
            "http://a:0",
            "http://a:70000",
            "http://a?b=c",
            "http://user:word@a",
            "http://a b",
            "http://[::1",
        ],
    )
    def test_a_text_that_is_not_a_base_url_is_refused(self, url: str) -> None:
        assert "must be http[s]://host[:port][/base/path]" in complaints(engine=[url])

    def test_a_missing_scheme_is_reported_as_such(self) -> None:
        assert "as in http://gpu:8000" in complaints(engine=["gpu:8000"])

    @pytest.mark.parametrize("written", [8192, "8192", ["8192"], [8192]])
    def test_a_cache_size_for_all_engines(self, written: object) -> None:
        assert settings(capacity_tokens=written).capacity_of("http://a", "http://name") == 8192

    def test_a_cache_size_for_one_engine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONCUR_CAPACITY_TOKENS", "http://a:8000/=463459, http://name=7, 9000")
        read = settings()
        assert read.capacity_of("http://a:8000") == 463459
        assert read.capacity_of("http://b", "http://name") == 7
        assert read.capacity_of("http://b") == 9000
        assert settings(capacity_tokens=["http://a=5"]).capacity_of("http://b") is None

    @pytest.mark.parametrize("item", ["0", "-5", "many", "http://a=", "http://a=1.5", "1e6", "9" * 16, ""])
    def test_a_cache_size_is_a_number_of_tokens(self, item: str) -> None:
        assert "must be a number of tokens" in complaints(capacity_tokens=[item])

    def test_a_cache_size_names_a_server_once(self) -> None:
        assert "as in http://gpu:8000" in complaints(capacity_tokens=["gpu:8000=5"])
        assert "without #dp=N" in complaints(capacity_tokens=["http://a#dp=2=5"])
        assert "twice" in complaints(capacity_tokens=["http://a=5", "http://a/=6"])
        assert "must not be true or false" in complaints(capacity_tokens=True)

    def test_pages_of_metrics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pair = "http://a/=http://p:1/m#prefill, http://a=http://d:2/m?x=1#decode, http://b=https://gpu/metrics"
        monkeypatch.setenv("CONCUR_METRICS_URL", pair)
        read = settings()
        assert read.metrics_pages("http://a") == [
            MetricsPage(url="http://p:1/m", role=Role.PREFILL),
            MetricsPage(url="http://d:2/m?x=1", role=Role.DECODE),
        ]
        assert read.metrics_pages("http://b") == [MetricsPage(url="https://gpu/metrics")]
        assert read.metrics_pages("http://c") == []

    @pytest.mark.parametrize(
        ("items", "problem"),
        [
            (["http://gpu/metrics"], "must be an engine and a page"),
            (["gpu=http://gpu/metrics"], "must begin with http://"),
            (["http://a#dp=2=http://gpu/metrics"], "without #dp=N"),
            (["http://a=http://gpu/metrics#both"], "must be prefill or decode"),
            (["http://a=http://u:p@gpu/metrics"], "must be the URL of a page"),
            (["http://a=http://gpu/m", "http://a/=http://gpu/m"], "names a page twice"),
            (["http://a=http://p/m#prefill"], "http://a: give every page of an engine a role"),
            (["http://a=http://p/m#prefill", "http://a=http://d/m"], "with #prefill at least once"),
        ],
    )
    def test_pages_of_metrics_that_cannot_be(self, items: list[str], problem: str) -> None:
        assert problem in complaints(metrics_url=items)

    def test_at_least_one(self) -> None:
        assert "no engine given" in complaints(engine=[])

    def test_none_twice(self) -> None:
        assert "names http://a twice" in complaints(engine=["http://a", "http://b", "http://a/"])


class TestValues:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("port", -1),
            ("port", 65536),
            ("port", True),
            ("port", 80.5),
            ("scrape_interval_s", 0),
            ("scrape_interval_s", "nan"),
            ("stale_after_s", "inf"),
            ("max_hold_s", 0),
            ("fallback_window", 0),
            ("max_waiting_sessions", 0),
            ("max_conversations", 0),
            ("keepalive_comments_s", -1),
            ("idle_lease", "sometimes"),
            ("idle_lease", -1),
            ("idle_lease", "inf"),
            ("idle_lease", True),
            ("law_options", {"alpha": [1]}),
            ("law_options", "alpha=1"),
            ("session_headers", ["x session"]),
            ("session_headers", [""]),
            ("session_body_fields", ["metadata..id"]),
            ("allow_paths", ["/path"]),
            ("allow_paths", ["generate:FETCH /path"]),
            ("log_level", "loud"),
            ("log_format", "xml"),
            ("host", ""),
            ("work_conserving", "perhaps"),
            ("goal", "fast"),
            ("first_token_target_s", -1),
            ("no_such_setting", 1),
        ],
    )
    def test_a_wrong_value_is_refused_by_name(self, name: str, value: object) -> None:
        assert name in complaints(**{name: value})

    @pytest.mark.parametrize(("written", "meant"), [("auto", "auto"), ("0", 0.0), (12, 12.0), ("2.5", 2.5)])
    def test_idle_lease(self, written: object, meant: object) -> None:
        assert settings(idle_lease=written).idle_lease == meant

    def test_header_names_are_lower_case(self) -> None:
        assert settings(session_headers=["X-My-Session"]).session_headers == ("x-my-session",)

    def test_no_session_header_at_all_is_allowed(self) -> None:
        assert settings(session_headers=[]).session_headers == ()

    def test_log_level_in_capitals(self) -> None:
        assert settings(log_level="WARNING").log_level == "warning"

    def test_allowed_paths_become_rules(self) -> None:
        plain, generating = settings(allow_paths="GET,POST /files/*;generate:POST /mine").endpoint_rules
        assert (plain.methods, plain.route, plain.kind) == (("GET", "POST"), "/files/*", EndpointKind.PASS)
        assert (generating.methods, generating.route, generating.kind) == (("POST",), "/mine", EndpointKind.GENERATE)
