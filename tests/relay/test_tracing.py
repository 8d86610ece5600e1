"""The spans of a request, as they arrive at a collector."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256

import httpx
import pytest

from concur_proxy.telemetry import otlp
from concur_proxy.telemetry.logs import JsonFormatter
from tests.http.running_gateway import running_gateway
from tests.http.scripted_engine import Exchange, Hold, answer, scripted_engine
from tests.telemetry.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "rojo=00f067aa0ba902b7"}
ONE_PLACE = {"law": "static", "law_options": {"window": 1}, "idle_lease": 0}
SERVER, RELAY = "POST /v1/chat/completions", "chat m"


@pytest.fixture(name="collector")
def _collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "our-gateway")
    with OtlpReceiver() as receiver:
        yield receiver


async def test_a_request_has_its_wait_and_its_relay_as_children(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url) as gateway,
    ):
        await gateway.until(lambda: gateway.app.monitors[0].kind is not None)
        got = await gateway.chat("agent-7")
    assert collector.paths == {"/v1/traces"}
    assert (collector.resource["service.name"], collector.resource["service.version"]) == ("our-gateway", "0.1.0")
    assert str(os.getpid()) in str(collector.resource["service.instance.id"])
    server, wait, relay = (collector.named(name) for name in (SERVER, "queue wait", RELAY))
    assert len(collector.spans) == 3
    assert (server.kind, wait.kind, relay.kind) == ("SERVER", "INTERNAL", "CLIENT")
    assert {span.trace_id for span in collector.spans} == {server.trace_id}
    assert (server.parent_id, wait.parent_id, relay.parent_id) == ("", server.span_id, server.span_id)
    assert server.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/chat/completions",
        "http.response.status_code": 200,
        "url.path": "/v1/chat/completions",
        "url.scheme": "http",
        "user_agent.original": got.request.headers["user-agent"],
        "concur.request_id": got.headers["x-request-id"],
        "gen_ai.conversation.id": "agent-7",
    }
    assert wait.attributes == {
        "concur.outcome": "admitted",
        "concur.engine": engine.url,
        "gen_ai.conversation.id": "agent-7",
    }
    assert relay.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "server.port": int(engine.url.rpartition(":")[2]),
        "concur.engine": engine.url,
        "gen_ai.conversation.id": "agent-7",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": False,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    assert not any(span.is_error for span in collector.spans)
    context = engine.received[0].header("traceparent") or ""
    assert context[:-2] == f"00-{relay.trace_id}-{relay.span_id}-"
    assert int(context[-2:], 16) & 1  # sampled
    assert engine.received[0].header("tracestate") is None


async def test_the_clients_trace_goes_on_through_to_the_engine(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url) as gateway,
    ):
        await gateway.client.get("/v1/models", headers={**PARENT, "baggage": "user=alice"})
    server, relay = sorted(collector.spans, key=lambda span: span.kind, reverse=True)
    assert (server.name, relay.name) == ("GET /v1/models", "GET /v1/models")
    assert (server.trace_id, server.parent_id, server.state) == (TRACE, "00f067aa0ba902b7", PARENT["tracestate"])
    assert relay.parent_id == server.span_id
    got = engine.received[0]
    assert [value[:-2] for name, value in got.headers if name == "traceparent"] == [f"00-{TRACE}-{relay.span_id}-"]
    assert got.header("tracestate") == PARENT["tracestate"]
    assert got.header("baggage") == "user=alice"


async def test_a_state_in_several_fields_is_one(collector: OtlpReceiver) -> None:
    fields = [("traceparent", PARENT["traceparent"]), ("tracestate", "rojo=1"), ("tracestate", "congo=2")]
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url) as gateway,
    ):
        await gateway.client.get("/v1/models", headers=fields)
        await gateway.client.get("/v1/models", headers=[*fields, fields[0]])
    assert engine.received[0].header("tracestate") == "rojo=1,congo=2"
    assert TRACE not in (engine.received[1].header("traceparent") or ""), "two parents are none"


async def test_a_trace_that_is_not_sampled_is_passed_on_and_not_sent(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url) as gateway,
    ):
        await gateway.client.get("/v1/models", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"})
    context = engine.received[0].header("traceparent") or ""
    assert (context[:36], context[-3:]) == (f"00-{TRACE}-", "-00")
    assert collector.spans == []


async def test_the_wait_is_as_long_as_it_was_and_a_stream_tells_its_first_token(collector: OtlpReceiver) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.start_stream()
        await asyncio.sleep(0.2)
        await exchange.chunk(b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n')
        await exchange.chunk(b"data: [DONE]\n\n")
        await exchange.chunk(b"")

    async with (
        scripted_engine(script=stream) as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url, **ONE_PLACE) as gateway,
    ):
        await asyncio.gather(gateway.chat("a", stream=True), gateway.chat("b", stream=True))
    waits = sorted(span.seconds for span in collector.spans if span.name == "queue wait")
    assert waits[0] < 0.1
    assert waits[1] >= 0.18
    relays = [span.attributes for span in collector.spans if span.name == RELAY]
    assert all(float(str(told["gen_ai.response.time_to_first_chunk"])) >= 0.18 for told in relays)
    assert all(told["gen_ai.request.stream"] is True for told in relays)


async def test_a_refused_request_was_never_relayed(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine(script=Hold()) as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url, max_hold_s=0.1, **ONE_PLACE) as gateway,
    ):
        first = asyncio.create_task(gateway.chat("a"))
        await gateway.until(lambda: len(engine.received) == 1)
        assert (await gateway.chat("b")).status_code == 429
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await gateway.settled()
    (refused,) = [span for span in collector.spans if span.attributes.get("http.response.status_code") == 429]
    assert (refused.name, refused.attributes["error.type"], refused.is_error) == (SERVER, "hold_timeout", False)
    children = [span for span in collector.spans if span.parent_id == refused.span_id]
    assert [(span.name, span.attributes["concur.outcome"]) for span in children] == [("queue wait", "hold_timeout")]
    gone = next(span for span in collector.spans if span.name == SERVER and span is not refused)
    assert gone.attributes["error.type"] == "client_gone"
    relay = collector.named(RELAY)
    assert (relay.parent_id, relay.is_error, relay.attributes["error.type"]) == (gone.span_id, False, "client_gone")


async def test_who_leaves_while_held_is_no_error_of_ours(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine(script=Hold()) as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url, **ONE_PLACE) as gateway,
    ):
        asked = [asyncio.create_task(gateway.chat(session)) for session in "ab"]
        await gateway.until(lambda: gateway.snapshot().held == 1)
        asked[1].cancel()
        await gateway.until(lambda: gateway.snapshot().held == 0)
        assert await gateway.metric("concur_queue_wait_seconds_count", outcome="client_gone") == 1
        asked[0].cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await gateway.settled()
    outcomes = [span.attributes["concur.outcome"] for span in collector.spans if span.name == "queue wait"]
    assert sorted(map(str, outcomes)) == ["admitted", "client_gone"]
    assert not any(span.is_error for span in collector.spans)


async def test_a_request_that_was_sent_on_has_a_pair_of_spans_for_each_engine(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine() as engine,
        scripted_engine() as dead,
        running_gateway(dead.url, engine.url, otlp_endpoint=collector.url, scrape_interval_s=3) as gateway,
    ):
        await gateway.until(lambda: all(monitor.has_answered for monitor in gateway.app.monitors))
        await dead.stop()
        assert (await gateway.chat("a")).status_code == 200
    server = collector.named(SERVER)
    assert [span.attributes["concur.engine"] for span in collector.spans if span.name == "queue wait"] == [
        dead.url,
        engine.url,
    ]
    first, second = (span for span in collector.spans if span.name == RELAY)
    assert (first.is_error, first.attributes["error.type"]) == (True, "engine_unreachable")
    assert (second.is_error, second.attributes["http.response.status_code"]) == (False, 200)
    assert (server.is_error, server.attributes["http.response.status_code"]) == (False, 200)


async def test_an_engines_error_is_an_error_of_its_span(collector: OtlpReceiver) -> None:
    async def fail(exchange: Exchange) -> None:
        await exchange.json({"error": "no"}, status="500 Internal Server Error")

    async with (
        scripted_engine(script=fail) as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url) as gateway,
    ):
        await gateway.chat("a")
    for name in (SERVER, RELAY):
        span = collector.named(name)
        assert (span.is_error, span.attributes["error.type"]) == (True, "500")


async def test_log_lines_name_the_trace(collector: OtlpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    keep = logging.Handler()
    keep.emit = lambda record: lines.append(JsonFormatter().format(record))  # type: ignore[method-assign]
    logging.getLogger("concur_proxy.telemetry").addHandler(keep)
    with caplog.at_level(logging.INFO):
        async with (
            scripted_engine() as engine,
            running_gateway(engine.url, otlp_endpoint=collector.url, log_requests=True) as gateway,
        ):
            await gateway.chat("agent-7")
    logging.getLogger("concur_proxy.telemetry").removeHandler(keep)
    assert [json.loads(line)["trace_id"] for line in lines] == [collector.named(SERVER).trace_id]


async def test_sessions_are_hashed_if_asked(collector: OtlpReceiver) -> None:
    async with (
        scripted_engine() as engine,
        running_gateway(engine.url, otlp_endpoint=collector.url, hash_sessions=True) as gateway,
    ):
        await gateway.chat("agent-7")
    hashed = sha256(b"agent-7").hexdigest()[:16]
    assert {span.attributes["gen_ai.conversation.id"] for span in collector.spans} == {hashed}


async def test_a_collector_that_is_gone_costs_no_request_and_no_stop() -> None:
    async with scripted_engine() as engine:
        async with running_gateway(engine.url, otlp_endpoint="http://127.0.0.1:9") as gateway:
            assert [(await gateway.chat("a")).status_code for _ in range(3)] == [200] * 3
            began = time.monotonic()
        assert time.monotonic() - began < 10


async def test_a_collector_that_answers_nobody_keeps_no_gateway_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "CLOSING_S", 0.5)  # the exporter itself waits for 10 s
    async with scripted_engine() as engine, scripted_engine(script=Hold()) as collector:
        async with running_gateway(engine.url, otlp_endpoint=collector.url) as gateway:
            await gateway.chat("a")
            began = time.monotonic()
        assert time.monotonic() - began < 5


async def test_without_a_collector_the_context_passes_as_it_came() -> None:
    odd = {"traceparent": "00-ODD", "tracestate": "=="}
    async with scripted_engine() as engine, running_gateway(engine.url) as gateway:
        request = httpx.Request("POST", f"{gateway.url}/v1/chat/completions", json={"model": "m"}, headers=odd)
        assert (await gateway.client.send(request)).json() == answer()
    assert engine.received[0].header("traceparent") == "00-ODD"
    assert engine.received[0].header("tracestate") == "=="


def test_without_a_collector_opentelemetry_is_not_loaded() -> None:
    code = """
import sys
from concur_proxy.server.app import GatewayApp
from concur_proxy.settings.gateway import GatewaySettings
GatewayApp(GatewaySettings(engine=("http://127.0.0.1:9",)))
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk", "google.protobuf"))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
