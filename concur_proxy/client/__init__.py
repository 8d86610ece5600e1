"""Names an agent's requests for the gateway, and ends the session when the agent has finished.

    from concur_proxy.client import attach, session

    client = attach(OpenAI(base_url="http://127.0.0.1:8300/v1"))
    with session("agent-7"):
        client.chat.completions.create(...)

The gateway's distribution contains it as `concur_proxy.client`. Agents need not install the gateway: the distribution
`concur-proxy-client` contains the same code as `concur_client`, and nothing else. In one process, import only one of
the two, because each has a current session of its own.

It needs the standard library only. It works with every HTTP client that has httpx's event hooks.
"""

from .hooks import async_event_hooks, attach, event_hooks
from .sessions import Session, headers, session

__all__ = ["Session", "async_event_hooks", "attach", "event_hooks", "headers", "session"]
