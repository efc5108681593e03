"""torch and timm, tried in a process of their own: importing them takes 9 s and may crash."""

import json
import os
import shutil
from dataclasses import dataclass
from typing import TypedDict

from maskcls.commands.doctor.check import Check, Probe, ProbeResult
from maskcls.core.processes import python_command, python_environment

TIMEOUT_S = 120.0
# torch's facts are printed before timm is imported, so that a broken timm does not hide them.
_PROGRAM = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
bf16 = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
print(json.dumps({"names": names, "bf16": bf16, "cuda": torch.version.cuda}), flush=True)
import timm
timm.create_model("test_vit", pretrained=False)
"""
_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")


@dataclass(frozen=True)
class TorchFacts:
    """What torch reports: names of GPUs, whether they support bfloat16, the CUDA it was built for."""

    names: tuple[str, ...]
    bf16: bool
    cuda: str | None


class _Line(TypedDict):
    """The line of JSON that the program prints."""

    names: list[str]
    bf16: bool
    cuda: str | None


def torch_probe() -> Probe:
    """Start importing torch and timm."""
    return Probe(python_command("-W", "ignore", "-c", _PROGRAM), TIMEOUT_S, python_environment())


def torch_checks(result: ProbeResult, driver: "ProbeResult | None") -> list[Check]:
    """The probe's results for timm and, compared with nvidia-smi's answer, for the GPUs."""
    facts = torch_facts(result)
    return [_timm(result), _gpus(facts, driver)]


def torch_facts(result: ProbeResult) -> TorchFacts | None:
    """The probe's line of facts, None if it failed before."""
    try:
        facts: _Line = json.loads(result.out.splitlines()[0])
    except (IndexError, ValueError):
        return None
    return TorchFacts(tuple(facts["names"]), facts["bf16"], facts["cuda"])


def driver_probe() -> Probe | None:
    """Start asking nvidia-smi for the GPUs, if it is installed."""
    command = shutil.which("nvidia-smi")
    return Probe([command, *_QUERY], 10.0) if command else None


def _timm(result: ProbeResult) -> Check:
    if result.code == 0:
        return Check("timm", "ok", "torch and timm can be imported and build a network")
    if result.code is None:
        text = f"importing torch and timm took longer than {TIMEOUT_S:.0f} s; is the disk slow?"
    else:
        text = f"torch or timm does not work: {result.last_line}"
    return Check("timm", "problem", text)


def _gpus(facts: TorchFacts | None, driver: ProbeResult | None) -> Check:
    name = "GPUs"
    seen = driver.out.strip().splitlines() if driver and driver.code == 0 else []
    if facts is None:
        there = f"nvidia-smi sees {'; '.join(seen)}" if seen else "nvidia-smi sees none"
        return Check(name, "problem" if seen else "note", f"torch did not report its GPUs; {there}")
    if facts.names:
        bf16 = (
            "bfloat16"
            if facts.bf16
            else "no bfloat16: train.precision=auto uses float16 or float32"
        )
        return Check(name, "ok", f"{', '.join(facts.names)} (CUDA {facts.cuda}, {bf16})")
    # The driver has GPUs that torch does not see: they are hidden, or torch is built for another CUDA.
    if seen:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden in ("", "-1"):
            text = f"{len(seen)} hidden by CUDA_VISIBLE_DEVICES={hidden}; training will use the CPU"
            return Check(name, "note", text)
        built = f"is built for CUDA {facts.cuda}" if facts.cuda else "is built for the CPU"
        text = (
            f"nvidia-smi sees {'; '.join(seen)}, but torch sees none: it {built}; install a torch"
            " for this driver, see pytorch.org"
        )
        return Check(name, "problem", text)
    if driver is not None and driver.code != 0:
        why = "it did not answer" if driver.code is None else (driver.out or driver.err).strip()
        text = f"none; nvidia-smi is installed but fails: {why.splitlines()[-1] if why else '?'}"
        return Check(name, "note", text)
    return Check(name, "ok", "none; training will use the CPU")
