"""The id by which a request is found again: the client's own, else a new one."""

from uuid import uuid4

from concur_proxy.api.messages import Asgi, Message, Receive, Scope, Send
from concur_proxy.telemetry.request_note import NOTE, RequestNote
from concur_proxy.wire.request_id import REQUEST_ID, find_request_id


def named(scope: Scope) -> tuple[Scope, bytes]:
    """The request with an id among its headers, and that id. A client's id that cannot be used stays as it is, and
    another one names the request.
    """
    request_id = find_request_id(scope["headers"])
    if request_id is not None:
        return scope, request_id
    request_id = uuid4().hex.encode()
    if all(name != REQUEST_ID for name, _ in scope["headers"]):
        scope = {**scope, "headers": [*scope["headers"], (REQUEST_ID, request_id)]}
    return scope, request_id


async def serve_named(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` serve a request of the gateway's own, under its id in the answer and in log lines."""
    scope, request_id = named(scope)

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
        await send(message)

    token = NOTE.set(RequestNote(method=scope["method"], request_id=request_id.decode()))
    try:
        await app(scope, receive, send_named)
    finally:
        NOTE.reset(token)
