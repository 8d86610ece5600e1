"""Event hooks for httpx's clients, on which most SDKs are built, and for clients with the same interface."""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

from .sessions import met_gateway, name_request

GATEWAY_HEADERS = "x-concur-"
"""How the headers begin that only the gateway sets. Another server is never asked to end a session."""

Client = TypeVar("Client")
Hooks = dict[str, list[Callable[..., Any]]]


class Request(Protocol):
    """What a hook uses of a request."""

    @property
    def url(self) -> object: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...


class Response(Protocol):
    """What a hook uses of a response."""

    @property
    def request(self) -> Request: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


def event_hooks() -> Hooks:
    """Hooks for `httpx.Client(event_hooks=event_hooks())`."""
    return {"request": [_on_request], "response": [_on_response]}


def async_event_hooks() -> Hooks:
    """Hooks for `httpx.AsyncClient(event_hooks=async_event_hooks())`."""
    return {"request": [_on_async_request], "response": [_on_async_response]}


def attach(client: Client) -> Client:
    """Add the hooks to a client, and return it. Its requests within a `session` then belong to that session.

    `client` is a client of httpx, or of an SDK that is built on it, such as `OpenAI`, `AsyncOpenAI`, `Anthropic` and
    `AsyncAnthropic`. Raises `TypeError` for others.
    """
    http: Any = client
    while http is not None and not hasattr(http, "event_hooks"):
        http = getattr(http, "_client", None)  # of OpenAI's and Anthropic's SDKs
    if http is None:
        raise TypeError(f"{type(client).__name__} has no HTTP client with event hooks: send headers() instead")
    added = async_event_hooks() if hasattr(http, "aclose") else event_hooks()
    present: Hooks = http.event_hooks
    http.event_hooks = {
        event: [*present.get(event, ()), *(hook for hook in hooks if hook not in present.get(event, ()))]
        for event, hooks in added.items()
    }
    return client


def _on_request(request: Request) -> None:
    name_request(request.headers)


def _on_response(response: Response) -> None:
    if any(name.lower().startswith(GATEWAY_HEADERS) for name in response.headers):
        met_gateway(str(response.request.url), response.request.headers)


async def _on_async_request(request: Request) -> None:
    _on_request(request)


async def _on_async_response(response: Response) -> None:
    _on_response(response)
