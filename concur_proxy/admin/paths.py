"""The gateway's own paths."""

from concur_proxy.admin.calls import ENGINES_PATH, LAW_PATH, STEERING_PATHS, WINDOW_PATH
from concur_proxy.admin.reading_calls import HISTORY_PATH, SESSIONS_PATH, STATE_PATH

OPENAPI_PATH = "/concur/v1/openapi.json"
PAGE_PATH = "/concur/"
DOCS_PATH = "/concur/docs"
"""The reference of the admin API."""
_SCRIPTS = (
    "page",
    "api",
    "dom",
    "words",
    "dialogs",
    "menu",
    "effect",
    "chart",
    "charts",
    "engines",
    "engine_actions",
    "sessions",
    "tenants",
    "decisions",
)
PAGE_FILES = {
    PAGE_PATH: ("page.html", "text/html; charset=utf-8"),
    f"{PAGE_PATH}page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"{PAGE_PATH}{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _SCRIPTS},
}
RELEASE_PATHS = frozenset({"/concur/v1/sessions/release", "/programs/release"})
"""For clients, which release their own sessions."""
PRIVATE_METRICS_PATHS = frozenset({"/readyz", "/metrics"})
PROBED = frozenset({"/healthz"}) | PRIVATE_METRICS_PATHS
"""For health checks and scrapes. They do not wait behind other requests."""
CLOSED_PATHS = frozenset(
    {STATE_PATH, HISTORY_PATH, SESSIONS_PATH, WINDOW_PATH, LAW_PATH, ENGINES_PATH, OPENAPI_PATH}
    | {*STEERING_PATHS.values()}
    | {"/concur", DOCS_PATH}
    | PAGE_FILES.keys()
)
"""The admin API and the live page: without a key, the main port does not serve them."""
OWN_PATHS = PROBED | RELEASE_PATHS | CLOSED_PATHS
"""Paths that the gateway answers itself and never sends to an engine."""
