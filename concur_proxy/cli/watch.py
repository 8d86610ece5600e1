"""Shared by `concur-proxy status` and `concur-proxy top`: their flags, and reading a gateway's state."""

import argparse
import os
import ssl
from pathlib import Path
from typing import Any

import httpx

from concur_proxy.cli.parser import CommandParser
from concur_proxy.settings.admin_listen import ADDRESS_HEADER, UNIX
from concur_proxy.settings.secret_files import read_secret
from concur_proxy.upstream.tls import ClientCertificate, TlsFileError, Trust

DEFAULT_URL = "http://127.0.0.1:8300"
TIMEOUT_S = 5.0
EXIT_NO_ANSWER = 1
"""Exit status of a command that got no state from a gateway."""


class NoState(Exception):  # noqa: N818 - says what happened
    """The gateway did not return its state. The text is one line that says what to do."""


def add_gateway_flags(parser: CommandParser) -> None:
    parser.add_argument(
        "--url",
        default=DEFAULT_URL,
        metavar="URL",
        help=f"the gateway, or unix:/path (default {DEFAULT_URL})",
    )
    parser.add_argument("--admin-key", metavar="KEY", help="the gateway's admin key (default: CONCUR_ADMIN_KEY)")
    parser.add_argument(
        "--admin-key-file",
        metavar="FILE",
        type=Path,
        help="file with the gateway's admin key (default: CONCUR_ADMIN_KEY_FILE)",
    )
    parser.add_argument(
        "--tls-client-cert",
        metavar="FILE",
        type=Path,
        help="certificate for a gateway with tls_client_ca (default: CONCUR_TLS_CLIENT_CERT)",
    )
    parser.add_argument(
        "--tls-client-key",
        metavar="FILE",
        type=Path,
        help="key of that certificate, if it is not in the same file (default: CONCUR_TLS_CLIENT_KEY)",
    )


def admin_key(options: argparse.Namespace) -> str | None:
    """The admin key from the flags, else from the environment. Raises `NoState` if its file cannot be used."""
    key, file = options.admin_key, options.admin_key_file
    if key is None and file is None:
        key, named = os.environ.get("CONCUR_ADMIN_KEY"), os.environ.get("CONCUR_ADMIN_KEY_FILE")
        file = Path(named) if named else None
    if file is None:
        return key or None
    if key:
        raise NoState(f"the admin key is given twice, as text and in the file {file}: use only one of them")
    try:
        return read_secret(file)
    except ValueError as error:
        raise NoState(f"admin key in {file}: {error}") from error


def gateway_tls(url: str, certificate: Path | None, key: Path | None) -> ssl.SSLContext | bool:
    """The value for `verify` of httpx in a connection to a gateway, which gets this certificate, else that of the
    environment. Raises `NoState` if a file cannot be used.
    """
    verify = Trust().for_url(url)
    if certificate is None:
        certificate, key = _path_in("CONCUR_TLS_CLIENT_CERT"), key or _path_in("CONCUR_TLS_CLIENT_KEY")
    if certificate is not None and not isinstance(verify, bool):
        try:
            ClientCertificate(certificate=certificate, key=key).load(verify)
        except TlsFileError as error:
            raise NoState(f"{error.setting}: {error}") from error
    return verify


def _path_in(variable: str) -> Path | None:
    named = os.environ.get(variable)
    return Path(named) if named else None


def _get(url: str, headers: dict[str, str], verify: ssl.SSLContext | bool) -> httpx.Response:  # noqa: FBT001
    """The state of the gateway at a URL, or at `unix:` and a path."""
    path = url.removeprefix(UNIX)
    transport = None if path == url else httpx.HTTPTransport(uds=path)
    base = url.rstrip("/") if transport is None else "http://localhost"
    with httpx.Client(trust_env=False, verify=verify, timeout=TIMEOUT_S, transport=transport) as client:
        return client.get(f"{base}/concur/v1/state", headers=headers)


def read_state(url: str, admin_key: str | None, verify: ssl.SSLContext | bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
    """The answer of `GET /concur/v1/state`. `verify` is that of `gateway_tls`. Raises `NoState` if no state was
    received.
    """
    headers = {} if admin_key is None else {"authorization": f"Bearer {admin_key}"}
    try:
        answer = _get(url, headers, verify)
        if admin_key is None and (address := answer.headers.get(ADDRESS_HEADER)):
            answer = _get(address, {}, verify)
        state = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        hint = "; SSL_CERT_FILE names a certificate to trust" if "CERTIFICATE_VERIFY_FAILED" in str(error) else ""
        raise NoState(f"--url {url}: no gateway answers: {error}{hint}") from error
    except ValueError as error:
        advice = "see its log" if answer.is_server_error else "it is not a gateway of this version"
        raise NoState(f"--url {url}: answered HTTP {answer.status_code} without a state: {advice}") from error
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise NoState(f"{state['error']['message']} Use --admin-key, --admin-key-file or CONCUR_ADMIN_KEY.")
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and "error" in state:
        raise NoState(f"--url {url}: {state['error']['message']}")
    if answer.status_code != httpx.codes.OK or "engines" not in state:
        raise NoState(f"--url {url}: the server there is not a gateway of this version")
    return dict(state)
