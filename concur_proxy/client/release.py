"""Tells a gateway that a session has ended. Whatever goes wrong is only logged: the session's lease frees its place."""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

TIMEOUT_S = 2.0
RELEASE_PATH = "/concur/v1/sessions/release"
API_PREFIX = "/v1"
"""Where the engines' API begins. What stands before it in a URL is the gateway's own root path."""
OF_ONE_REQUEST = frozenset({"accept", "accept-encoding", "connection", "content-encoding", "content-length",
                            "content-type", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade",
                            "x-request-id"})  # fmt: skip
"""Headers that describe one request. All others are sent again, because any of them may name the tenant."""


def gateway_at(base_url: str) -> str:
    """The gateway's URL, from one that may be an SDK's `base_url` and end with `/v1`."""
    return base_url.rstrip("/").removesuffix(API_PREFIX)


def gateway_of_request(url: str) -> str:
    """The gateway's URL, from that of a request."""
    parts = urlsplit(url)
    root, _, _ = parts.path.rpartition(f"{API_PREFIX}/")
    return f"{parts.scheme}://{parts.netloc}{root}"


def sent_again(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that its session's release needs too."""
    return {name: value for name, value in headers.items() if name.lower() not in OF_ONE_REQUEST}


def release(gateway: str, session: str, headers: Mapping[str, str]) -> None:
    """End the session at the gateway. Never raises."""
    try:
        asked = urllib.request.Request(  # noqa: S310 - the URL is that of the caller's own requests
            f"{gateway}{RELEASE_PATH}",
            data=json.dumps({"session_id": session}).encode(),
            headers={**headers, "content-type": "application/json"},
            method="POST",
        )
        with _OPENER.open(asked, timeout=TIMEOUT_S) as answer:
            logger.debug("session %s: released at %s: %s", session, gateway, answer.status)
    except Exception as error:  # noqa: BLE001 - an agent's run must not fail because its session did not end
        logger.debug("session %s: not released at %s: %s", session, gateway, error)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Another server must not get the credential."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Do not follow."""


_OPENER = urllib.request.build_opener(_NoRedirects)
