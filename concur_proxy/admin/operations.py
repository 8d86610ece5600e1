"""The calls of the admin API in one table: what each takes, gives and does. Which process does it is not known here."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError

from concur_proxy.admin.access import error_body
from concur_proxy.admin.answers import Answer
from concur_proxy.admin.questions import Question
from concur_proxy.coordination.protocol.messages import Call, Reply

logger = logging.getLogger(__name__)

Asked = TypeVar("Asked", bound=Question)


class Refused(Exception):  # noqa: N818 - says what happened
    """A call is not done; the rest of it is for the person who asked."""

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `GET` takes its question from the query, the others from a body in JSON."""

    method: str
    path: str
    summary: str
    takes: type[Question]
    gives: type[Answer]
    do: Callable[[Any], Answer]
    """Raises `Refused`."""
    refuses: tuple[int, ...] = ()
    """With what, beside a wrong question."""


class Operations:
    """Answers calls. It raises nothing: the process that leads must go on with whatever a replica sends it."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.all: Mapping[tuple[str, str], Operation] = {(each.method, each.path): each for each in operations}

    def answer(self, call: Call) -> Reply:
        """What is to be answered, after it was done."""
        operation = self.all.get((call.method, call.path))
        if operation is None:  # of a replica of another version
            return refuse(404, "no_such_call", f"{call.method} {call.path[:200]} is no call of this version.")
        try:
            asked = _read(call, operation.takes)
        except ValidationError as problem:
            first = problem.errors()[0]
            where = ".".join(map(str, first["loc"]))
            return refuse(400, "wrong_body", f"{where or 'body'}: {first['msg']}.", param=where or None)
        try:
            return Reply(status=200, body=operation.do(asked).model_dump_json().encode())
        except Refused as refused:
            return refuse(refused.status, refused.code, str(refused), param=refused.param)
        except Exception:
            logger.exception("%s %s", call.method, call.path)
            return refuse(500, "defect", "A defect of the gateway; the log of the one that leads tells more.")


def refuse(status: int, code: str, message: str, *, param: str | None = None) -> Reply:
    """An error as a reply."""
    return Reply(status=status, body=error_body(status, code, message, param=param))


def _read(call: Call, kind: type[Asked]) -> Asked:
    if call.method == "GET":
        return kind.model_validate(dict(parse_qsl(call.query, keep_blank_values=True)))
    return kind.model_validate_json(call.body)
