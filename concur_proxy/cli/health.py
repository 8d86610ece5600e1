"""`concur-proxy health`: whether the gateway on this machine is alive, for health checks of containers."""

import ssl
from collections.abc import Sequence

import httpx

from concur_proxy.cli.flags import add_flags, read_flags
from concur_proxy.cli.load import SettingsError, load_settings
from concur_proxy.cli.parser import CommandParser, complain
from concur_proxy.server.listen import ANY_IPV4, ANY_IPV6, urls
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.upstream.tls import ClientCertificate, TlsFileError

PROG = "concur-proxy health"

DESCRIPTION = """\
Asks the gateway of this machine whether it is alive (GET /healthz). Takes address, port and certificate from flags,
environment and the file of --config, as `serve` does, and uses no proxy. Exit status: 0 if it is, 1 if not, 2 for wrong
settings."""

TIMEOUT_S = 2.0
UNUSED: dict[str, object] = {"engine": ["http://127.0.0.1"], "workers": 1}
"""Settings that `serve` may get as flags, and that do not matter here."""
REFUSED = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
"""With TLS 1.3, a live gateway that wants a certificate ends the connection after the handshake. Without
`tls_client_cert`, that shows that it is alive.
"""
LOCAL = {ANY_IPV4: "127.0.0.1", ANY_IPV6: "::1"}


def main(arguments: Sequence[str]) -> int:
    """Ask; returns the exit status."""
    parser = CommandParser(PROG, usage="[options]", description=DESCRIPTION)
    add_flags(parser)
    try:
        settings = load_settings({**read_flags(parser.read(arguments)), **UNUSED})
    except SettingsError as error:
        return complain(PROG, *error.problems)
    if problem := health_problem(settings):
        complain(PROG, problem)
        return 1
    return 0


def health_problem(settings: GatewaySettings) -> str | None:
    """Why the gateway with these settings is not healthy; None if it is."""
    scheme = "http" if settings.tls_cert is None else "https"
    host = LOCAL.get(settings.host[0], settings.host[0])
    url = f"{urls([host], settings.port, scheme)[0]}/healthz"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False  # the certificate is for the names that clients use
    tls.verify_mode = ssl.CERT_NONE
    if settings.tls_client_cert is not None:
        try:
            ClientCertificate(certificate=settings.tls_client_cert, key=settings.tls_client_key).load(tls)
        except TlsFileError as error:
            return f"{error.setting}: {error}"
    try:
        status = httpx.get(url, timeout=TIMEOUT_S, trust_env=False, verify=tls).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        is_unknown = settings.tls_client_ca is not None and settings.tls_client_cert is None
        if is_unknown and isinstance(error, REFUSED):
            return None
        hint = ": if it serves TLS, give its tls_cert and tls_key here too" if _may_want_tls(settings, error) else ""
        return f"{url}: {str(error) or type(error).__name__}{hint}"
    return None if status == httpx.codes.OK else f"{url}: answers {status}"


def _may_want_tls(settings: GatewaySettings, error: Exception) -> bool:
    return settings.tls_cert is None and isinstance(error, httpx.RemoteProtocolError)
