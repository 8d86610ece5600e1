"""What the admin API takes: bodies and queries."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from concur_proxy.control.options import OptionValue
from concur_proxy.settings.kinds import engine_server


class Question(BaseModel):
    """Any of these."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Nothing(Question):
    """Of a call that takes nothing."""

    model_config = ConfigDict(extra="ignore")


class MaybeSession(Question):
    """One session, or all."""

    model_config = ConfigDict(extra="ignore")

    session_id: str | None = Field(None, description="Only this one")


class NamedSession(Question):
    """A session."""

    session_id: str = Field(min_length=1)


class NamedServer(Question):
    """A server."""

    engine: Annotated[str, AfterValidator(engine_server)] = Field(
        description="Its base URL, without `/v1`; `#dp=N`: N ranks, each of which is an engine"
    )


class NamedEngine(Question):
    """An engine, by its name as `GET /concur/v1/state` tells it."""

    engine: str = Field(min_length=1)


class Window(NamedEngine):
    """A window that is to stay. Without either number the present one does."""

    sessions: float | None = Field(None, ge=1, description="How many sessions may be active; none: any number")
    tokens: float | None = Field(None, gt=0, description="What their caches may fill; none: anything")


class Law(NamedEngine):
    """A control law and its options."""

    law: str = Field(min_length=1)
    options: dict[str, OptionValue] = Field(default_factory=dict)
