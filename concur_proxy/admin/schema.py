"""What the admin API takes and what it answers. The docstrings and descriptions appear in its OpenAPI document."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from concur_proxy.control.options import OptionValue
from concur_proxy.settings.kinds import engine_server

_OF_TENANT = "The session's tenant. Needed only if several tenants have a session of this name"


class CallInput(BaseModel):
    """Base class of what a call takes, from the query or from a JSON body."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class NoInput(CallInput):
    """The call takes nothing."""

    model_config = ConfigDict(extra="ignore")


class SessionName(CallInput):
    """A session."""

    session_id: str = Field(min_length=1)
    tenant: str | None = Field(None, description=_OF_TENANT)


class ServerUrl(CallInput):
    """An engine server."""

    engine: Annotated[str, AfterValidator(engine_server)] = Field(
        description="Base URL without `/v1`. With `#dp=N`, each of its N data-parallel ranks is an engine"
    )


class EngineName(CallInput):
    """An engine, by its name in `GET /concur/v1/state`."""

    engine: str = Field(min_length=1)


class WindowInput(EngineName):
    """A window to set manually. Without both numbers, the present window is kept."""

    sessions: float | None = Field(None, ge=1, description="Sessions that may be active; null: no limit")
    tokens: float | None = Field(None, gt=0, description="Cache tokens that active sessions may use; null: no limit")


class LawInput(EngineName):
    """A control law and its options."""

    law: str = Field(min_length=1)
    options: dict[str, OptionValue] = Field(default_factory=dict)


class CallResult(BaseModel):
    """Base class of what a call answers, and of its parts."""

    model_config = ConfigDict(extra="forbid")


class SessionChanged(CallResult):
    """What was done to a session."""

    session_id: str
    done: str


class ServerList(CallResult):
    """The engine servers."""

    engines: list[str] = Field(description="Servers in use")
    added: list[str] = Field(description="Servers that were added manually")
    removed: list[str] = Field(description="Servers that were removed manually although the settings or DNS name them")


class ServersChanged(ServerList):
    """The engine servers after a change."""

    engine: str


class ErrorDetail(CallResult):
    """Why a call failed."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(CallResult):
    """An error in the format of the OpenAI API."""

    error: ErrorDetail
