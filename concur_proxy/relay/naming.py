"""The id by which a request is found again: the client's own, else a new one."""

from secrets import token_hex

from concur_proxy.relay.messages import Asgi, Message, Receive, Scope, Send
from concur_proxy.telemetry.request_note import NOTE, RequestNote
from concur_proxy.wire.request.request_id import REQUEST_ID, find_request_id

ID_BYTES = 8
"""As many as vLLM draws for an id of its own, in the place of which it puts this one: its answers keep their length."""


def named(scope: Scope, found: bytes | None) -> tuple[Scope, bytes]:
    """The request with an id among its headers, and that id: `found` there, else a new one. A client's id that cannot
    be used stays as it is, and another one names the request.
    """
    if found is not None:
        return scope, found
    request_id = token_hex(ID_BYTES).encode()
    headers = scope["headers"]
    if all(name != REQUEST_ID for name, _ in headers):
        scope = {**scope, "headers": [*headers, (REQUEST_ID, request_id)]}
    return scope, request_id


async def serve_named(app: Asgi, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` serve a request of the gateway's own, under its id in the answer and in log lines."""
    scope, request_id = named(scope, find_request_id(scope["headers"]))

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (REQUEST_ID, request_id)]
        await send(message)

    token = NOTE.set(RequestNote(method=scope["method"], request_id=request_id.decode()))
    try:
        await app(scope, receive, send_named)
    finally:
        NOTE.reset(token)
