"""A request that continues a known conversation belongs to its session, without any name."""

from collections.abc import Sequence

from concur_proxy.recognition.recogniser import Decider, Recogniser, RecogniserOptions
from concur_proxy.wire.request.view import RequestView


class ConversationRecogniser:
    """Leaves the choice to the conversation tree: the gateway that decides on admission knows all conversations."""

    body_fields: Sequence[str] = ()

    def recognise(self, request: RequestView) -> Decider | None:
        """Return `Decider.PROMPT` if the body has a whole prompt. One that only continues an earlier response has
        nothing to compare.
        """
        body = request.json
        return None if body.prompt is None or body.continues else Decider.PROMPT


def build(_: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return ConversationRecogniser()
