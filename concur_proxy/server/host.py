"""The `Host` of a request: exactly one, with a valid value (RFC 9112, 3.2).

nginx, Go and Node require it too. The gateway sends engines a `Host` of its own, but a request with two may have been
read in another way by a proxy in front of the gateway, and the admin API tells other web sites by it.
"""

import re

from concur_proxy.wire.headers import Headers

_NAME = rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_IPV6 = rb"\[[A-Za-z0-9:._~%-]+\]"
"""Also with a zone, as in `[fe80::1%eth0]`: Python's http.client sends it."""
_VALUE = re.compile(rb"(?:%b|%b)(?::[0-9]*)?" % (_NAME, _IPV6))


def fault_of_host(headers: Headers, *, is_old: bool) -> str:
    """Say what is wrong with the `Host` of a request; empty if nothing is. HTTP/1.0 needs none."""
    values = [value for name, value in headers if name == b"host"]
    if len(values) == 1:
        return "" if _VALUE.fullmatch(values[0]) else "its Host is not valid"
    if values:
        return "it has more than one Host"
    return "" if is_old else "it has no Host"
