"""The clients that are run: how each is installed, how its loop is started, and what helps it to be recognised."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

BY_CONTENT = "conversation"
"""What the gateway's log says about a request that was recognised by its content."""
BY_NOTHING = "nothing"
"""Nothing recognises the client, so that each of its requests is a session of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One client, or one way to use it."""

    name: str
    """As `--only` takes it."""
    title: str
    packages: Sequence[str]
    """What is installed from PyPI, or with `npm` from the npm registry. The first one's version is reported."""
    environment: str
    """Clients of one environment are installed together."""
    loop: Sequence[str]
    """The module in `tests.real_clients.loops`, and its arguments."""
    npm: bool = False
    recognised_by: str
    """What must recognise every turn after the first."""
    helps: str
    """The one line that helps where one does."""
    ends_session: bool = False
    """Whether each agent ends its session."""
    missing: str = ""
    """Why no package registry has it; then it is not run."""


NOTHING = "none needed"
DEFAULT_HEADERS = '`default_headers={"x-session-id": name}`'
EXTRA_HEADERS = '`extra_headers={"x-session-id": name}`'
FORWARDED = "on the proxy: `forward_client_headers_to_llm_api: true`"
IN_SETTINGS = "in the model's settings: `extra_params: {extra_headers: {x-session-id: NAME}}`"


def _python(
    name: str, title: str, package: str, loop: str, *, environment: str = "", by: str = BY_CONTENT, helps: str = NOTHING
) -> Client:
    """A client from PyPI. `package` may name several, with spaces; `loop` may have arguments."""
    return Client(
        name=name,
        title=title,
        packages=tuple(package.split()),
        environment=environment or name,
        loop=tuple(loop.split()),
        recognised_by=by,
        helps=helps,
    )


def sdk(
    name: str, title: str, package: str, loop: str, *, by: str = BY_CONTENT, helps: str = DEFAULT_HEADERS
) -> Client:
    """A client from PyPI in the environment that many share."""
    return _python(name, title, package, loop, environment="sdks", by=by, helps=helps)


def _npm(
    name: str, title: str, package: str, loop: str, *, environment: str = "", by: str = BY_CONTENT, helps: str = NOTHING
) -> Client:
    """A client from npm."""
    return replace(_python(name, title, package, loop, environment=environment, by=by, helps=helps), npm=True)


CLIENTS: tuple[Client, ...] = (
    sdk("openai", "OpenAI SDK, chat", "openai", "openai_chat"),
    sdk("openai-stream", "OpenAI SDK, chat, streamed", "openai", "openai_chat stream"),
    sdk("openai-responses", "OpenAI SDK, Responses", "openai", "openai_responses"),
    sdk(
        "openai-previous",
        "OpenAI SDK, Responses with `previous_response_id`",
        "openai",
        "openai_responses previous",
        by="previous-response",
        helps=NOTHING,
    ),
    sdk("anthropic", "Anthropic SDK, Messages", "anthropic", "anthropic_messages"),
    sdk(
        "anthropic-stream",
        "Anthropic SDK, Messages, streamed",
        "anthropic",
        "anthropic_messages stream",
    ),
    sdk(
        "anthropic-runner",
        "Anthropic SDK, tool runner with `thread=False`",
        "anthropic",
        "anthropic_runner whole",
    ),
    sdk(
        "anthropic-thread",
        "Anthropic SDK, tool runner",
        "anthropic",
        "anthropic_runner",
        by="previous-response",
        helps=NOTHING,
    ),
    sdk("litellm", "LiteLLM SDK", "litellm", "litellm_sdk", helps=EXTRA_HEADERS),
    sdk("agents-chat", "OpenAI Agents SDK, chat", "openai-agents", "openai_agents chat"),
    sdk(
        "agents-responses",
        "OpenAI Agents SDK, Responses",
        "openai-agents",
        "openai_agents responses",
    ),
    sdk(
        "agents-session",
        "OpenAI Agents SDK, Responses, two runs in an SQLite session",
        "openai-agents",
        "openai_agents responses session",
    ),
    sdk(
        "langchain",
        "LangChain agent, ChatOpenAI",
        "langchain langchain-openai",
        "langchain_agent openai",
    ),
    sdk(
        "langchain-stream",
        "LangChain agent, ChatOpenAI, streamed",
        "langchain langchain-openai",
        "langchain_agent openai stream",
    ),
    sdk(
        "langchain-anthropic",
        "LangChain agent, ChatAnthropic",
        "langchain langchain-anthropic",
        "langchain_agent anthropic",
    ),
    sdk("langgraph", "LangGraph with a checkpointer", "langgraph", "langgraph_graph"),
    sdk(
        "pydantic-ai",
        "PydanticAI, OpenAI",
        "pydantic-ai-slim[openai,anthropic]",
        "pydantic_agent openai",
        helps='`model_settings={"extra_headers": {"x-session-id": name}}`',
    ),
    sdk(
        "pydantic-ai-anthropic",
        "PydanticAI, Anthropic",
        "pydantic-ai-slim[openai,anthropic]",
        "pydantic_agent anthropic",
        helps='`model_settings={"extra_headers": {"x-session-id": name}}`',
    ),
    sdk(
        "smolagents",
        "smolagents, ToolCallingAgent",
        "smolagents[openai]",
        "smolagents_tools",
        helps='`client_kwargs={"default_headers": {"x-session-id": name}}`',
    ),
    _python(
        "litellm-proxy",
        "OpenAI SDK through a LiteLLM proxy",
        "litellm[proxy]",
        "litellm_proxy",
        helps=FORWARDED,
    ),
    _python(
        "litellm-proxy-forward",
        "OpenAI SDK with a session header, through a LiteLLM proxy that forwards it",
        "litellm[proxy]",
        "litellm_proxy forward",
        environment="litellm-proxy",
        by="headers",
        helps=FORWARDED,
    ),
    _python(
        "autogen",
        "AutoGen AgentChat",
        "autogen-agentchat autogen-ext[openai]",
        "autogen_agent",
        helps=DEFAULT_HEADERS,
    ),
    _python("agno", "Agno", "agno openai", "agno_agent", helps=DEFAULT_HEADERS),
    _python(
        "strands",
        "Strands Agents",
        "strands-agents[openai]",
        "strands_agent",
        helps='`client_args={"default_headers": {"x-session-id": name}}`',
    ),
    _python(
        "llamaindex",
        "LlamaIndex FunctionAgent",
        "llama-index-core llama-index-llms-openai-like",
        "llamaindex_agent",
        helps=DEFAULT_HEADERS,
    ),
    _python("adk", "Google ADK, LiteLLM model", "google-adk litellm", "adk_agent", helps=EXTRA_HEADERS),
    _python("crewai", "CrewAI", "crewai[litellm]", "crewai_crew", helps=EXTRA_HEADERS),
    _python(
        "mini-swe-agent",
        "mini-swe-agent",
        "mini-swe-agent",
        "mini_swe_agent",
        helps='`model_kwargs={"extra_headers": {"x-session-id": name}}`',
    ),
    _npm(
        "openai-js",
        "OpenAI JavaScript SDK",
        "openai",
        "openai_js.mjs",
        environment="js",
        helps='`defaultHeaders: {"x-session-id": name}`',
    ),
    _npm(
        "vercel-ai",
        "Vercel AI SDK",
        "ai @ai-sdk/openai-compatible zod",
        "vercel_ai.mjs",
        environment="js",
        helps='`headers: {"x-session-id": name}`',
    ),
    _npm("codex", "Codex CLI", "@openai/codex", "command codex", by="headers"),
    _npm("claude-code", "Claude Code", "@anthropic-ai/claude-code", "command claude", by="headers"),
    _npm("opencode", "opencode", "opencode-ai", "command opencode", by="headers"),
    _npm("qwen-code", "Qwen Code", "@qwen-code/qwen-code", "command qwen"),
    _npm("cline", "Cline CLI", "cline", "command cline"),
    _python(
        "aider",
        "aider, with a file in the chat",
        "aider-chat",
        "aider_coder",
        by=BY_NOTHING,
        helps=IN_SETTINGS,
    ),
    _python(
        "aider-named",
        "aider, with a session header",
        "aider-chat",
        "aider_coder named",
        environment="aider",
        by="headers",
        helps=IN_SETTINGS,
    ),
    replace(
        _npm("roo-code", "Roo Code", "", "", helps="-"),
        missing="PyPI and npm do not have it; its command line is a release on GitHub",
    ),
)
