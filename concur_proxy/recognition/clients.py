"""Every client that names its sessions by itself: where its ids stand, and how it names the agents of one family.

This table is the only place that knows a client. The defaults of the settings `session_headers` and
`session_body_fields` come from it, in its order, and so do the headers and fields that tell of families.

Some names look like a session's but are none alone:
- `x-client-request-id` and `x-correlation-id` are new with each request in most clients. AIPerf repeats
  `x-correlation-id` over a conversation, but then it sends `x-session-id` too.
- `user`, and a `metadata.user_id` that is no JSON object, are a person with many sessions.
- `prompt_cache_key` may be shared by many conversations: OpenAI documents it as a hint for a common prefix. It is only
  a hint here too, see `RecogniserChain.hint`.
"""

from dataclasses import dataclass
from enum import Enum


class Family(Enum):
    """How a client names the sub-agents that an agent starts."""

    UNKNOWN = "the client does not say which agents belong together"
    ONE_KEY = "all agents of a family send one session id; each sub-agent has a member id in addition"
    OWN_KEYS = "each agent has a session id of its own; a sub-agent also sends its parent's session id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client. Headers are in lower case; fields are dotted paths into the JSON body."""

    name: str
    headers: tuple[str, ...] = ()
    """The headers that name the session."""
    fields: tuple[str, ...] = ()
    """The body fields that name the session."""
    family: Family = Family.UNKNOWN
    member: str = ""
    """With `ONE_KEY`: the header, or for a client without `headers` the field, that names the member. A member with
    the name of the session itself is the main agent.
    """
    parent_member: str = ""
    """With `ONE_KEY`: the header or field that names the member that started this one. Absent: the main agent."""
    parent_session: str = ""
    """With `OWN_KEYS`: the header that names the session of the agent that started this one."""
    source: str
    """The version or page that this row was checked against."""


CLIENTS: tuple[Client, ...] = (
    Client(
        name="SkyRL, prime-rl, AIPerf, NeMo Gym",
        headers=("x-session-id",),
        fields=("session_params.session_id",),
        source="client source code, November 2026",
    ),
    Client(
        name="Codex",
        headers=("session-id", "session_id"),
        family=Family.ONE_KEY,
        member="thread-id",
        parent_member="x-codex-parent-thread-id",
        source="Codex CLI 0.171, captured",
    ),
    Client(
        name="Claude Code",
        headers=("x-claude-code-session-id",),
        fields=("metadata.user_id.session_id",),
        family=Family.ONE_KEY,
        member="x-claude-code-agent-id",
        parent_member="x-claude-code-parent-agent-id",
        source="Claude Code 2.1.197, captured",
    ),
    Client(
        name="opencode",
        headers=("x-session-id", "x-session-affinity", "x-opencode-session"),
        family=Family.OWN_KEYS,
        parent_session="x-parent-session-id",
        source="opencode 1.18.33, captured; `x-opencode-session` of its provider Zen/Go from its source code",
    ),
    Client(
        name="pi, Crush",
        headers=("session_id", "x-session-affinity", "x-session-id"),
        source="client source code, November 2026",
    ),
    Client(
        name="LiteLLM, OpenHands",
        headers=("x-litellm-session-id",),
        fields=("litellm_session_id", "metadata.session_id"),
        source="LiteLLM SDK and proxy, captured; OpenHands SDK source code",
    ),
    Client(
        name="Dynamo clients",
        headers=("x-dynamo-session-id",),
        family=Family.OWN_KEYS,
        parent_session="x-dynamo-parent-session-id",
        source="client source code, November 2026",
    ),
    Client(
        name="goose, Envoy AI Gateway",
        headers=("agent-session-id",),
        source="client source code, November 2026",
    ),
    Client(
        name="AIBrix clients",
        headers=("x-aibrix-session-key",),
        source="client source code, November 2026",
    ),
    Client(
        name="slime, SGLang router clients",
        headers=("x-smg-routing-key",),
        source="client source code, November 2026",
    ),
    Client(
        name="ThunderAgent clients",
        fields=("program_id",),
        source="client source code, November 2026",
    ),
    Client(
        name="vllm-router programs",
        fields=(
            "vllm_xargs.agentic_context.root_program_id",
            "vllm_xargs.agentic_context.program_id",
            "agent_hint.session_id",
        ),
        family=Family.ONE_KEY,
        member="vllm_xargs.agentic_context.program_id",
        parent_member="vllm_xargs.agentic_context.parent_program_id",
        source="https://github.com/vllm-project/router/issues/285",
    ),
    Client(
        name="OpenRouter style, vLLM",
        fields=("session_id",),
        source="client source code, November 2026",
    ),
)
"""In the order in which their names are read."""

DEFAULT_SESSION_HEADERS: tuple[str, ...] = tuple(
    dict.fromkeys(header for client in CLIENTS for header in client.headers)
)
DEFAULT_SESSION_FIELDS: tuple[str, ...] = tuple(dict.fromkeys(field for client in CLIENTS for field in client.fields))

HINT_FIELD = "prompt_cache_key"
"""A name in the body that several conversations may share."""
