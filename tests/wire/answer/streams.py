"""Streams of the engines, event by event, as the sources of vLLM 0.32.0 and SGLang 0.5.23 serialise them."""
# ruff: noqa: E501, ISC004  (an event is one line here too, where it can be)

FINGERPRINT = b'"vllm-0.32.0-1a2b3c4d"'

VLLM_HEAD = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
SGLANG_HEAD = b'data: {"id":"a1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
USAGE = b'{"prompt_tokens":120,"total_tokens":127,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":64}}'
DONE = b"data: [DONE]\n\n"


def vllm_text(content: bytes, finish: bytes = b"null", tail: bytes = b"") -> bytes:
    choice = b'[{"index":0,"delta":{"content":%b},"logprobs":null,"finish_reason":%b,"token_ids":null}]' % (
        content,
        finish,
    )
    return VLLM_HEAD + choice + tail + b"}\n\n"


VLLM_USAGE_EVENT = VLLM_HEAD + b'[],"usage":' + USAGE + b',"system_fingerprint":' + FINGERPRINT + b"}\n\n"

VLLM_UNASKED = [
    vllm_text(b'""'),
    vllm_text(b'"Hello"'),
    vllm_text(b'" \\"usage\\":{\\"prompt_tokens\\":1}"'),
    vllm_text(b'"usage"'),
    vllm_text(b'"!"', b'"stop"', b',"system_fingerprint":' + FINGERPRINT),
    DONE,
]
"""A chat stream to a client that did not ask for usage."""

VLLM_ASKED = [*VLLM_UNASKED[:-2], vllm_text(b'"!"', b'"stop"'), VLLM_USAGE_EVENT, DONE]
"""The same answer with `include_usage`: the fingerprint moves into the usage event."""

VLLM_FORCED = [
    *(
        event[:-3] + b',"usage":{"prompt_tokens":120,"total_tokens":121,"completion_tokens":1}}\n\n'
        for event in VLLM_ASKED[:-2]
    ),
    VLLM_USAGE_EVENT,
    DONE,
]
"""With --enable-force-include-usage: usage in every event, asked for or not."""

SGLANG_ASKED = [
    SGLANG_HEAD
    + b'[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null},"finish_reason":null}]}\n\n',
    SGLANG_HEAD + b'[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}\n\n',
    SGLANG_HEAD + b'[{"index":0,"delta":{},"finish_reason":"tool_calls","matched_stop":2}],"usage":null}\n\n',
    SGLANG_HEAD + b'[],"usage":null,"sglext":{"cached_tokens_details":{"device":64}}}\n\n',
    SGLANG_HEAD + b'[],"usage":' + USAGE + b"}\n\n",
    DONE,
]
"""SGLang's, with its own extension event, which has no choices either."""

ANTHROPIC = [
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],'
    b'"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":120,"output_tokens":0}}}\n\n',
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"usage"}}\n\n',
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n',
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},'
    b'"usage":{"input_tokens":56,"output_tokens":7,"cache_read_input_tokens":64}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
]

RESPONSES = [
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,'
    b'"response":{"id":"resp_1","status":"in_progress","output":[],"usage":null}}\n\n',
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"\\"usage\\"","sequence_number":1}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":2,"response":{"id":"resp_1","status":"completed",'
    b'"tools":[{"type":"function","parameters":{"properties":{"usage":{"type":"string"}}}}],'
    b'"output":[{"type":"reasoning"},{"type":"function_call","name":"f"}],'
    b'"usage":{"input_tokens":120,"input_tokens_details":{"cached_tokens":64},"output_tokens":7,'
    b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":127}}}\n\n',
]

SGLANG_GENERATE = [
    b'data: {"text":"a","meta_info":{"id":"g1","finish_reason":null,"prompt_tokens":120,"completion_tokens":1,"cached_tokens":64}}\n\n',
    b'data: {"text":"ab","meta_info":{"id":"g1","finish_reason":{"type":"stop","matched":2},"prompt_tokens":120,"completion_tokens":7,'
    b'"cached_tokens":64}}\n\n',
    DONE,
]
