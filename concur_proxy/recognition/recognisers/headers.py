"""The first configured header that names a session."""

from collections.abc import Sequence

from concur_proxy.recognition.families import recognition_by_headers
from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions, Recognition, session_key
from concur_proxy.wire.request.view import RequestView


class HeaderRecogniser:
    """Reads the headers in the order of the setting `session_headers`, and those that tell of the family."""

    body_fields: Sequence[str] = ()

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [name.lower().encode("latin-1") for name in names]

    def recognise(self, request: RequestView) -> Recognition | None:
        """Return the session that the first usable header names. An empty header does not hide a later one."""
        values = request.values
        for name in self._names:
            if name in values:
                key = session_key(values[name] or request.header(name))
                if key is not None:
                    return recognition_by_headers(request, key, "headers")
        return None


def build(options: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return HeaderRecogniser(options.session_headers)
