"""A LiteLLM proxy between the OpenAI SDK and the gateway. With the argument `forward`, the SDK sends a session header,
and the proxy forwards it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.real_clients.task import MODEL, TASK

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
parameters = {"model": f"openai/{MODEL}", "api_base": f"{TASK.url}/v1", "api_key": "none"}
forwards = "forward" in sys.argv
settings = {
    "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
    "general_settings": {
        "master_key": "none",  # it does not start without one
        "forward_client_headers_to_llm_api": forwards,
    },
}
Path("proxy.yaml").write_text(json.dumps(settings))
proxy = subprocess.Popen(["litellm", "--config", "proxy.yaml", "--host", "127.0.0.1", "--port", str(port)])
try:
    while proxy.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.2)
    environment = {**os.environ, "REAL_CLIENTS_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "tests.real_clients.loops.openai_chat", *(["named"] if forwards else [])]
    subprocess.run(command, check=True, env=environment)
finally:
    proxy.terminate()
    proxy.wait(20)
