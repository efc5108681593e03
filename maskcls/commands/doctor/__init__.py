"""doctor: what this machine has, and what will keep a run from working.

Every line looks at one thing and changes nothing. What takes long (torch, Ray) is tried out in
processes of their own, beside each other, while the short looks are taken.
"""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from maskcls.commands.doctor import machine, ray_works, software, torch_works
from maskcls.commands.doctor.check import Check, guarded
from maskcls.commands.doctor.ray_works import ray_starts
from maskcls.core.errors import Exit

__all__ = ["Check", "diagnose", "exit_of", "ray_starts"]


def diagnose(cache_dir: str = "auto", hub: bool = True) -> list[Check]:
    """Look at everything, in the order in which it is told; about 20 s on two cores.

    cache_dir: as cluster.cache_dir. hub: whether to try a connection to the model hub.
    """
    temp = Path(tempfile.gettempdir())
    with ExitStack() as trials:
        torch = trials.enter_context(torch_works.torch_trial())
        ray = trials.enter_context(ray_works.RayTrial())
        driver = torch_works.driver_trial()
        if driver is not None:
            trials.enter_context(driver)
        looks = {
            "python": software.python,
            "packages": software.packages,
            "torch pair": software.torch_pair,
            "cores": machine.cores,
            "memory": machine.memory,
            "shared memory": machine.shared_memory,
            "cache folder": lambda: machine.cache(_cache_folder(cache_dir)),
            "temp folder": lambda: machine.temp(temp),
            "temp path": lambda: ray_works.temp_path(temp),
            "home": machine.home,
            "open files": machine.open_files,
            "other Ray": ray_works.joined,
            "stale Ray": ray_works.stale_address,
            "dashboard port": ray_works.dashboard_port,
        }
        checks = [guarded(name, look) for name, look in looks.items()]
        if hub:
            checks.append(guarded("hub", software.hub))
        seen = driver.outcome() if driver is not None else None
        checks += torch_works.torch_checks(torch.outcome(), seen)
        checks.append(ray_works.ray_check(ray.outcome()))
    return checks


def exit_of(checks: Sequence[Check]) -> Exit:
    """GOOD, or DEGRADED when something will keep a run from working."""
    return Exit.DEGRADED if any(check.level == "problem" for check in checks) else Exit.GOOD


def _cache_folder(setting: str) -> Path:
    """As pixels.cache.cache_root, which imports too much for an installation that may be broken."""
    told = setting if setting != "auto" else os.environ.get("MASKCLS_CACHE") or "~/.cache/maskcls"
    return Path(told).expanduser().absolute()
