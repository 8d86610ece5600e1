"""The page of headers, errors and paths: what a client of the gateway meets."""

from collections.abc import Callable, Iterable

from concur_proxy.engines.kind import EngineKind
from concur_proxy.engines.kinds import sglang, vllm
from concur_proxy.settings.gateway import GatewaySettings
from concur_proxy.wire.answer.errors import MAX_RETRY_AFTER_S, error_message
from concur_proxy.wire.answer.fault import GatewayFault
from tests.docs.reference.page import code, codes, page, table

ABOUT = """\
The gateway passes requests and answers on byte for byte, with the headers, the status and the trailers as they are.
This page lists what it adds and what it answers itself."""

READ = (
    ("the setting `session_headers`", "name the session; the first one found counts"),
    ("the setting `session_end_headers`", "`true`, `1` or `yes`: this is the last request of its session"),
    ("`x-request-id`", "names the request in the logs of client, gateway and engine; made if the client sends no id"),
    (
        "`x-stainless-read-timeout`, `x-stainless-timeout`",
        "the client's own time limit; its request waits for 0.9 of this at most, so that the client gets an answer",
    ),
    ("`traceparent`, `tracestate`", "a trace that the gateway and the engine continue"),
    ("`authorization`", "passed on to the engine; for paths below `/concur/` it carries the admin key"),
)
"""Headers of a request, and what the gateway does with them."""

ADDED = {
    "x-request-id": "the id that names the request, unless the engine answers with an id of its own",
    "x-concur-queue-wait-s": "seconds for which the request waited for its session's place",
    "x-concur-engine": "the engine that answered",
    "x-concur-session-state": "where the session stood when the request came: `queued` (new), `active` (it had its "
    "place), `paused` (it had lost its place); `unrecognised`: the request names no session and continues no known "
    "conversation",
}
"""Headers of a generating answer. `--no-tell-clients` leaves them out."""

REFUSED = {
    "x-concur-reason": "the code of the error, see below; only on answers that the gateway makes itself",
    "retry-after": f"seconds to wait, at most {MAX_RETRY_AFTER_S:g}, computed from how fast the queue moves",
    "retry-after-ms": "the same in milliseconds",
    "x-should-retry": "`true` or `false`, for SDKs that read it",
}
"""Headers of the gateway's own errors."""

ERRORS = """\
An error has the shape of the API that was called: OpenAI's, Anthropic's or SGLang's. When the answer has already begun,
because of `keepalive_comments_s`, the error comes as the stream's last event. `x-concur-reason` and the metric
`concur_request_failures_total` use the code. An engine's own errors pass unchanged."""

COMMENTS = """\
With `keepalive_comments_s` above 0, a waiting stream gets a comment such as the following at that interval. Clients
ignore comments; load balancers see a connection that is not silent. A waiting stream of `/v1/messages` also gets a
`ping` event, and one of `/v1/chat/completions` an empty chunk if `keepalive_chunks` is set.

```text
: concur-proxy position=3 expected_wait_s=12
```"""

PATHS = """\
Every other path is refused with `unknown_path`, and engine administration with `admin_refused`. The setting
`allow_paths` adds paths, and so does an engine kind of another package."""

KINDS: tuple[EngineKind, ...] = (vllm.build(), sglang.build())


def http_page() -> str:
    """Tables of headers, errors and paths."""
    errors = [
        [
            code(fault.code),
            str(fault.value.status),
            "" if fault.value.retry_after_s is None else "yes",
            error_message(fault),
        ]
        for fault in GatewayFault
    ]
    return page(
        "Headers, errors and paths",
        ABOUT,
        "## Headers that the gateway reads\n\n" + table(["Header", "Meaning"], READ),
        _defaults(),
        "## Headers that the gateway adds\n\n" + table(["Header", "Meaning"], _coded(ADDED)),
        "## Headers of the gateway's own errors\n\n" + table(["Header", "Meaning"], _coded(REFUSED)),
        f"## Errors\n\n{ERRORS}\n\n" + table(["Code", "Status", "Retry helps", "Message"], errors),
        f"## Comments while a stream waits\n\n{COMMENTS}",
        "## Paths that wait for a place\n\n" + table(["Methods", "Path", "Engines"], _paths(_generating)),
        "## Paths that pass at once\n\n" + table(["Methods", "Path", "Engines"], _paths(_passing)),
        PATHS,
    )


def _defaults() -> str:
    """The default names of the two kinds of header that settings choose."""
    fields = GatewaySettings.model_fields
    names = ("session_headers", "session_end_headers")
    return table(["Setting", "Default"], [[code(name), codes(fields[name].default)] for name in names])


def _coded(meanings: dict[str, str]) -> Iterable[tuple[str, str]]:
    return ((code(name), meaning) for name, meaning in meanings.items())


def _generating(kind: EngineKind) -> Iterable[str]:
    return kind.paths.generating


def _passing(kind: EngineKind) -> Iterable[str]:
    return (*kind.paths.passing, *kind.paths.stateful)


def _paths(rows_of: Callable[[EngineKind], Iterable[str]]) -> list[list[str]]:
    """A row for each path, with the methods and names of the engine kinds that have it."""
    methods: dict[str, dict[str, None]] = {}
    kinds: dict[str, list[str]] = {}
    for kind in KINDS:
        for row in rows_of(kind):
            names, _, path = row.partition(" ")
            methods.setdefault(path, {}).update(dict.fromkeys(names.split(",")))
            kinds.setdefault(path, []).append(kind.name)
    return [[", ".join(methods[path]), code(path.replace(":path", "")), ", ".join(kinds[path])] for path in methods]
