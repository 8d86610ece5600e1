"""The first configured field of a JSON body that names a session."""

from collections.abc import Sequence

from concur_proxy.recognition.families import recognition_by_field
from concur_proxy.recognition.paths import resolve
from concur_proxy.recognition.recogniser import Recogniser, RecogniserOptions, Recognition, session_key
from concur_proxy.wire.request.view import RequestView


class BodyFieldRecogniser:
    """Reads the fields in the order of the setting `session_body_fields`.

    A field is a dotted path into the body. A step into a string reads that string as JSON, so
    `metadata.user_id.session_id` finds the session of Claude Code. In other clients `metadata.user_id` is the plain
    name of a user with many sessions, and names none.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [(path, path.split(".")) for path in paths]
        self.body_fields: Sequence[str] = [steps[0] for _, steps in self._paths]

    def recognise(self, request: RequestView) -> Recognition | None:
        """Return the session that the first usable field names."""
        fields = request.json.fields
        if fields:
            for path, steps in self._paths:
                if steps[0] in fields:
                    key = session_key(resolve(fields, steps))
                    if key is not None:
                        return recognition_by_field(request, fields, path, key, "body-fields")
        return None


def build(options: RecogniserOptions) -> Recogniser:
    """Build the recogniser."""
    return BodyFieldRecogniser(options.session_body_fields)
