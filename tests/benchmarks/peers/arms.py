"""The ways to the engine that are compared, each with the settings that its own documentation recommends."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from concur_proxy.lab.demo.workload import Script
from tests.benchmarks.peers.calibration import Calibration
from tests.benchmarks.peers.fleet import Name, Naming
from tests.benchmarks.relay.peers import router
from tests.benchmarks.relay.proxies import Start, Way, direct, gateway
from tests.benchmarks.relay.python_peers import THUNDER, thunder_agent

DIRECT = "no gateway"
CAP = "ours, best fixed cap"
OWN = "ours"
PAPER = "ours, the paper's law"
ROUTER = "vllm-router"
DECAYING = "ThunderAgent, decay"
OURS = (CAP, OWN, PAPER)
PACKAGES: Mapping[str, str] = {ROUTER: ROUTER, THUNDER: THUNDER, DECAYING: THUNDER}
"""The package of each peer."""
PEERS = tuple(PACKAGES)
NAMES = (DIRECT, CAP, OWN, PAPER, *PEERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A way to the engine, and how its clients name sessions."""

    start: Start
    name: Name
    release_path: str = ""
    """Where clients say that a session has ended, if not in its last request."""

    def open(self, engine_port: int) -> AbstractContextManager[Way]:
        """Start it in front of the engine at this port."""
        return self.start(engine_port)


def nameless(_: Script, /, *, is_last: bool) -> Naming:
    """A request of a client that says nothing about its session."""
    return Naming()


def by_headers(script: Script, /, *, is_last: bool) -> Naming:
    """As our gateway reads it: headers for the session, for the agent that started it, and for its end."""
    family = {"x-parent-session-id": script.parent} if script.parent else {}
    return Naming(headers={"x-session-id": script.name, **family, **({"x-session-end": "true"} if is_last else {})})


def by_agentic_context(script: Script, /, *, is_last: bool) -> Naming:
    """vllm-router's canonical field. It has no call for an end: the last request says that no other will follow."""
    family = {"parent_program_id": script.parent, "blocks_parent": True} if script.parent else {}
    context = {"program_id": script.name, "expected_resume": not is_last, **family}
    return Naming(fields={"vllm_xargs": {"agentic_context": context}})


def by_program_id(script: Script, /, *, is_last: bool) -> Naming:
    """ThunderAgent's field. It knows no families."""
    return Naming(fields={"program_id": script.name})


def arm(name: str, *, cap: int, calibration: Calibration, environments: Path, is_real: bool) -> Arm:
    """The arm of this name. A peer must be installed.

    `is_real`: the engine is vLLM, which refuses vllm-router's field; then a header names the sessions.
    """
    if name == DIRECT:
        return Arm(start=direct, name=by_headers)
    if name in OURS:
        fixed = ("--law", "static", "--set", f"window={cap}", "--no-work-conserving")
        flags = {CAP: fixed, OWN: (), PAPER: ("--law", "aimd", "--no-work-conserving")}[name]
        return Arm(start=lambda port: gateway(port, *flags), name=by_headers)
    environment = environments / PACKAGES[name]
    if name == ROUTER:
        return Arm(start=_router(environment, calibration), name=by_headers if is_real else by_agentic_context)
    more = ("--use-acting-token-decay",) if name == DECAYING else ()
    start = partial(thunder_agent, environment=environment, flags=more)
    return Arm(start=start, name=by_program_id, release_path="/programs/release")


def _router(environment: Path, calibration: Calibration) -> Start:
    config = {"program_scheduling_enable_key": "auto", "global_queue": True, **calibration.config()}
    scheduling = ("--enable-program-scheduling", "--program-scheduling-config-json", json.dumps(config))
    flags = ("--policy", "consistent_hash", *scheduling)
    return partial(router, environment=environment, module="vllm_router.launch_router", flags=flags)
