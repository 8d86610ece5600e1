"""What requests tell the gateway about their sessions, under a policy."""

from concur_proxy.admission.arrival import Arrival
from concur_proxy.lab.simulation.agent import Request
from concur_proxy.lab.simulation.plan import AgentPlan, Kinship
from concur_proxy.lab.simulation.policy import Policy
from concur_proxy.lab.simulation.prompt import BYTES_PER_TOKEN

COMMON_KEY = "all"
"""The session key of all agents under a policy with `shares_key`."""


def arrival_of(request: Request, policy: Policy) -> Arrival:
    """The request as the gateway knows it."""
    key, member, parent, parent_key = _names(request.plan, policy)
    return Arrival(
        key=key,
        member=member,
        parent=parent,
        parent_key=parent_key,
        chain=request.chain if policy.reads_prompts else None,
        body_bytes=request.prompt_tokens * BYTES_PER_TOKEN,
        hold_s=policy.max_hold_s,
        tenant=request.plan.tenant,
        weight=request.plan.weight,
        priority=request.plan.priority,
    )


def ended_key(request: Request, policy: Policy) -> str | None:
    """The key of the session that is reported as ended with this answer, or None."""
    plan = request.plan
    is_told = request.is_last and (plan.says_end or policy.hears_ends)
    is_named = policy.knows_sessions and plan.has_name
    if not is_told or not is_named or policy.shares_key or plan.is_member:
        return None
    return plan.name


def _names(plan: AgentPlan, policy: Policy) -> tuple[str | None, str, str, str | None]:
    """The key, the member, the member's parent and the parent's key of the agent's requests."""
    if not policy.knows_sessions or not plan.has_name:
        return None, "", "", None
    if policy.shares_key:
        return COMMON_KEY, "", "", None
    if not plan.parent:
        return plan.name, "", "", None
    if plan.kinship is Kinship.PARENT_KEY:
        return plan.name, "", "", plan.parent
    if plan.kinship is Kinship.UNDECLARED:
        return plan.name, "", "", None
    return plan.family, plan.name, "" if plan.parent == plan.family else plan.parent, None
