"""Starts SGLang where neither a GPU nor the packages for one are present: `python sglang_launcher.py ARGUMENTS`.

Runs as a script with SGLang's own Python. Two imports need a stand-in: torchvision registers shapes for two compiled
operators that it lacks here, and `sgl_kernel` has only compiled code for GPUs. Neither is called with the attention of
torch. SGLang's processes import this file again, so the stand-ins are put in place when it is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType

import torch  # type: ignore[import-not-found]


class Kernels(ModuleType):
    """Has every name. What is imported from it fails when it is called."""

    __version__ = "0"
    __path__: list[str] = []  # noqa: RUF012 - what makes a module a package

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def fail(*_: object, **__: object) -> None:
            raise NotImplementedError(f"sgl_kernel.{name} runs on GPUs only")

        return fail


operators = torch.library.Library("torchvision", "DEF")
for operator in ("nms", "qnms"):
    operators.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
kernels = Kernels("sgl_kernel")
kernels.__spec__ = ModuleSpec("sgl_kernel", None, is_package=True)
sys.modules["sgl_kernel"] = kernels

if __name__ == "__main__":
    from sglang.launch_server import run_server  # type: ignore[import-not-found]
    from sglang.srt.server_args import prepare_server_args  # type: ignore[import-not-found]

    run_server(prepare_server_args(sys.argv[1:]))
