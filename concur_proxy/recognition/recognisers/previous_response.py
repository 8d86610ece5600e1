"""A request that continues a response (responses API, threads of the Messages API) belongs to its session."""

from collections import OrderedDict
from collections.abc import Sequence

from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions, Recognition, session_key
from concur_proxy.wire.request.view import RequestView

MAX_RESPONSES = 10_000
"""About 2 MB. An engine itself forgets its responses when it restarts."""


class PreviousResponseRecogniser:
    """Remembers the sessions of the last `MAX_RESPONSES` responses."""

    body_fields: Sequence[str] = ()

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def recognise(self, request: RequestView) -> Recognition | None:
        """Return the session of the response or message that the request continues. If that is not known, its id
        names a session.
        """
        response_id = request.json.previous_response_id
        if response_id is None:
            return None
        key = self._sessions.get(response_id) or session_key(response_id)
        return None if key is None else Recognition(key, "previous-response")

    def learn(self, response_id: str, session: str) -> None:
        """Remember which session this response belongs to."""
        self._sessions[response_id] = session
        if len(self._sessions) > MAX_RESPONSES:
            self._sessions.popitem(last=False)


def build(_: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return PreviousResponseRecogniser()
