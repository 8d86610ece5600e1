import pytest

from concur_proxy.recognition.recogniser import Decider, RecogniserOptions
from concur_proxy.recognition.recognisers.conversation import build
from tests.recognition.requests import request_for

MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("body", "decider"),
    [
        ({"messages": MESSAGES}, Decider.PROMPT),
        ({"prompt": "hello"}, Decider.PROMPT),
        ({"messages": MESSAGES, "prompt_cache_key": "k"}, Decider.PROMPT),
        ({"input": "more", "previous_response_id": "resp_1"}, None),
        ({"messages": MESSAGES, "thread": {"previous_message_id": "msg_1"}}, None),
        ({}, None),
    ],
)
def test_a_whole_prompt_decides(body: dict[str, object], decider: Decider | None) -> None:
    recogniser = build(RecogniserOptions())
    assert recogniser.recognise(request_for(recogniser, **body)) is decider
