"""A fleet that gets real request bodies, and a model whose token counts are known."""

import json
import random
from collections.abc import Mapping

from concur_proxy.admission.arrival import Answered, Arrival
from concur_proxy.admission.gate import SessionGate
from concur_proxy.recognition.segments import chain_of
from concur_proxy.wire.request.view import RequestReader
from tests.admission.fleets import FleetScene

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
BYTES_PER_TOKEN = 4

_READER = RequestReader()


def text(tokens: int, seed: object = 0) -> str:
    """A text of so many tokens."""
    letters = random.Random(str(seed))
    return "".join(letters.choices("abcdefgh ", k=tokens * BYTES_PER_TOKEN))


def picture(number: object, kilobytes: int = 100) -> str:
    """An image as a data URL."""
    return f"data:image/png;base64,{number}{'A' * kilobytes * 1000}"


def arrival(body: Mapping[str, object], *, key: str | None = None, path: str = CHAT) -> Arrival:
    """The request with this body, as the relay makes it."""
    raw = json.dumps({"model": "m", **body}).encode()
    view = _READER.view("POST", path.encode(), path, [(b"content-type", b"application/json")])
    view.body = raw
    return Arrival(key=key, chain=chain_of(view), model="m", body_bytes=len(raw), hold_s=100.0)


class CountingFleet:
    """One engine with room for all. Each request is answered at once."""

    def __init__(self) -> None:
        self.scene = FleetScene("e", windows={"e": 1_000.0})

    @property
    def gate(self) -> SessionGate:
        return self.scene.fleet.gates["e"]

    def turn(
        self,
        body: Mapping[str, object],
        *,
        key: str | None,
        prompt: int,
        completion: int = 50,
        cached: int | None = None,
        path: str = CHAT,
    ) -> float:
        """Send a request whose prompt has so many tokens. Returns the estimate divided by that number."""
        scene = self.scene
        ticket, _ = scene.fleet.arrive(arrival(body, key=key, path=path), now=scene.now)
        estimate = ticket.member.footprint
        answered = Answered(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached, first_token_s=0.2)
        scene.now += 1.0
        scene.fleet.finish(ticket, answered, now=scene.now)
        return estimate / prompt
