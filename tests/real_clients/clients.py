"""The clients that are run: how each is installed, how its loop is started, and what helps it to be recognised."""

from collections.abc import Sequence
from dataclasses import dataclass

BY_CONTENT = "conversation"
"""What the gateway's log says about a request that was recognised by its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client, or one way to use it."""

    name: str
    """As `--only` takes it."""
    title: str
    packages: Sequence[str]
    """What is installed from PyPI, or with `npm` from the npm registry. The first one's version is reported."""
    environment: str
    """Clients of one environment are installed together."""
    loop: Sequence[str]
    """The module in `tests.real_clients.loops`, and its arguments."""
    npm: bool = False
    recognised_by: str = BY_CONTENT
    """What must recognise every turn after the first."""
    helps: str = "none needed"
    """The one line that helps where one does."""


HEADER_OF_SDK = '`default_headers={"x-session-id": name}`'
"""Of the OpenAI and Anthropic SDKs, and of what is built on them."""

_OPENAI = ("openai",)

CLIENTS: tuple[Client, ...] = (
    Client(
        name="openai",
        title="OpenAI SDK, chat",
        packages=_OPENAI,
        environment="sdks",
        loop=("openai_chat",),
        helps=HEADER_OF_SDK,
    ),
    Client(
        name="anthropic",
        title="Anthropic SDK, messages",
        packages=("anthropic",),
        environment="sdks",
        loop=("anthropic_messages",),
        helps=HEADER_OF_SDK,
    ),
)
