"""The table of admin calls: what each takes, what it answers and what it does.

Nothing here depends on HTTP. With several gateways, a follower passes calls on to the leader, which answers them here.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from concur_proxy.admin.schema import CallInput, CallResult, ErrorBody, ErrorDetail
from concur_proxy.coordination.protocol.messages import Call, Reply

logger = logging.getLogger(__name__)

Input = TypeVar("Input", bound=CallInput)

_ERROR_TYPES = {401: "authentication_error", 403: "permission_error"}


class Refused(Exception):  # noqa: N818 - says what happened
    """A call that is not carried out. The message is for the operator who made it."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `GET` reads its input from the query, other methods from a JSON body."""

    method: str
    path: str
    summary: str
    takes: type[CallInput]
    gives: type[CallResult]
    do: Callable[[Any], CallResult]
    """Carries the call out, or raises `Refused`."""
    refuses: tuple[int, ...] = ()
    """Error statuses of this call, in addition to those of every call."""


class Operations:
    """Answers calls. Never raises: nothing that another replica sends may stop the leader."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all: Mapping[tuple[str, str], Operation] = {(each.method, each.path): each for each in operations}

    def answer(self, call: Call) -> Reply:
        """Carry the call out and return its answer, or an error."""
        operation = self.all.get((call.method, call.path))
        if operation is None:  # the replica that passed the call on has another version
            message = f"{call.method} {call.path[:200]} is not an admin call of this version."
            return _refuse(404, "no_such_call", message)
        try:
            given = _read(call, operation.takes)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            return _refuse(400, "wrong_body", f"{where or 'body'}: {first['msg']}.", param=where or None)
        try:
            return Reply(status=200, body=operation.do(given).model_dump_json().encode())
        except Refused as refused:
            return _refuse(refused.status, refused.code, str(refused), param=refused.param)
        except Exception:
            logger.exception("%s %s", call.method, call.path)
            return _refuse(500, "defect", "Internal error of the gateway. See the log of the leading gateway.")


def error_body(status: int, code: str, message: str, *, param: str | None = None) -> bytes:
    """An error in the format of the OpenAI API, as JSON."""
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _ERROR_TYPES.get(status, "server_error" if is_ours else "invalid_request_error")
    detail = ErrorDetail(message=message, type=kind, param=param, code=code)
    return ErrorBody(error=detail).model_dump_json().encode()


def _refuse(status: int, code: str, message: str, *, param: str | None = None) -> Reply:
    return Reply(status=status, body=error_body(status, code, message, param=param))


def _read(call: Call, kind: type[Input]) -> Input:
    if call.method == "GET":
        return kind.model_validate_strings(dict(parse_qsl(call.query, keep_blank_values=True)))
    return kind.model_validate_json(call.body)
