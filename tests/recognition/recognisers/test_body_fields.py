import json

from concur_proxy.recognition.recogniser import RecogniserOptions
from concur_proxy.recognition.recognisers.body_fields import build
from tests.recognition.requests import key_of

FIELDS = build(RecogniserOptions())


def test_the_first_field_that_names_a_session_wins() -> None:
    assert key_of(FIELDS, session_id="k", program_id="p", metadata={"session_id": "s"}) == "s"
    assert key_of(FIELDS, session_id="k", program_id="p", metadata={"session_id": ""}) == "p"
    assert key_of(FIELDS, session_id="k", program_id=None, metadata={"session_id": [1]}) == "k"
    assert key_of(FIELDS, program_id=12) == "12"
    assert key_of(FIELDS, metadata="text") is None
    assert key_of(FIELDS) is None


def test_fields_are_configurable_paths() -> None:
    own = build(RecogniserOptions(session_body_fields=["vllm_xargs.agentic_context.program_id"]))
    assert key_of(own, vllm_xargs={"agentic_context": {"program_id": "p"}}) == "p"
    assert key_of(own, vllm_xargs={"agentic_context": []}) is None


def test_a_path_may_lead_through_json_in_a_string() -> None:
    # Claude Code between its `..._session_<uuid>` form and 2.1.86, which has a header
    own = build(RecogniserOptions(session_body_fields=["metadata.user_id.session_id"]))
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "54c1eb09"})
    assert key_of(own, metadata={"user_id": user}) == "54c1eb09"
    assert key_of(own, metadata={"user_id": {"session_id": "54c1eb09"}}) == "54c1eb09"
    for odd in ("user_1", "{", "[1]", '{"session_id": {}}', "{" + " " * 5000 + "}", '{"a":' * 500):
        assert key_of(own, metadata={"user_id": odd}) is None
