"""Reads the file of client keys."""

from collections.abc import Mapping
from pathlib import Path

from concur_proxy.recognition.client_keys import parse_client_keys
from concur_proxy.recognition.tenants import Tenant


def read_client_keys(path: Path) -> Mapping[bytes, Tenant]:
    """Return the tenant of each key by the key's SHA-256. Raises `ValueError` if the file cannot be used.

    It is `Faults` if the file can be read: one line for everything that is wrong in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError("the file is not UTF-8 text") from error
    return parse_client_keys(text)
