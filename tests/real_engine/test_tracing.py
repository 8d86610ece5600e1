"""One trace from the client through the gateway into vLLM, received by one collector."""

from contextlib import closing

import openai
import pytest

from tests.real_engine.gateway import gateway
from tests.real_engine.vllm_server import VllmServer
from tests.real_engine.ways import Way, until
from tests.telemetry.otlp_receiver import OtlpReceiver

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-session-id": "agent-7"}


@pytest.mark.only("vllm", "not tried with SGLang, whose spans have other names")
async def test_the_engines_span_is_a_child_of_the_gateways() -> None:
    with OtlpReceiver() as collector:
        flags = ("--otlp-traces-endpoint", f"{collector.url}/v1/traces")
        quick = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with VllmServer("tiny", *flags, environment=quick) as server:
            with gateway(server.url, "--otlp-endpoint", collector.url) as url:
                with closing(Way(url)) as way:
                    await until(
                        lambda: way.http.get("/readyz").json()["engines"][0]["kind"] == "vllm",
                        "the span can name the engine's kind",
                    )
                client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
                answer = client.chat.completions.create(
                    model="tiny",
                    messages=[{"role": "user", "content": "Find the failing test."}],
                    max_tokens=8,
                    extra_headers=HEADERS,
                )
            await until(lambda: "llm_request" in {span.name for span in collector.spans}, "the engine's span")
        ours = [span for span in collector.spans if span.attributes.get("gen_ai.conversation.id") == "agent-7"]
        relay = next(span for span in ours if span.kind == "CLIENT")
        engines = next(span for span in collector.spans if span.name == "llm_request")
    assert {span.trace_id for span in (*ours, engines)} == {TRACE}
    assert engines.parent_id == relay.span_id
    assert answer.usage is not None
    assert relay.attributes["gen_ai.usage.input_tokens"] == answer.usage.prompt_tokens
    assert relay.attributes["gen_ai.provider.name"] == "vllm"
    assert 0 < engines.seconds <= relay.seconds
