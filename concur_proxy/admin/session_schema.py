"""What the admin API takes and answers about sessions."""

from typing import Literal

from pydantic import ConfigDict, Field

from concur_proxy.admin.schema import CallInput, CallResult

Situation = Literal["running", "between_turns", "waiting", "idle", "paused"]


class SessionFilter(CallInput):
    """The sessions to list: those for which all conditions hold."""

    model_config = ConfigDict(extra="ignore")

    session_id: str | None = Field(None, description="Only this session. Error 404 if nobody has one of this name")
    tenant: str | None = Field(None, description="Only sessions of this tenant; empty: those without a tenant")
    search: str = Field("", description="Only sessions whose name, or a sub-agent's name, contains this text")
    state: Situation | Literal[""] = Field("", description="Only sessions in this state; `paused` is by an operator")
    page: int = Field(1, ge=1, description="The page, from 1. A page after the last one is the last one")
    rows: int = Field(50, ge=1, le=200, description="Sessions on a page")


class MemberStatus(CallResult):
    """One conversation of a session's family: its main agent or a sub-agent."""

    name: str = Field(description="Empty: the main agent. `unnamed` and a number: its client has not named it")
    parent: str = Field(description="The member that started it; empty: the main agent")
    busy: int = Field(description="Its requests that wait or are in flight")
    turns: int = Field(description="Its answers so far")
    footprint_tokens: int = Field(description="Cache tokens that it needs; 0 if its cache is not needed any more")


class SessionStatus(CallResult):
    """One session."""

    session_id: str = Field(description="Begins with a NUL character for a request that named no session")
    name: str = Field(description="The same for people")
    tenant: str = Field(description="The tenant that the session belongs to; empty if it has none")
    engine: str
    state: str = Field(description="queued, active or paused: whether it has a place in the window")
    situation: Situation = Field(description="What it does now. `paused` is by an operator")
    text: str = Field(
        description="The situation in words: running, between turns, waiting (place 3, about 40 s), idle or paused by "
        "an operator"
    )
    by_hand: bool = Field(description="Whether an operator paused it")
    preferred: bool = Field(description="Whether an operator moved it to the front")
    place: int | None = Field(description="Place in the queue, from 1; null: it does not wait")
    expected_wait_s: float | None = Field(description="Seconds until it will probably be admitted, if it waits")
    footprint_tokens: int = Field(description="Cache tokens that it needs, its sub-agents included")
    turns: int = Field(description="Requests answered so far")
    wait_s: float = Field(description="Seconds that its oldest waiting request has waited")
    in_flight: int = Field(description="Its requests at the engine")
    idle_s: float = Field(description="Seconds since its last request ended, if it has none now")
    model: str | None
    members_total: int = Field(description="Conversations of its family; 1: it has no sub-agents")
    members: list[MemberStatus] = Field(
        description="If it has sub-agents: 20 of them, busy ones first after the main agent"
    )


class SituationCounts(CallResult):
    """Sessions by what they do now."""

    running: int = 0
    between_turns: int = 0
    waiting: int = 0
    idle: int = 0
    paused: int = 0


class SessionList(CallResult):
    """One page of the sessions that were asked for."""

    total: int = Field(description="Number of all sessions")
    found: int = Field(description="Number of sessions that were asked for, on all pages")
    page: int = Field(description="The page, from 1")
    pages: int = Field(description="Number of pages")
    counts: SituationCounts = Field(description="The sessions that were asked for, by state, whatever state was named")
    sessions: list[SessionStatus] = Field(description="Those with a place first, then those that wait in their order")
