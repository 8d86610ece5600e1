"""The admin API under schemathesis: any input that its document allows or forbids, with and without a key.

Every answer has a status and a body that the document describes, none is 5xx, and without the key nothing is done.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.running_gateway import RunningGateway, running_gateway

schemathesis = pytest.importorskip("schemathesis")

V1 = "/concur/v1"
KEY = "open sesame"
ENGINE = "http://127.0.0.1:9"
WITH_KEY = {"authorization": f"Bearer {KEY}"}
WRONG = st.sampled_from([{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEY}"}])
OPERATIONS = [
    ("GET", "state"),
    ("GET", "history"),
    ("GET", "sessions"),
    ("POST", "sessions/pause"),
    ("POST", "sessions/resume"),
    ("POST", "sessions/prioritise"),
    ("POST", "sessions/end"),
    ("PUT", "window"),
    ("DELETE", "window"),
    ("PUT", "law"),
    ("DELETE", "law"),
    ("GET", "engines"),
    ("POST", "engines"),
    ("DELETE", "engines"),
]
VALUE_DECIDES = {("PUT", "law"), ("POST", "engines"), ("DELETE", "engines")}
"""Where the document cannot say which texts are accepted: names of laws with their options, and URLs."""
FUZZED = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def gateway_in_thread(**options: object) -> Iterator[RunningGateway]:
    """A gateway in a thread of its own, because schemathesis waits for its answers."""
    ready, stop = threading.Event(), asyncio.Event()
    kept: list[tuple[RunningGateway, asyncio.AbstractEventLoop]] = []

    async def run() -> None:
        async with running_gateway(ENGINE, **options) as gateway:
            kept.append((gateway, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    try:
        assert ready.wait(20)
        yield kept[0][0]
    finally:
        kept[0][1].call_soon_threadsafe(stop.set)
        thread.join()


@pytest.fixture(scope="module")
def keyed() -> Iterator[RunningGateway]:
    with gateway_in_thread(admin_key=KEY) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def keyless() -> Iterator[RunningGateway]:
    with gateway_in_thread() as gateway:
        yield gateway


def document(gateway: RunningGateway) -> dict[str, Any]:
    described: dict[str, Any] = httpx.get(
        f"{gateway.url}{V1}/openapi.json",
        headers=WITH_KEY,
        trust_env=False,
        verify=False,  # noqa: S501 - plain HTTP
    ).json()
    return described


def cases(gateway: RunningGateway, method: str, path: str) -> st.SearchStrategy[Any]:
    """Calls that the document allows, and calls that it forbids. In some, the engine is the one that there is."""
    operation = schemathesis.openapi.from_dict(document(gateway))[f"{V1}/{path}"][method]
    modes = schemathesis.GenerationMode
    allowed = operation.as_strategy(generation_mode=modes.POSITIVE)
    forbidden = operation.as_strategy(generation_mode=modes.NEGATIVE)
    any_case: st.SearchStrategy[Any] = allowed | allowed.map(with_engine) | forbidden
    return any_case


def with_engine(case: Any) -> Any:  # noqa: ANN401 - a case of schemathesis
    """The call for the engine that there is."""
    if isinstance(case.body, dict) and "engine" in case.body:
        case.body["engine"] = ENGINE
    return case


def validated(gateway: RunningGateway, method: str, path: str, headers: dict[str, str]) -> None:
    """Make the calls, and check the answers in all ways that schemathesis knows."""
    left_out = [schemathesis.checks.positive_data_acceptance] if (method, path) in VALUE_DECIDES else []

    def judge(case: Any) -> None:  # noqa: ANN401
        case.call_and_validate(base_url=gateway.url, headers=headers, excluded_checks=left_out)

    check(gateway, method, path, judge)


def check(gateway: RunningGateway, method: str, path: str, judge: Callable[[Any], None]) -> None:
    @FUZZED
    @given(case=cases(gateway, method, path))
    def run(case: Any) -> None:  # noqa: ANN401
        judge(case)

    run()


def test_every_call_of_the_document_is_tried(keyed: RunningGateway) -> None:
    described = {
        (method.upper(), path.removeprefix(f"{V1}/"))
        for path, methods in document(keyed)["paths"].items()
        for method, operation in methods.items()
        if "security" in operation
    }
    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_with_the_key_every_answer_is_described(keyed: RunningGateway, method: str, path: str) -> None:
    validated(keyed, method, path, WITH_KEY)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_a_key_in_the_settings_this_machine_is_served(keyless: RunningGateway, method: str, path: str) -> None:
    validated(keyless, method, path, {})


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_without_the_key_nothing_is_done(keyed: RunningGateway, method: str, path: str) -> None:
    """One call each: the gateway takes its time to answer wrong keys."""
    operation = schemathesis.openapi.from_dict(document(keyed))[f"{V1}/{path}"][method]

    @settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), headers=WRONG)
    def run(case: Any, headers: dict[str, str]) -> None:  # noqa: ANN401
        case.headers = {name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"}
        answer = case.call(base_url=keyed.url, headers=headers)
        assert answer.status_code == 401
        case.validate_response(answer)

    run()
