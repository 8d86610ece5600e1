"""What llhttp leaves open in the head of a request: `Host` and `Transfer-Encoding`.

A request has exactly one `Host`, with a valid value (RFC 9112, 3.2). nginx, Go and Node require it too. The gateway
sends engines a `Host` of its own, but a proxy in front of it may have read another one of two, and the admin API tells
other web sites by it. The only transfer coding that the gateway knows is `chunked` (RFC 9112, 6.1).
"""

import re

from concur_proxy.wire.headers import Headers

_NAME = rb"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
_IPV6 = rb"\[[A-Za-z0-9:._~%-]+\]"
"""Also with a zone, as in `[fe80::1%eth0]`: Python's http.client sends it."""
_VALUE = re.compile(rb"(?:%b|%b)(?::[0-9]*)?[ \t]*" % (_NAME, _IPV6))
"""llhttp leaves white space at the end of a value."""


def fault_of_head(headers: Headers, *, is_old: bool) -> str:
    """Say what is wrong with the head of a request; empty if nothing is. HTTP/1.0 needs no `Host`, and has no transfer
    codings.
    """
    hosts, codings = 0, 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _VALUE.fullmatch(value):
                return "its Host is not valid"
        elif name == b"transfer-encoding":
            codings += 1
            if value.rstrip(b" \t").lower() != b"chunked" or is_old:
                return "its Transfer-Encoding is not chunked, or it is HTTP/1.0"
    if hosts > 1 or codings > 1:
        return "it has more than one Host or Transfer-Encoding"
    return "" if hosts or is_old else "it has no Host"
