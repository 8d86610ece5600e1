"""One run: a scenario under a policy, from the first agent to the last answer."""

import dataclasses
from collections.abc import Callable
from random import Random

from concur_proxy.lab.simulation.agent import Agent, Request
from concur_proxy.lab.simulation.engine import SimulatedEngine
from concur_proxy.lab.simulation.gateway import SimulatedGateway
from concur_proxy.lab.simulation.plan import AgentPlan
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.result import Result, Tally
from concur_proxy.lab.simulation.scenario import Scenario
from concur_proxy.lab.simulation.timeline import Timeline

ENDLESS_TOKENS = 1 << 40
"""A cache of this size never evicts."""


class Experiment:
    """One run in virtual time: agents, gateway and engines, from the start to the result."""

    def __init__(
        self,
        scenario: Scenario,
        policy: Policy,
        seed: int,
        *,
        keeps_courses: bool = True,
        watch: Callable[[Request, float], None] | None = None,
    ) -> None:
        """`keeps_courses`: record one point per second and engine. `watch` is called with each request whose answer has
        ended, and when.
        """
        shape = scenario.shape
        if policy.infinite_cache:
            shape = dataclasses.replace(shape, capacity_tokens=ENDLESS_TOKENS)
        self._scenario = scenario
        self._policy = policy
        self._seed = seed
        self._timeline = Timeline()
        self.engines = [
            SimulatedEngine(
                f"engine-{number}",
                shape,
                self._timeline,
                late_gauges=scenario.late_gauges,
                reported_tokens=scenario.reported_tokens,
            )
            for number in range(scenario.engines)
        ]
        self._tally = Tally()
        self._watch = watch
        self.gateway = SimulatedGateway(
            policy,
            self.engines,
            self._timeline,
            self._answered,
            replicas=scenario.replicas,
            seed=seed,
            keeps_courses=keeps_courses,
        )
        self._plans = scenario.plans(Random(seed))  # noqa: S311 - a reproducible workload, not a secret
        self._running = 0
        self._all_have_come = False

    def run(self) -> Result:
        """Let time pass until every agent has its last answer, and return the result."""
        self._await_next()
        self._timeline.run(until=self._is_over)
        return self._tally.result(
            scenario=self._scenario.name,
            policy=self._policy.name,
            seed=self._seed,
            engines=self.engines,
            loops=self.gateway.loops,
        )

    def _is_over(self) -> bool:
        return self._all_have_come and self._running == 0

    def _await_next(self) -> None:
        plan = next(self._plans, None)
        if plan is None:
            self._all_have_come = True
            return
        self._timeline.at(plan.start_s, lambda: self._start(plan))

    def _start(self, plan: AgentPlan) -> None:
        self._running += 1
        self._await_next()
        Agent(plan, self._timeline, self._send, self._ended).step()

    def _send(self, request: Request) -> None:
        self._tally.sent(now=self._timeline.now)
        self.gateway.send(request)

    def _answered(self, request: Request) -> None:
        self._tally.request(request, now=self._timeline.now)
        if self._watch is not None:
            self._watch(request, self._timeline.now)

    def _ended(self, agent: Agent) -> None:
        self._running -= 1
        self._tally.session(agent.plan, began_at=agent.began_at, ended_at=self._timeline.now)
