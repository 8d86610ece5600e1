"""A small fleet for tests: engines that need a moment for each answer, and more agents than places."""

from concur_proxy.lab.demo.workload import Workload, write_scripts

WINDOW = 3
ENGINE_FLAGS = ("--step-s", "0.04", "--decode-s", "0", "--prefill-tokens-s", "100000")
GATEWAY_FLAGS = (
    *("--law", "static", "--set", f"window={WINDOW}", "--no-work-conserving"),
    *("--session-ttl-s", "8", "--idle-lease", "2", "--move-after-s", "1"),
)
SCRIPTS = write_scripts(
    Workload(
        agents=16, turns=4, shared_tokens=16, first_tokens=60, growth_tokens=30, answer_tokens=8, tool_s=(0.05, 0.2)
    )
)
