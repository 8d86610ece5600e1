"""The live page at `/concur/`: four files of this package, which hold no data and need no key."""

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import RedirectResponse, Response

PAGE_PATH = "/concur/"
_FILES = {
    PAGE_PATH: ("page.html", "text/html; charset=utf-8"),
    f"{PAGE_PATH}page.js": ("page.js", "text/javascript; charset=utf-8"),
    f"{PAGE_PATH}charts.js": ("charts.js", "text/javascript; charset=utf-8"),
    f"{PAGE_PATH}page.css": ("page.css", "text/css; charset=utf-8"),
}
PAGE_PATHS = frozenset({"/concur", *_FILES})
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def add_page_routes(app: FastAPI) -> None:
    """Serve the page."""

    async def redirect() -> Response:
        return RedirectResponse(PAGE_PATH)

    app.add_api_route("/concur", redirect, methods=["GET"], include_in_schema=False)
    for path, (name, content_type) in _FILES.items():
        content = files("concur_proxy.admin").joinpath("page", name).read_bytes()
        app.add_api_route(path, _serve(content, content_type), methods=["GET"], include_in_schema=False)


def _serve(content: bytes, content_type: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        return Response(content, headers={**_HEADERS, "content-type": content_type})

    return page
