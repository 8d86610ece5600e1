"""Hides keys and passwords in settings that are shown."""

import re

HIDDEN = "***"

_SECRET = frozenset({"admin_key", "engine_api_key"})
_LOGIN = re.compile(r"(://[^:@/]*:).*@")  # up to the last @, so that a password with a slash is hidden too
_OPTION = re.compile(r"([?&]\w*password=)[^&\s]*")


def redacted(name: str, value: object) -> object:
    """The value of the setting `name` with its secret part hidden."""
    if value is not None and name in _SECRET:
        return HIDDEN
    return redacted_url(value) if isinstance(value, str) else value


def redacted_url(url: str) -> str:
    """The URL with its password hidden."""
    return _OPTION.sub(rf"\1{HIDDEN}", _LOGIN.sub(rf"\1{HIDDEN}@", url))
