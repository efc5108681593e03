"""What machine this is, as torch sees it."""

import subprocess
from typing import Any

import torch


def facts() -> dict[str, Any]:
    """Version of torch; name, memory, capability and driver of the GPU where there is one."""
    known: dict[str, Any] = {"torch": torch.__version__}
    if torch.cuda.is_available():
        about = torch.cuda.get_device_properties(0)
        known |= {
            "gpu": about.name,
            "gpu_GiB": round(about.total_memory / 2**30, 1),
            "capability": f"{about.major}.{about.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    return known


def _driver() -> str:
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.split("\n", 1)[0].strip()
