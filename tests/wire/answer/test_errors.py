import json
import math
from collections.abc import Iterator

import anthropic
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from concur_proxy.wire.answer.errors import (
    MAX_RETRY_AFTER_S,
    REASON_HEADER,
    ErrorAnswer,
    error_answer,
    error_event,
    error_message,
)
from concur_proxy.wire.answer.fault import GatewayFault
from concur_proxy.wire.api_shape import ApiShape

DETAIL = 'a "detail" with é, \u2028 and \\ in it'

FAULTS = pytest.mark.parametrize("fault", GatewayFault)

RETRIED = [fault for fault in GatewayFault if fault.value.retry_after_s is not None]


def header(answer: ErrorAnswer, name: bytes) -> str | None:
    values = [value.decode() for key, value in answer.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


def transport(answer: ErrorAnswer) -> httpx2.Client:
    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(answer.status, headers=answer.headers, content=answer.body)

    return httpx2.Client(transport=httpx2.MockTransport(respond))


def streaming(*events: bytes) -> httpx2.Client:
    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(events))

    return httpx2.Client(transport=httpx2.MockTransport(respond))


@FAULTS
def test_openais_sdk_reads_the_error_of_a_chat(fault: GatewayFault) -> None:
    with transport(error_answer(fault, ApiShape.OPENAI, detail=DETAIL)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with pytest.raises(openai.APIStatusError) as raised:
            client.chat.completions.create(model="m", messages=[])
    error = raised.value
    assert error.status_code == fault.value.status
    assert (error.code, error.type, error.param) == (fault.code, fault.value.openai_type, None)
    assert isinstance(error.body, dict)
    assert error.body["message"] == error_message(fault, DETAIL)
    assert error.response.headers[REASON_HEADER.decode()] == fault.code


@FAULTS
def test_openais_sdk_reads_the_error_of_a_response(fault: GatewayFault) -> None:
    with transport(error_answer(fault, ApiShape.RESPONSES)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with pytest.raises(openai.APIStatusError) as raised:
            client.responses.create(model="m", input="x")
    assert raised.value.status_code == fault.value.status
    assert raised.value.code == fault.code
    assert error_message(fault) in raised.value.message


@FAULTS
def test_anthropics_sdk_reads_the_error_of_a_message(fault: GatewayFault) -> None:
    with transport(error_answer(fault, ApiShape.ANTHROPIC, detail=DETAIL)) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http, max_retries=0)
        with pytest.raises(anthropic.APIStatusError) as raised:
            client.messages.create(model="m", messages=[], max_tokens=1)
    error = raised.value
    assert error.status_code == fault.value.status
    assert error.body == {
        "type": "error",
        "error": {"type": fault.value.anthropic_type, "message": error_message(fault, DETAIL)},
    }


@FAULTS
def test_sglangs_error_has_a_message_and_a_numeric_code(fault: GatewayFault) -> None:
    answer = error_answer(fault, ApiShape.SGLANG, detail=DETAIL)
    error = json.loads(answer.body)["error"]
    assert error == {
        "message": error_message(fault, DETAIL),
        "type": fault.value.openai_type,
        "code": fault.value.status,
    }
    event = error_event(fault, ApiShape.SGLANG, detail=DETAIL)
    assert event == b"data: " + answer.body + b"\n\n"


@FAULTS
def test_openais_sdk_raises_on_the_event_in_a_chat_stream(fault: GatewayFault) -> None:
    first = b": concur-proxy position=1\n\n"
    with streaming(first, error_event(fault, ApiShape.OPENAI, detail=DETAIL)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with pytest.raises(openai.APIError) as raised:
            list(client.chat.completions.create(model="m", messages=[], stream=True))
    assert raised.value.message == error_message(fault, DETAIL)
    assert raised.value.code == fault.code


@FAULTS
def test_openais_sdk_raises_on_the_event_in_a_response_stream(fault: GatewayFault) -> None:
    with streaming(error_event(fault, ApiShape.RESPONSES, detail=DETAIL)) as http:
        client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=http, max_retries=0)
        with pytest.raises(openai.APIError) as raised:
            list(client.responses.create(model="m", input="x", stream=True))
    assert raised.value.message == error_message(fault, DETAIL)
    assert raised.value.code == fault.code


@FAULTS
def test_anthropics_sdk_raises_on_the_event_in_a_message_stream(fault: GatewayFault) -> None:
    with streaming(error_event(fault, ApiShape.ANTHROPIC, detail=DETAIL)) as http:
        client = anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http, max_retries=0)
        with pytest.raises(anthropic.APIStatusError) as raised:
            list(client.messages.create(model="m", messages=[], max_tokens=1, stream=True))
    assert raised.value.body == json.loads(error_answer(fault, ApiShape.ANTHROPIC, detail=DETAIL).body)


@FAULTS
@pytest.mark.parametrize("shape", ApiShape)
def test_an_event_is_one_whatever_its_detail_holds(fault: GatewayFault, shape: ApiShape) -> None:
    event = error_event(fault, shape, detail="two\n\nlines\r\n")
    assert event.count(b"\n\n") == 1
    assert event.endswith(b"\n\n")
    assert b"\r" not in event
    assert b"[DONE]" not in event


@FAULTS
@pytest.mark.parametrize("shape", ApiShape)
def test_headers_describe_the_body_and_name_the_reason(fault: GatewayFault, shape: ApiShape) -> None:
    answer = error_answer(fault, shape, detail=DETAIL)
    assert answer.status == fault.value.status
    assert header(answer, b"content-type") == "application/json"
    assert header(answer, b"content-length") == str(len(answer.body))
    assert header(answer, REASON_HEADER) == fault.code
    assert header(answer, b"allow") is None


@FAULTS
def test_only_faults_that_a_retry_can_help_ask_for_one(fault: GatewayFault) -> None:
    answer = error_answer(fault, ApiShape.OPENAI, retry_after_s=5)
    can_help = fault in RETRIED
    assert header(answer, b"x-should-retry") == ("true" if can_help else "false")
    assert (header(answer, b"retry-after") is not None) == can_help
    assert (header(answer, b"retry-after-ms") is not None) == can_help


@pytest.mark.parametrize(
    ("asked_s", "retry_after", "retry_after_ms"),
    [
        (0.0, "1", "1000"),
        (-3.0, "1", "1000"),
        (1.2, "2", "1200"),
        (12.0, "12", "12000"),
        (MAX_RETRY_AFTER_S, "59", "59000"),
        (59.001, "59", "59000"),
        (math.inf, "59", "59000"),
        (-math.inf, "1", "1000"),
        (math.nan, "1", "1000"),
        (None, "10", "10000"),
    ],
)
def test_the_wait_is_between_a_second_and_a_minute(
    asked_s: float | None, retry_after: str, retry_after_ms: str
) -> None:
    answer = error_answer(GatewayFault.QUEUE_FULL, ApiShape.OPENAI, retry_after_s=asked_s)
    assert header(answer, b"retry-after") == retry_after
    assert header(answer, b"retry-after-ms") == retry_after_ms


@pytest.fixture(scope="module")
def sdks() -> Iterator[tuple[openai.OpenAI, anthropic.Anthropic]]:
    with openai.OpenAI(api_key="k") as one, anthropic.Anthropic(api_key="k") as other:
        yield one, other


@given(st.sampled_from(RETRIED), st.none() | st.floats())
def test_every_sdk_waits_as_long_as_it_is_asked_to(
    sdks: tuple[openai.OpenAI, anthropic.Anthropic], fault: GatewayFault, asked_s: float | None
) -> None:
    answer = error_answer(fault, ApiShape.OPENAI, retry_after_s=asked_s)
    response = httpx2.Response(answer.status, headers=answer.headers, content=answer.body)
    wait_s = int(header(answer, b"retry-after-ms") or "") / 1000
    assert 1 <= wait_s <= MAX_RETRY_AFTER_S
    assert wait_s - 0.001 <= int(header(answer, b"retry-after") or "") < wait_s + 1.001
    for sdk in sdks:
        assert sdk._should_retry(response)
        assert sdk._parse_retry_after_header(response.headers) == wait_s


def test_a_wrong_method_names_the_right_ones() -> None:
    answer = error_answer(GatewayFault.WRONG_METHOD, ApiShape.OPENAI, allow=("GET", "POST"))
    assert header(answer, b"allow") == "GET, POST"


@FAULTS
def test_a_message_says_what_happened_the_detail_and_the_fix(fault: GatewayFault) -> None:
    row = fault.value
    assert error_message(fault) == f"{row.what}. {row.fix}"
    for detail in ("the limit is 7 bytes", "the limit is 7 bytes."):
        assert error_message(fault, detail) == f"{row.what}: the limit is 7 bytes. {row.fix}"
    assert error_message(fault, "GET /v1/..") == f"{row.what}: GET /v1/.. {row.fix}"


def test_the_longest_wait_is_one_that_the_javascript_sdks_obey() -> None:
    answer = error_answer(GatewayFault.HOLD_TIMEOUT, ApiShape.OPENAI, retry_after_s=math.inf)
    # openai-node 4 (`core.js`) and the AI SDK (`getRetryDelayInMs`) replace a delay that is not below 60,000 ms.
    assert float(header(answer, b"retry-after-ms") or "") < 60_000
    assert float(header(answer, b"retry-after") or "") < 60
