from pathlib import Path

import pytest

from concur_proxy.cli.load import SettingsError, advise, load_settings

ENGINE: dict[str, object] = {"engine": ["http://gpu:8000"]}

ADMIN_KEY_RULE = "must be 8 or more characters of ASCII, with no space at either end"


def problems(flags: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags)
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ({"port": "70000"}, "--port 70000: must be 65535 or less"),
        ({"port": "http"}, "--port http: must be a whole number"),
        ({"max_hold_s": "0"}, "--max-hold-s 0: must be more than 0"),
        ({"max_hold_s": "0m"}, "--max-hold-s 0m: must be more than 0"),
        ({"scrape_timeout_s": "5m"}, "--scrape-timeout-s 5m: must be 60 or less"),
        (
            {"max_body_bytes": "2 MB"},
            "--max-body-bytes 2 MB: must be a whole number, or a size such as 64k, 200M or 1Gi",
        ),
        ({"max_hold_s": "long"}, "--max-hold-s long: must be a number of seconds, or a time such as 90s, 5m or 1h30m"),
        ({"max_hold_s": "inf"}, "--max-hold-s inf: must be a finite number"),
        ({"fallback_window": "0"}, "--fallback-window 0: must be 1 or more"),
        ({"log_level": "loud"}, "--log-level loud: must be debug, info, warning or error"),
        ({"idle_lease": "x"}, "--idle-lease x: must be auto, or seconds, 0 or more, such as 20 or 2m"),
        ({"host": ""}, "--host : must not be empty"),
        (
            {"engine": ["http://a", "gpu:8000"]},
            "--engine gpu:8000: must begin with http:// or https://, as in http://gpu:8000",
        ),
        ({"law": "aimed"}, "--law aimed: there is no control law 'aimed': did you mean aimd?"),
        (
            {"order": "resuming-frist"},
            "--order resuming-frist: there is no queue order 'resuming-frist': did you mean resuming-first?",
        ),
        (
            {"placement": "consistent-hsh"},
            "--placement consistent-hsh: there is no placement 'consistent-hsh': did you mean consistent-hash?",
        ),
        (
            {"law": "builtins:dict"},
            (
                "--law builtins:dict: control law 'builtins:dict': dict has no "
                "window, enforces, on_signal, on_overload: "
                "define build(options: Mapping[str, OptionValue]) -> ControlLaw"
            ),
        ),
        (
            {"order": "builtins:list"},
            (
                "--order builtins:list: queue order 'builtins:list': list has no "
                "join, leave, head, first_new, position: define build() -> QueueOrder"
            ),
        ),
        (
            {"recognisers": ["builtins:id", "headers"]},
            (
                "--recognisers builtins:id,headers: recogniser 'builtins:id': int has no "
                "body_fields, recognise: define build(options: RecogniserOptions) -> Recogniser"
            ),
        ),
        ({"store": "disk"}, "--store disk: must be memory or redis"),
        (
            {"law": "aimd", "law_options": {"alhpa": "1"}},
            "--set alhpa=1 with law aimd: the law has no option 'alhpa': did you mean alpha?",
        ),
        (
            {"law": "aimd", "law_options": {"beta": "2"}},
            "--set beta=2 with law aimd: option beta must be between 0 and 1",
        ),
        (
            {"scrape_interval_s": "6"},
            "stale_after_s 5 (the default) must be more than --scrape-interval-s 6: else every reading becomes stale",
        ),
    ],
)
def test_a_wrong_flag_is_one_line(flags: dict[str, object], problem: str) -> None:
    assert problems(ENGINE | flags) == (problem,)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("CONCUR_PORT", "x", "CONCUR_PORT=x: must be a whole number"),
        ("concur_port", "x", "CONCUR_PORT=x: must be a whole number"),
        ("CONCUR_WORK_CONSERVING", "maybe", "CONCUR_WORK_CONSERVING=maybe: must be true or false"),
        (
            "CONCUR_LAW_OPTIONS",
            "alpha=2",
            'CONCUR_LAW_OPTIONS=alpha=2: must be names with values, such as {"alpha": 2}',
        ),
        ("CONCUR_PROT", "1", "unknown environment variable CONCUR_PROT: did you mean CONCUR_PORT?"),
        (
            "CONCUR_ZZZZZ",
            "1",
            "unknown environment variable CONCUR_ZZZZZ: see concur-proxy serve --help",
        ),
        ("CONCUR_CONFIG", "/nowhere.toml", "cannot read /nowhere.toml: No such file or directory"),
    ],
)
def test_a_wrong_variable_is_one_line(variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert problems(ENGINE) == (problem,)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "max_wating_sessions = 9",
            "unknown setting 'max_wating_sessions' in c.toml line 1: did you mean max_waiting_sessions?",
        ),
        ("port = 'x'", "port = x in c.toml line 1: must be a whole number"),
        ("port = true", "port = true in c.toml line 1: must not be true or false"),
        ("port = 80.5", "port = 80.5 in c.toml line 1: must be a whole number"),
        ("engine = [3]", "engine = 3 in c.toml line 1: must be text"),
        ("session_headers = 3", "session_headers = 3 in c.toml line 1: must be a list"),
        (
            "[law_options]\nalpha = [1]",
            'law_options = alpha=[1] in c.toml line 2: must be names with values, such as {"alpha": 2}',
        ),
        ("engine = []", "no engine given: use --engine URL, CONCUR_ENGINE, or engine in the configuration file"),
        ("port = = 3", "c.toml: line 1, column 8: Invalid value"),
    ],
)
def test_a_wrong_file_is_one_line(content: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text(content)
    flags: dict[str, object] = {"config": "c.toml"} if "engine" in content else ENGINE | {"config": "c.toml"}
    assert problems(flags) == (problem,)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "CONCUR_ADMIN_KEY_FILE=key: the file cannot be read: No such file or directory"),
        ("\n", "CONCUR_ADMIN_KEY_FILE=key: the file is empty"),
        (
            "hush\n",
            f"admin_key *** from CONCUR_ADMIN_KEY_FILE=key: {ADMIN_KEY_RULE}",
        ),
    ],
)
def test_a_wrong_secret_file_is_one_line_without_the_secret(
    content: str | None, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONCUR_ADMIN_KEY_FILE", "key")
    if content is not None:
        Path("key").write_text(content)
    assert problems(ENGINE) == (problem,)


def test_a_secret_given_twice_is_one_line_without_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('engine_api_key_file = "key"')
    Path("key").write_text("hush-hush")
    assert problems(ENGINE | {"config": "c.toml", "engine_api_key": "hush-hush"}) == (
        "engine_api_key_file = key in c.toml line 1: engine_api_key is set too: set only one of them",
    )
    Path("c.toml").write_text("engine_api_key_file = 3")
    assert problems(ENGINE | {"config": "c.toml"}) == (
        "engine_api_key_file = 3 in c.toml line 1: must be the path of a file",
    )


def test_no_engine() -> None:
    assert problems({}) == ("no engine given: use --engine URL, CONCUR_ENGINE, or engine in the configuration file",)


def test_all_errors_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(
        "fallback_window: none\n"
        "recognisers: [headers, hedaers]\n"
        "engine: [http://a, 'b:1', 'c:1']\n"
        "prot: 3\n"
        "law: aimd\n"
        "law_options:\n  alhpa: 1\n  beta: x\n"
        "client_keys_file: keys.toml\n"
        "scrape_interval_s: 6\n"
        "tls_key: k.pem\n"
    )
    Path("keys.toml").write_text('[[keys]]\ntenant = "a"\nweight = 0\n')
    monkeypatch.setenv("CONCUR_HSOT", "a")
    monkeypatch.setenv("CONCUR_MAX_HOLD_S", "-1")
    monkeypatch.setenv("CONCUR_ADMIN_KEY_FILE", "nowhere")
    monkeypatch.setenv("CONCUR_REDIS_URL_FILE", "nowhere")
    found = problems({"config": "c.yaml", "port": "x", "record": "/nowhere/r.jsonl"})
    assert sorted(found) == [
        "--port x: must be a whole number",
        "--record /nowhere/r.jsonl: cannot be written",
        "CONCUR_ADMIN_KEY_FILE=nowhere: the file cannot be read: No such file or directory",
        "CONCUR_MAX_HOLD_S=-1: must be more than 0",
        "CONCUR_REDIS_URL_FILE=nowhere: the file cannot be read: No such file or directory",
        "client_keys_file = keys.toml in c.yaml line 9: line 1: key 1 needs a sha256 of 64 hexadecimal digits",
        "client_keys_file = keys.toml in c.yaml line 9: line 3: key 1 needs a weight above 0",
        "engine = b:1 in c.yaml line 3: must begin with http:// or https://, as in http://b:1",
        "engine = c:1 in c.yaml line 3: must begin with http:// or https://, as in http://c:1",
        "fallback_window = none in c.yaml line 1: must be a whole number",
        (
            "law_options = alhpa=1 beta=x in c.yaml line 7 with law aimd: the law has no option 'alhpa': "
            "did you mean alpha?"
        ),
        "law_options = alhpa=1 beta=x in c.yaml line 8 with law aimd: option beta must be a number, not 'x'",
        "recognisers = headers,hedaers in c.yaml line 2: there is no recogniser 'hedaers': did you mean headers?",
        (
            "stale_after_s 5 (the default) must be more than scrape_interval_s = 6 in c.yaml line 10: "
            "else every reading becomes stale"
        ),
        (
            "tls_key = k.pem in c.yaml line 11 must be unset with tls_cert None (the default): "
            "there is no TLS without a certificate"
        ),
        "unknown environment variable CONCUR_HSOT: did you mean CONCUR_HOST?",
        "unknown setting 'prot' in c.yaml line 4: did you mean port?",
    ]


@pytest.mark.parametrize("content", [None, "port = = 3"])
def test_the_other_sources_are_checked_if_the_file_cannot_be_read(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("c.toml").write_text(content)
    monkeypatch.setenv("CONCUR_WORKERS", "none")
    first, *others = problems({"config": "c.toml", "law": "aimed", "store": "disk"})
    assert "c.toml" in first
    assert others == [
        "CONCUR_WORKERS=none: must be a whole number",
        "--store disk: must be memory or redis",
        "--law aimed: there is no control law 'aimed': did you mean aimd?",
    ]


def test_settings_are_not_compared_with_the_default_of_a_wrong_one() -> None:
    flags = ENGINE | {"stale_after_s": "x", "scrape_interval_s": "30", "fail_open_after_s": "31"}
    assert len(problems(flags)) == 1


def test_the_options_of_a_law_that_does_not_exist_are_not_judged() -> None:
    assert len(problems(ENGINE | {"law": "aimed", "law_options": {"alpha": "1"}})) == 1


def test_a_weaker_source_is_not_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCUR_PORT", "x")
    assert load_settings(ENGINE | {"port": "80"}).port == 80


@pytest.mark.parametrize(
    "variable",
    ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8300_TCP", "PORT_8300_TCP_ADDR"],
)
def test_what_kubernetes_adds_for_a_service_of_our_name_is_not_ours(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CONCUR_PROXY_{variable}", "tcp://10.0.0.1:8300")
    assert load_settings(ENGINE).port == 8300


def test_a_long_value_is_cut() -> None:
    (problem,) = problems({"engine": ["x" * 500]})
    assert problem.startswith(f"--engine {'x' * 77}...: ")


def test_right_settings_load_and_need_no_advice() -> None:
    assert advise(load_settings(ENGINE | {"law": "static", "law_options": {"window": "24"}})) == []


def test_a_probable_mistake_is_reported() -> None:
    settings = load_settings({"engine": ["http://gpu:8000/v1"], "max_hold_s": 600, "goal": "balanced", "law": "off"})
    assert advise(settings) == [
        "engine http://gpu:8000/v1 ends in /v1, but the paths of clients already begin with it: leave it out",
        "max_hold_s 600: by default the OpenAI and Anthropic SDKs time out after 600 s and send the request again",
        "goal balanced: with law off no request waits, so the goal changes nothing",
    ]
