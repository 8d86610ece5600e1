"""The engines' paths that pass the gateway by default: rows of methods and path.

Read from vLLM 0.32.0 (`vllm/entrypoints/**/api_router.py`) and SGLang 0.5.23 (`sglang/srt/entrypoints/http_server.py`,
v1_loads.py).
"""

GENERATING: tuple[tuple[str, str], ...] = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST,PUT", "/generate"),
    ("POST", "/v1/chat/completions/batch"),
    ("POST", "/inference/v1/generate"),
    ("POST", "/invocations"),
    ("POST", "/vertex_generate"),
    ("POST", "/cohere/v2/chat"),
)
"""Paths that make tokens and therefore wait for their session's place."""

ASKABLE_FOR_USAGE = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Generating paths that know `stream_options.include_usage`."""

PASSING: tuple[tuple[str, str], ...] = (
    ("GET", "/v1/models"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v2/embed"),
    ("POST,PUT", "/encode"),
    ("POST,PUT", "/rerank"),
    ("POST,PUT", "/v1/rerank"),
    ("POST", "/v2/rerank"),
    ("POST", "/score"),
    ("POST", "/v1/score"),
    # one prefill that scores labels, no generation
    ("POST", "/generative_scoring"),
    ("POST", "/v1/decisions"),
    ("POST", "/v1/systemone"),
    ("POST,PUT", "/classify"),
    ("POST", "/v1/classify"),
    ("POST", "/pooling"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/audio/translations"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/tokenize"),
    ("POST", "/detokenize"),
    ("POST", "/v1/tokenize"),
    ("POST", "/v1/detokenize"),
    ("GET", "/tokenizer_info"),
    # a request rendered to tokens and back, no inference
    ("POST", "/v1/chat/completions/render"),
    ("POST", "/v1/chat/completions/derender"),
    ("POST", "/v1/completions/render"),
    ("POST", "/v1/completions/derender"),
    ("POST", "/v1/messages/render"),
    ("POST", "/v1/responses/render"),
    ("POST", "/parse_function_call"),
    ("POST", "/separate_reasoning"),
    # SGLang's own sessions: its users' calls, without administration rights there
    ("GET,POST", "/open_session"),
    ("GET,POST", "/close_session"),
    ("GET", "/version"),
    ("GET", "/health"),
    ("GET", "/health_generate"),
    ("GET", "/ready"),
    ("GET,POST", "/ping"),
    ("GET", "/load"),
    ("GET", "/get_load"),
    ("GET", "/v1/loads"),
    ("GET", "/model_info"),
    ("GET", "/get_model_info"),
)
"""Paths that pass at once."""

PASSING_ONE_SEGMENT: tuple[tuple[str, str, str], ...] = (
    ("GET,DELETE", "/v1/responses/", ""),
    ("POST", "/v1/responses/", "/cancel"),
)
"""Methods, beginning and end around one variable segment."""

PASSING_SEGMENTS: tuple[tuple[str, str, str], ...] = (("GET", "/v1/models/", ""),)
"""As above, where the variable part may hold slashes, as model ids do."""
