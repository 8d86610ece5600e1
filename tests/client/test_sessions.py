import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import httpx
import pytest

from concur_proxy.client import async_event_hooks, event_hooks, headers, session
from concur_proxy.client.release import gateway_at, gateway_of_request


def test_a_session_names_what_runs_inside() -> None:
    assert headers() == {}
    with session("agent-7") as agent:
        assert headers() == agent.headers == {"x-session-id": "agent-7"}
    assert headers() == {}


def test_without_a_name_each_session_has_its_own() -> None:
    with session() as first:
        pass
    with session() as second:
        pass
    assert first.name != second.name


def test_a_session_within_another_belongs_to_its_family() -> None:
    with session("planner"):
        with session("coder"):
            assert headers() == {"x-session-id": "coder", "x-parent-session-id": "planner"}
            with session("tester"):
                assert headers() == {"x-session-id": "tester", "x-parent-session-id": "coder"}
        with session("guest", parent="stranger"):
            assert headers() == {"x-session-id": "guest", "x-parent-session-id": "stranger"}
        with session("planner"):
            assert headers() == {"x-session-id": "planner"}


def test_a_parent_in_another_process_is_named() -> None:
    with session("child", parent="agent-7"):
        assert headers() == {"x-session-id": "child", "x-parent-session-id": "agent-7"}


@pytest.mark.parametrize(("name", "sent"), [(" a b ", "a b"), ("Größe 7", "Gr%C3%B6%C3%9Fe%207"), ("a\nb", "a%0Ab")])
def test_every_name_fits_into_a_header(name: str, sent: str) -> None:
    with session(name):
        assert headers() == {"x-session-id": sent}


def test_a_name_has_at_least_one_character() -> None:
    with pytest.raises(ValueError, match="empty"):
        session(" ")


def test_an_object_is_used_for_one_block() -> None:
    agent = session("agent-7")
    with agent:
        pass
    with pytest.raises(RuntimeError, match="begun already"), agent:
        pass


def test_the_session_ends_with_the_block_that_fails() -> None:
    with pytest.raises(KeyError), session("agent-7"):
        raise KeyError
    assert headers() == {}


async def test_tasks_at_once_have_sessions_of_their_own() -> None:
    both = asyncio.Barrier(2)

    async def run(name: str) -> dict[str, str]:
        async with session(name):
            await both.wait()
            return headers()

    first, second = await asyncio.gather(run("a"), run("b"))
    assert (first, second) == ({"x-session-id": "a"}, {"x-session-id": "b"})


async def test_a_task_that_a_session_starts_belongs_to_it() -> None:
    async with session("agent-7"):
        started = asyncio.create_task(asyncio.to_thread(headers))
    assert await started == {"x-session-id": "agent-7"}


def test_a_thread_has_no_session_unless_it_gets_the_context() -> None:
    with ThreadPoolExecutor(1) as threads, session("agent-7"):
        threads.submit(int).result()  # starts the thread
        with session("other"):
            assert threads.submit(copy_context().run, headers).result()["x-session-id"] == "other"
            assert threads.submit(headers).result().get("x-session-id") != "other"


def test_a_generator_that_another_context_closes_does_no_harm() -> None:
    def turns() -> Generator[int, None, None]:
        with session("agent-7"):
            yield 1

    begun = turns()
    copy_context().run(next, begun)
    begun.close()
    assert headers() == {}


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=dict(request.headers))


async def _body() -> AsyncIterator[bytes]:
    yield b"{}"


def test_hooks_add_the_headers_to_each_request_inside() -> None:
    with httpx.Client(transport=httpx.MockTransport(_echo), event_hooks=event_hooks()) as client:
        assert "x-session-id" not in client.get("http://server/v1/models").json()
        with session("child", parent="agent-7"):
            seen = client.get("http://server/v1/models").json()
        assert (seen["x-session-id"], seen["x-parent-session-id"]) == ("child", "agent-7")


async def test_async_hooks_do_the_same() -> None:
    transport = httpx.MockTransport(_echo)
    async with httpx.AsyncClient(transport=transport, event_hooks=async_event_hooks()) as other, session("a"):
        assert (await other.post("http://server/v1/messages", content=_body())).json()["x-session-id"] == "a"


def test_a_request_that_names_its_session_keeps_the_name() -> None:
    with httpx.Client(transport=httpx.MockTransport(_echo), event_hooks=event_hooks()) as client, session("a"):
        own = client.get("http://server/v1/models", headers={"X-Session-Id": "mine"}).json()
        assert (own["x-session-id"], own.get("x-parent-session-id")) == ("mine", None)


@pytest.mark.parametrize(
    ("url", "gateway"),
    [
        ("http://gateway:8300/v1/chat/completions?x=1", "http://gateway:8300"),
        ("https://host/llm/v1/messages", "https://host/llm"),
        ("https://host/v1/llm/v1/responses/resp_1", "https://host/v1/llm"),
        ("http://[::1]:8300/generate", "http://[::1]:8300"),
    ],
)
def test_where_a_request_s_gateway_is(url: str, gateway: str) -> None:
    assert gateway_of_request(url) == gateway


@pytest.mark.parametrize("url", ["http://gateway:8300", "http://gateway:8300/", "http://gateway:8300/v1/"])
def test_a_gateway_can_be_named_as_an_sdk_names_it(url: str) -> None:
    assert gateway_at(url) == "http://gateway:8300"
