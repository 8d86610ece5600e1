"""Other proxies: HAProxy and nginx of the system, and routers that are installed into environments of their own."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks.process import free_port, started
from tests.benchmarks.relay.environments import installed
from tests.benchmarks.relay.proxies import Start, Way

NGINX = """\
daemon off; worker_processes 1; pid {folder}/pid; error_log /dev/null; worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_max_body_size 0; client_body_buffer_size 1m; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""
HAPROXY = """\
global
 maxconn 9900
 nbthread 1
defaults
 mode http
 timeout client 600s
 timeout server 600s
 timeout connect 5s
 http-reuse always
 option http-no-delay
listen relay
 bind 127.0.0.1:{port} backlog 4096
 server engine 127.0.0.1:{engine}
"""
ROUTERS = {"vllm-router": "vllm_router.launch_router", "sglang-router": "sglang_router.launch_router"}
"""The routers' packages on PyPI, and the module that starts each."""
PROGRAMS = {"program_scheduling_enable_key": "auto", "token_capacity_per_target": 100_000_000}


@contextmanager
def nginx(engine_port: int, folder: Path) -> Iterator[Way]:
    """nginx with one worker, kept connections and no buffering of answers."""
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, engine=engine_port))
    with started(["nginx", "-p", str(folder), "-c", str(config)], port=port) as pid:
        yield Way(port=port, pid=pid)


@contextmanager
def haproxy(engine_port: int, folder: Path) -> Iterator[Way]:
    """HAProxy with one thread, kept connections, and no delay of small writes."""
    port, config = free_port(), folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, engine=engine_port))
    with started(["haproxy", "-f", str(config)], port=port) as pid:
        yield Way(port=port, pid=pid)


@contextmanager
def router(engine_port: int, environment: Path, module: str, flags: tuple[str, ...] = ()) -> Iterator[Way]:
    """A router of vLLM or SGLang in its own environment."""
    port = free_port()
    command = [str(environment / "bin" / "python"), "-m", module, "--worker-urls", f"http://127.0.0.1:{engine_port}"]
    common = ("--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port()))
    with started([*command, *common, "--log-level", "error", *flags], port=port) as pid:
        yield Way(port=port, pid=pid, ping="/health")


def peers(environments: Path, folder: Path) -> tuple[dict[str, Start], list[str]]:
    """The peers that can run on this machine, and the names of those that cannot."""
    starts: dict[str, Start] = {}
    missing = [name for name in ("HAProxy", "nginx") if shutil.which(name.lower()) is None]
    starts |= {
        name: partial(start, folder=folder)
        for name, start in (("HAProxy", haproxy), ("nginx", nginx))
        if name not in missing
    }
    for package, module in ROUTERS.items():
        environment = installed(package, environments)
        if environment is None:
            missing.append(package)
            continue
        if package == "vllm-router":
            flags = ("--enable-program-scheduling", "--program-scheduling-config-json", json.dumps(PROGRAMS))
            name = f"{package}, program scheduling"
            starts[name] = partial(router, environment=environment, module=module, flags=flags)
        starts[package] = partial(router, environment=environment, module=module)
    return starts, missing
