from concur_proxy.recognition.recogniser import AnswerLearner, Recogniser, RecogniserOptions
from concur_proxy.recognition.recognisers.previous_response import MAX_RESPONSES, build
from tests.recognition.requests import key_of


def made(*learnt: tuple[str, str]) -> Recogniser:
    recogniser = build(RecogniserOptions())
    assert isinstance(recogniser, AnswerLearner)
    for response_id, session in learnt:
        recogniser.learn(response_id, session)
    return recogniser


def test_the_turn_after_a_response_belongs_to_its_session() -> None:
    assert key_of(made(("resp_1", "s")), previous_response_id="resp_1") == "s"


def test_an_unknown_response_names_a_session_itself() -> None:
    assert key_of(made(), previous_response_id="resp_from_before_a_restart") == "resp_from_before_a_restart"


def test_another_request_is_not_recognised() -> None:
    assert key_of(made(("resp_1", "s"))) is None
    assert key_of(made(), previous_response_id=7) is None


def test_the_oldest_response_is_forgotten_beyond_the_capacity() -> None:
    recogniser = made(*((f"resp_{number}", "s") for number in range(MAX_RESPONSES + 1)))
    assert key_of(recogniser, previous_response_id="resp_0") == "resp_0"
    assert key_of(recogniser, previous_response_id="resp_1") == "s"


def test_a_thread_of_the_messages_api_continues_a_message() -> None:
    recogniser = made(("msg_1", "s"))
    assert key_of(recogniser, thread={"type": "continue", "previous_message_id": "msg_1"}) == "s"
    assert key_of(recogniser, thread={"type": "continue", "previous_message_id": "msg_2"}) == "msg_2"
    assert key_of(recogniser, thread={"type": "create"}) is None
    assert key_of(recogniser, thread="msg_1") is None
