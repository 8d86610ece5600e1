import json

import pytest

from concur_proxy.admin.operations import Operation, Operations, Refused
from concur_proxy.admin.schema import CallInput, CallResult, SessionName
from concur_proxy.admin.session_schema import SessionFilter
from concur_proxy.coordination.protocol.messages import Call


class Echo(CallResult):
    said: str | None


def echo(asked: SessionFilter | SessionName) -> Echo:
    if asked.session_id == "no":
        raise Refused(409, "not_now", "Not now.", param="session_id")
    if asked.session_id == "defect":
        raise ZeroDivisionError
    if asked.session_id == "wrong":
        return Echo(said=7)  # type: ignore[arg-type]
    return Echo(said=asked.session_id)


def operation(method: str, takes: type[CallInput]) -> Operation:
    return Operation(method=method, path="/echo", summary="", takes=takes, gives=Echo, do=echo)


OPERATIONS = Operations([operation("GET", SessionFilter), operation("POST", SessionName)])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Call(method="GET", path="/echo"), None),
        (Call(method="GET", path="/echo", query="session_id=a%20b&other=1", body=b"ignored"), "a b"),
        (Call(method="GET", path="/echo", query="session_id="), ""),
        (Call(method="POST", path="/echo", query="session_id=x", body=b'{"session_id": "y"}'), "y"),
    ],
)
def test_a_question_is_in_the_query_or_in_the_body(call: Call, said: str | None) -> None:
    reply = OPERATIONS.answer(call)
    assert (reply.status, json.loads(reply.body)) == (200, {"said": said})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "param"),
    [
        ("POST", "/echo", b"", 400, "wrong_body", None),
        ("POST", "/echo", b'{"session_id": ""}', 400, "wrong_body", "session_id"),
        ("POST", "/echo", b'{"session_id": "no"}', 409, "not_now", "session_id"),
        ("POST", "/echo", b'{"session_id": "defect"}', 500, "defect", None),
        ("POST", "/echo", b'{"session_id": "wrong"}', 500, "defect", None),
        ("PUT", "/echo", b"{}", 404, "no_such_call", None),
        ("GET", "/other", b"", 404, "no_such_call", None),
    ],
)
def test_whatever_a_replica_sends_is_answered(
    method: str, path: str, body: bytes, status: int, code: str, param: str | None
) -> None:
    reply = OPERATIONS.answer(Call(method=method, path=path, body=body))
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"], error["param"]) == (status, code, param)
    assert error["message"]
