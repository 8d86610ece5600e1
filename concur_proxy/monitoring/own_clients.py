"""The HTTP clients for the gateway's own requests to engines: scrapes, health checks and lists of models."""

import httpx

from concur_proxy.upstream.tls import Trust

USER_AGENT = "concur-proxy"
"""Distinguishes the gateway's own requests from its clients' requests in the engines' logs."""


class OwnClients:
    """Makes each client when it is needed first."""

    def __init__(self, trust: Trust, *, engine_key: str | None) -> None:
        """`engine_key` is what the engines expect as a bearer token; None: nothing."""
        self._trust = trust
        self._engine_key = engine_key
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    def for_engine(self, url: str) -> httpx.AsyncClient:
        """The client for an engine with this URL. It sends the engines' key."""
        return self._client(url, key=self._engine_key)

    def for_page(self, url: str) -> httpx.AsyncClient:
        """The client for a page of metrics at another server. It does not send the engines' key."""
        return self._client(url, key=None)

    def _client(self, url: str, *, key: str | None) -> httpx.AsyncClient:
        kind = (url.startswith("https:"), key is not None)
        if kind not in self._clients:
            headers = {"user-agent": USER_AGENT}
            if key is not None:
                headers["authorization"] = f"Bearer {key}"
            self._clients[kind] = httpx.AsyncClient(trust_env=False, verify=self._trust.for_url(url), headers=headers)
        return self._clients[kind]

    async def aclose(self) -> None:
        """Close all clients."""
        for client in self._clients.values():
            await client.aclose()
