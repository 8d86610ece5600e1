"""Short paths for browsers: `/` leads to the live page, and `/docs` to the reference of the admin API.

They are engines' paths too. So they lead there only for a browser, where the page is served, and where the allow-list
opens no such path of an engine. Every other request gets the same answer as without them.
"""

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response

from concur_proxy.admin.access import AdminAccess, is_admin_socket
from concur_proxy.admin.paths import DOCS_PATH, PAGE_PATH
from concur_proxy.relay.client import Scope
from concur_proxy.settings.admin_listen import UNIX
from concur_proxy.wire.request.endpoints import EndpointCatalogue, Refusal

SHORTCUTS = {"/": PAGE_PATH, "/docs": DOCS_PATH}


def shortcut(scope: Scope, access: AdminAccess, catalogue: EndpointCatalogue) -> Response | None:
    """The redirect for a request to one of `SHORTCUTS`; None if it is a request like any other."""
    path = SHORTCUTS[scope["path"]]
    if scope["method"] not in {"GET", "HEAD"}:
        return None
    # relative, because an ingress may publish the gateway under a path of its own
    redirect = RedirectResponse(path.removeprefix("/"), 302, headers={"cache-control": "no-store", "vary": "accept"})
    if is_admin_socket(scope):
        return redirect
    is_browser = "text/html" in Headers(scope=scope).get("accept", "")
    if not is_browser or not isinstance(catalogue.find("GET", scope["path"]), Refusal):
        return None
    if access.misplaced({**scope, "path": path}) is None:
        return redirect
    admin_url = access.admin_url
    if admin_url is None or admin_url.startswith(UNIX) or not access.is_here(scope):
        return None
    redirect.headers["location"] = admin_url + path
    return redirect
