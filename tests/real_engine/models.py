"""The models of the real engines, their sizes by the speed of this machine, and their folders.

A model for timing is chosen so that a fleet without control takes about `ARM_S` on this machine: its width from a few,
and its number of layers by the measured speed of a core, because the cost of a prompt grows with the layers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.real_engine.install import VLLM_VENV, venv_python
from tests.real_engine.model import SIZES

ARM_S = 90.0
LEAST_LAYERS, MOST_LAYERS = 4, 32
FLEET_MODELS = tuple(name for name in SIZES if name.startswith("fleet"))
"""The models for timing, widest first."""
SPEED: Mapping[str, float] = {"vllm": 1.0, "sglang": 0.5}
"""Prompt tokens per second of a fleet without control, in relation to one long prompt in transformers, by engine."""
PYTHON_ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_OFFLINE": "1",
    # with a cache of its compiled files, Python starts in a third of the time
    "PYTHONDONTWRITEBYTECODE": "",
}


def fastest_dtype() -> str:
    """bfloat16 if the processor supports it. Elsewhere it is emulated, and six times as slow as float32."""
    flags = Path("/proc/cpuinfo").read_text()
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


def fitting_model(kind: str, prompt_tokens: int) -> str:
    """The model with which this machine and engine compute so many prompt tokens in about `ARM_S`."""
    wanted = prompt_tokens / ARM_S / SPEED[kind]
    for base in FLEET_MODELS:
        rate = float(_model_script("--size", base, "--dtype", fastest_dtype()))
        layers = fitting_layers(SIZES[base].layers, rate=rate, wanted=wanted)
        print(f"one core computes {rate:,.0f} prompt tokens/s of the model {base}", file=sys.stderr)
        if layers >= LEAST_LAYERS:
            break
    return f"{base}-{max(layers, LEAST_LAYERS)}"


def fitting_layers(layers: int, *, rate: float, wanted: float) -> int:
    """How many layers a model needs to compute `wanted` prompt tokens per second, if it computes `rate` with `layers`.

    Not more than `MOST_LAYERS`.
    """
    return min(MOST_LAYERS, round(layers * rate / wanted))


def model_folder(size: str) -> Path:
    """The folder of the model of this size, for both engines. It is made if it is missing."""
    folder = VLLM_VENV / "models" / size
    if not (folder / "model.safetensors").exists():
        _model_script("--size", size, str(folder))
    return folder


def _model_script(*arguments: str) -> str:
    command = [str(venv_python(VLLM_VENV)), str(Path(__file__).with_name("model.py")), *arguments]
    environment = {**os.environ, **PYTHON_ENVIRONMENT}
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
