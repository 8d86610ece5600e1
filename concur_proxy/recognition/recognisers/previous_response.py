"""A request that continues a response (responses API, threads of the Messages API) belongs to its session."""

from collections.abc import Sequence

from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions, Recognition, session_key
from concur_proxy.wire.request.view import RequestView


class PreviousResponseRecogniser:
    """Takes the session that the gateway, or another one over Redis, knows of the response."""

    body_fields: Sequence[str] = ()

    def recognise(self, request: RequestView) -> Recognition | None:
        """Return the session of the response or message that the request continues. If that is not known, its id
        names a session.
        """
        response_id = request.json.previous_response_id
        if response_id is None:
            return None
        key = request.continued_session or session_key(response_id)
        return None if key is None else Recognition(key, "previous-response")


def build(_: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return PreviousResponseRecogniser()
