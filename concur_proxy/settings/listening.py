"""The settings of the gateway's side towards its clients: where it listens, and what it allows their connections."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from concur_proxy.settings.admin_listen import AUTO, AdminListen
from concur_proxy.settings.kinds import RootPath
from concur_proxy.settings.units import Seconds


class ListeningSettings(BaseSettings):
    """Addresses, connections and their time-outs."""

    host: tuple[str, ...] = Field(
        ("127.0.0.1",),
        description="Addresses to listen on; `::` for all of this machine, `0.0.0.0` for its IPv4 addresses",
    )
    port: int = Field(8300, ge=0, le=65535, description="TCP port to listen on; 0 for any free port")
    admin_listen: AdminListen = Field(
        AUTO,
        description="Address of the admin API and live page, as `127.0.0.1:9300` or `unix:/path`. `auto`: without "
        "`admin_key`, 127.0.0.1 and 1000 above `port`; `main`: callers of this machine use the main port, which is "
        "not safe behind a proxy; `none`: nowhere. With `admin_key`, the main port serves them too",
    )
    private_metrics: bool = Field(
        default=False, description="Serve `/metrics` and `/readyz` only at `admin_listen`, not at the main port"
    )
    tls_cert: Path | None = Field(
        None, description="PEM file with the server's certificate and its chain; clients then use `https`"
    )
    tls_key: Path | None = Field(None, description="PEM file with the key of `tls_cert`, if it is not in the same file")
    tls_client_ca: Path | None = Field(
        None,
        description="PEM file with the authorities of clients; clients without a certificate are refused",
    )
    tls_client_cert: Path | None = Field(
        None,
        description="PEM file with the certificate that `health`, `status`, `top` and `doctor` show to a gateway with"
        " `tls_client_ca`; `serve` does not use it",
    )
    tls_client_key: Path | None = Field(
        None, description="PEM file with the key of `tls_client_cert`, if it is not in the same file"
    )
    root_path: RootPath = Field(
        "", description="Path under which an ingress publishes the gateway, such as `/llm`; it is removed from requests"
    )
    workers: int = Field(
        1, ge=1, le=256, description="Gateway processes that share the port and the windows; one for each CPU core"
    )
    drain_timeout_s: Seconds = Field(
        30.0,
        ge=0,
        description="Seconds for answers in flight to end after SIGTERM; waiting requests are refused at once",
    )

    keep_alive_s: Seconds = Field(
        125.0,
        gt=0,
        description="Seconds that an idle connection stays open; keep it longer than a load balancer's idle timeout "
        "(Azure 120, Google Cloud 600, Envoy 3600)",
    )
    head_timeout_s: Seconds = Field(10.0, gt=0, description="Seconds that a client may take to send a request's head")
    body_timeout_s: Seconds = Field(
        30.0, gt=0, description="Seconds that a client may pause while it sends a request's body"
    )
    send_timeout_s: Seconds = Field(
        60.0, gt=0, description="Seconds that a client may take no byte of its answer before it counts as gone"
    )
    max_connections: int = Field(
        10_000, ge=1, description="Connections of clients at once; the limit of open files can lower it"
    )
    max_connections_per_client: int = Field(
        0, ge=0, description="Connections from one address at once; 0 for no limit, as behind a load balancer"
    )

    max_connections_per_tenant: int = Field(
        0,
        ge=0,
        description="Connections of one tenant with an open request at once, unless its client key says otherwise; 0 "
        "for no limit. A connection's tenant is known when the head of a request has arrived",
    )

    @field_validator("host")
    @classmethod
    def _any_host(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("must not be empty")
        return value
