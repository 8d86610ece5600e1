from concur_proxy.recognition.recogniser import RecogniserOptions, Recognition
from concur_proxy.recognition.recognisers.previous_response import build
from tests.recognition.requests import key_of, request_for

RECOGNISER = build(RecogniserOptions())


def test_the_turn_after_a_response_belongs_to_its_session() -> None:
    request = request_for(RECOGNISER, previous_response_id="resp_1")
    request.continued_session = "s"
    assert RECOGNISER.recognise(request) == Recognition("s", "previous-response")


def test_an_unknown_response_names_a_session_itself() -> None:
    assert key_of(RECOGNISER, previous_response_id="resp_from_before_a_restart") == "resp_from_before_a_restart"


def test_another_request_is_not_recognised() -> None:
    assert key_of(RECOGNISER) is None
    assert key_of(RECOGNISER, previous_response_id=7) is None


def test_a_thread_of_the_messages_api_continues_a_message() -> None:
    assert key_of(RECOGNISER, thread={"type": "continue", "previous_message_id": "msg_2"}) == "msg_2"
    assert key_of(RECOGNISER, thread={"type": "create"}) is None
    assert key_of(RECOGNISER, thread="msg_1") is None
