"""doctor: what this machine has, and what would make a run fail.

Every line checks one thing and changes nothing. What takes long (torch, Ray) is tried in processes of
its own, at the same time as the short checks.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from maskcls.cluster.temporary import named_root
from maskcls.commands.doctor import machine, ray_works, software, torch_works
from maskcls.commands.doctor.check import Check, guarded
from maskcls.commands.doctor.ray_works import ray_starts
from maskcls.core.errors import Exit, RunFailed, UserError
from maskcls.store.places import cache_root

__all__ = ["Check", "diagnose", "exit_of", "ray_starts"]


def diagnose(cache_dir: str = "auto", hub: bool = True) -> list[Check]:
    """Run all checks, in the order in which they are reported; about 20 s on two cores.

    cache_dir: as cluster.cache_dir. hub: whether to try a connection to the model hub.
    """
    temp = Path(named_root() or "/tmp")  # noqa: S108  # only read
    with ExitStack() as probes:
        # The slow probes start first and are read last.
        torch = probes.enter_context(torch_works.torch_probe())
        why_no_ray, ray = "", None
        try:
            ray = probes.enter_context(ray_works.RayProbe())
        except (RunFailed, UserError) as e:  # a line of the report, not the end of doctor
            why_no_ray = str(e)
        driver = torch_works.driver_probe()
        if driver is not None:
            probes.enter_context(driver)
        looks = {
            "python": software.python,
            "packages": software.packages,
            "torch pair": software.torch_pair,
            "cores": machine.cores,
            "memory": machine.memory,
            "shared memory": machine.shared_memory,
            "cache folder": lambda: _cache(cache_dir),
            "temp folder": lambda: machine.temp(temp),
            "temp path": lambda: ray_works.temp_path(temp),
            "home": machine.home,
            "open files": machine.open_files,
            "loopback": machine.loopback,
            "other Ray": ray_works.joined,
            "stale Ray": ray_works.stale_address,
            "dashboard port": ray_works.dashboard_port,
        }
        checks = [guarded(name, look) for name, look in looks.items()]
        if hub:
            checks.append(guarded("hub", software.hub))
        seen = driver.result() if driver is not None else None
        checks += torch_works.torch_checks(torch.result(), seen)
        checks.append(
            Check("Ray starts", "problem", f"not tried: {why_no_ray}")
            if ray is None
            else ray_works.ray_check(ray.result())
        )
    return checks


def exit_of(checks: Sequence[Check]) -> Exit:
    """GOOD, or DEGRADED when something would make a run fail."""
    return Exit.DEGRADED if any(check.level == "problem" for check in checks) else Exit.GOOD


def _cache(setting: str) -> Check:
    try:
        return machine.cache(cache_root(setting))
    except UserError as e:
        return Check("cache folder", "problem", str(e))
