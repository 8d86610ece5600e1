"""The first configured field of a JSON body that names a session."""

import json
from collections.abc import Mapping, Sequence

from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions, Recognition, session_key
from concur_proxy.wire.request.view import RequestView

MAX_NESTED_CHARS = 4096
"""JSON in a string is read up to this length."""


class BodyFieldRecogniser:
    """Reads the fields in the order of the setting `session_body_fields`.

    A field is a dotted path into the body. A step into a string reads that string as JSON, so
    `metadata.user_id.session_id` finds the session of Claude Code before 2.1.86. That path is no default, because in
    other clients `metadata.user_id` names a user with many sessions.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [path.split(".") for path in paths]
        self.body_fields: Sequence[str] = [path[0] for path in self._paths]

    def recognise(self, request: RequestView) -> Recognition | None:
        """Return the session that the first usable field names."""
        fields = request.json.fields
        if fields:
            for path in self._paths:
                key = session_key(_resolve(fields, path))
                if key is not None:
                    return Recognition(key, "body-fields")
        return None


def _resolve(fields: Mapping[str, object], path: Sequence[str]) -> object:
    value: object = fields
    for step in path:
        if isinstance(value, str):
            value = _parse(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def _parse(text: str) -> object:
    if not text.startswith("{") or len(text) > MAX_NESTED_CHARS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def build(options: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return BodyFieldRecogniser(options.session_body_fields)
