"""Settings as they may be shown: without keys and passwords."""

import re

HIDDEN = "***"

_SECRET = frozenset({"admin_key", "engine_api_key"})
_LOGIN = re.compile(r"(://[^:@/]*:).*@")  # to the last @: what is no URL by its slashes hides its password too
_OPTION = re.compile(r"([?&]\w*password=)[^&\s]*")


def redacted(name: str, value: object) -> object:
    """`value` of the setting `name`, with what is secret in it hidden."""
    if value is not None and name in _SECRET:
        return HIDDEN
    return redacted_url(value) if isinstance(value, str) else value


def redacted_url(url: str) -> str:
    """A URL without its password."""
    return _OPTION.sub(rf"\1{HIDDEN}", _LOGIN.sub(rf"\1{HIDDEN}@", url))
