"""The engines that the suite and the fleet can run on."""

from collections.abc import Mapping

from tests.real_engine.sglang_server import SglangServer
from tests.real_engine.vllm_server import VllmServer

SERVERS: Mapping[str, type[VllmServer] | type[SglangServer]] = {
    server.kind: server for server in (VllmServer, SglangServer)
}
"""By the name of the engine's kind."""
TOOLS: Mapping[str, tuple[str, ...]] = {
    "vllm": ("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    "sglang": ("--tool-call-parser", "hermes"),
}
"""Flags with which an engine accepts requests with tools."""
