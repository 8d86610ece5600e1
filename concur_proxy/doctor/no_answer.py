"""Says why a server gave no answer."""

import httpx

from concur_proxy.doctor.finding import Finding, Severity


def no_answer(url: str, error: httpx.HTTPError | httpx.InvalidURL) -> Finding:
    """The finding about a server at this URL that did not answer a request."""
    if isinstance(error, httpx.ConnectError):
        code, message, fix = "unreachable", f"cannot be reached: {error}", "start the server or correct the URL"
    elif isinstance(error, httpx.TimeoutException):
        code, message, fix = "silent", "accepts connections, but does not answer in time", "look at the server's log"
    else:
        code, message = "no_http", f"does not speak HTTP: {str(error) or type(error).__name__}"
        fix = "correct the URL"
    return Finding(subject=url, severity=Severity.ERROR, code=code, message=message, fix=fix)
