"""What doctor says about faked machines, and once about this one."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from maskcls.cluster import requirements, temporary
from maskcls.commands import doctor
from maskcls.commands.doctor import machine, ray_works, software, torch_works
from maskcls.commands.doctor import software as network
from maskcls.commands.doctor.check import Check, Probe, ProbeResult, guarded
from maskcls.core import system as core_cores
from maskcls.core.errors import Exit, UserError

NAMES = [
    "python",
    "packages",
    "torch pair",
    "cores",
    "memory",
    "shared memory",
    "cache folder",
    "temp folder",
    "temp path",
    "home",
    "open files",
    "loopback",
    "other Ray",
    "stale Ray",
    "dashboard port",
    "timm",
    "GPUs",
    "Ray starts",
]
FACTS = '{"names": [], "bf16": false, "cuda": "13.2"}\n'


def _fake(monkeypatch: pytest.MonkeyPatch, module: object, name: str, value: object) -> None:
    """Let the module's reader function return the value."""
    monkeypatch.setattr(module, name, lambda *_: value)


def _says(check: Check, level: str, *texts: str) -> None:
    assert check.level == level, check
    for text in texts:
        assert text in check.text


@pytest.mark.ray
def test_a_true_diagnosis_reports_every_line_and_leaves_nothing_behind(tmp_path: Path) -> None:
    before = set(psutil.pids())
    folders = set(Path(tempfile.gettempdir()).glob(f"{temporary.PREFIX}*"))

    checks = doctor.diagnose(cache_dir=str(tmp_path / "cache"), hub=False)

    assert [check.name for check in checks] == NAMES
    assert all(check.text and "\n" not in check.text for check in checks)
    assert doctor.exit_of(checks) in (Exit.GOOD, Exit.DEGRADED)
    by_name = {check.name: check for check in checks}
    _says(by_name["timm"], "ok")
    # Those of other commands that run at the same time may be there.
    assert set(Path(tempfile.gettempdir()).glob(f"{temporary.PREFIX}*")) <= folders
    assert not (tmp_path / "cache").exists()
    me = psutil.Process()
    assert not [p for p in me.children(recursive=True) if p.pid not in before]


def test_a_problem_degrades_and_a_note_does_not() -> None:
    ok, note = Check("a", "ok", "fine"), Check("b", "note", "look")
    assert doctor.exit_of([ok, note]) is Exit.GOOD
    assert doctor.exit_of([ok, Check("c", "problem", "bad"), note]) is Exit.DEGRADED


def test_a_look_that_raises_becomes_a_problem_with_its_name() -> None:
    def look() -> Check:
        raise OSError("odd machine")

    assert guarded("cores", look) == Check(
        "cores", "problem", "cannot be checked: OSError: odd machine"
    )


# ---------------------------------------------------------------- packages


def _installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str], asks: list[str]) -> None:
    monkeypatch.setattr(software, "version_of", versions.get)
    monkeypatch.setattr(software, "requirements_of", lambda package: asks)


@pytest.mark.parametrize(
    ("torch", "asks", "level"),
    [
        ("2.13.0", "torch==2.13.0", "ok"),
        ("2.13.0+cpu", "torch==2.13.0", "ok"),
        ("2.15.0", "torch (>=2.14.0)", "ok"),
        ("2.15.0a0+git12", "torch (>=2.14.0)", "ok"),
        ("2.15.0", "torch==2.13.0", "problem"),
        ("2.13.0+cpu", "torch (>=2.14.0)", "problem"),
    ],
)
def test_torch_is_held_against_what_torchvision_asks_for(
    torch: str, asks: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _installed(
        monkeypatch,
        {"torch": torch, "torchvision": "0.29.2"},
        ["numpy", asks, 'torch<1; extra == "old"'],
    )
    check = software.torch_pair()
    assert check.level == level
    assert torch in check.text
    assert ("pip install" in check.text) == (level == "problem")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = dict.fromkeys(software.PACKAGES, "1.0")
    del versions["timm"]
    _installed(monkeypatch, versions, [])
    _says(software.packages(), "problem", "timm not installed", "ray 1.0")


def test_a_version_outside_of_what_is_asked_for_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = dict.fromkeys(software.PACKAGES, "2.61.0")
    _installed(monkeypatch, versions, ["ray[train]>=2.60,<2.61"])
    _says(software.packages(), "note", "ray<2.61,>=2.60")


# ---------------------------------------------------------------- machine


def test_dockers_small_shared_memory_is_noted_with_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fake(monkeypatch, machine, "shm_bytes", 64 * 2**20)
    _says(machine.shared_memory(), "note", "64 MiB", "--shm-size")
    _fake(monkeypatch, machine, "shm_bytes", 2**30)
    _says(machine.shared_memory(), "ok", "1024 MiB")


def test_a_containers_limits_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    _fake(monkeypatch, machine, "affinity", 8)
    _fake(monkeypatch, machine, "cpu_limit", 1.5)
    _says(machine.cores(), "note", "64", "may use 8", "limited to 1.5")
    _fake(monkeypatch, machine, "memory_bytes", (64 * 2**30, 60 * 2**30))
    _fake(monkeypatch, machine, "memory_limit", 2**30)
    _says(machine.memory(), "note", "64.0 GiB", "may use 1.0 GiB")


@pytest.mark.parametrize(
    ("files", "cores", "limit"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"}, 1.5, 2**30),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, None, None),
        (
            {
                "cpu/cpu.cfs_quota_us": "200000",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "4096",
            },
            2.0,
            4096,
        ),
        (
            {
                "cpu/cpu.cfs_quota_us": "-1",
                "cpu/cpu.cfs_period_us": "100000",
                "memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
            None,
        ),
        ({}, None, None),
    ],
)
def test_both_kinds_of_cgroup_are_read(
    files: dict[str, str],
    cores: float | None,
    limit: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(core_cores, "CGROUP", tmp_path)
    assert machine.cpu_limit() == cores
    assert machine.memory_limit() == limit


def test_a_cache_folder_that_cannot_be_made_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    _says(machine.cache(tmp_path / "file/cache"), "problem", "is a file", "MASKCLS_CACHE")
    monkeypatch.setattr(os, "access", lambda *_: False)
    _says(machine.cache(tmp_path / "cache"), "problem", f"{tmp_path} is not writable")
    _says(machine.temp(tmp_path), "problem", "TMPDIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    _says(machine.home(), "note", "HF_HOME")


def test_a_disk_that_is_nearly_full_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake(monkeypatch, machine, "disk_bytes", (100 * 2**30, 2**30))
    _says(machine.cache(tmp_path / "not/yet"), "note", "1.0 GiB free")
    _says(machine.temp(tmp_path), "note", "95 %")
    _fake(monkeypatch, machine, "disk_bytes", (100 * 2**30, 50 * 2**30))
    _says(machine.cache(tmp_path), "ok", "50.0 GiB free")
    _says(machine.temp(tmp_path), "ok", "50.0 GiB free")
    _fake(monkeypatch, machine, "disk_bytes", (2**16, 2**16))
    _says(machine.temp(tmp_path), "problem", "0.0 GiB free", "Ray needs 32 MiB", "TMPDIR")
    _says(machine.cache(tmp_path), "problem", "0.0 GiB free", "MASKCLS_CACHE")


def test_a_user_without_a_home_folder_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_home(monkeypatch)
    _says(machine.home(), "problem", "HOME is not set", "MASKCLS_CACHE")
    monkeypatch.delenv("MASKCLS_CACHE")
    _says(doctor._cache("auto"), "problem", "HOME is not set", "cluster.cache_dir")
    with pytest.raises(UserError, match="HOME"):
        ray_works.RayProbe()


def _without_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)


def test_loopback_that_is_down_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    _says(machine.loopback(), "ok")

    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    _says(machine.loopback(), "problem", "Network is unreachable", "ip link set lo up")


def test_a_low_limit_on_open_files_is_noted_and_too_low_a_one_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fake(monkeypatch, machine, "open_files_limit", 1024)
    _says(machine.open_files(), "note", "1024", "ulimit -n")
    _fake(monkeypatch, machine, "open_files_limit", requirements.min_open_files() - 1)
    _says(machine.open_files(), "problem", "ulimit -n 65536")
    _fake(monkeypatch, machine, "open_files_limit", None)
    _says(machine.open_files(), "ok", "no limit")


# ---------------------------------------------------------------- Ray


def test_a_stale_address_of_another_ray_is_noted_and_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    _says(ray_works.stale_address(), "ok", "no leftovers")
    path = tmp_path / "ray/ray_current_cluster"
    path.parent.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        path.write_text(address)
        _says(ray_works.stale_address(), "ok", f"another Ray runs at {address}")
    _says(ray_works.stale_address(), "note", str(path), "remove the file")


def test_a_used_dashboard_port_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(ray_works, "DASHBOARD_PORT", server.getsockname()[1])
        _says(ray_works.dashboard_port(), "note", "in use")
    _says(ray_works.dashboard_port(), "ok", "free")


def test_a_cluster_that_runs_would_join_is_noted_and_a_dead_one_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fake(monkeypatch, ray_works, "require_ray_at", None)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    _says(ray_works.joined(), "note", "10.0.0.1:6379")
    monkeypatch.undo()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    _says(ray_works.joined(), "problem", "RAY_ADDRESS=127.0.0.1:1", "unset RAY_ADDRESS")
    for value in ("", "local"):
        monkeypatch.setenv("RAY_ADDRESS", value)
        _says(ray_works.joined(), "ok")
    monkeypatch.delenv("RAY_ADDRESS")
    _says(ray_works.joined(), "ok")


def test_where_rays_sockets_do_not_fit_is_noted_and_nowhere_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    longest = temporary.max_root_bytes()
    _says(ray_works.temp_path(Path("/tmp")), "ok", str(longest))  # noqa: S108  # never written to
    _says(ray_works.temp_path(Path("/" + "x" * longest)), "note", "characters", str(longest))
    monkeypatch.setattr(temporary, "_STANDARD", ("/no/such",))
    monkeypatch.setenv("TMPDIR", "/neither")
    _says(ray_works.temp_path(Path("/neither")), "problem", "/neither is not a folder", "/no/such")


def test_a_ray_that_does_not_start_is_a_problem_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _fake(monkeypatch, ray_works, "load_per_core", (0.5, 2))
    _says(ray_works.ray_check(ProbeResult(0, "8.1\n", "")), "ok", "after 8.1 s")
    dead = ray_works.ray_check(ProbeResult(1, "", "Traceback\n  ...\nOSError: no socket\n\n"))
    assert dead.text == "a local Ray does not start: OSError: no socket"
    _says(ray_works.ray_check(ProbeResult(None, "", ""), 60), "problem", "within 60 s")
    _fake(monkeypatch, ray_works, "load_per_core", (4.0, 2))
    _says(ray_works.ray_check(ProbeResult(1, "", "x")), "problem", "load is 4.0", "try again")


def test_the_ray_probe_has_a_token_and_joins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_works, "temporary_root", lambda: str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    program = (
        "import os, sys; folder = sys.argv[1]; open(folder + '/log', 'w').close();"
        "print(os.environ.get('RAY_ADDRESS'), os.environ['RAY_AUTH_MODE'],"
        " len(os.environ['RAY_AUTH_TOKEN']))"
    )
    monkeypatch.setattr(ray_works, "_PROGRAM", program)
    with ray_works.RayProbe() as probe:
        assert probe.result().out.split() == ["None", "token", "64"]
        assert len(list(tmp_path.glob(f"{temporary.PREFIX}*/log"))) == 1
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- torch and GPUs


def _gpus(torch: ProbeResult, driver: ProbeResult | None) -> Check:
    return torch_works.torch_checks(torch, driver)[1]


def test_gpus_that_torch_does_not_see_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    none, smi = ProbeResult(0, FACTS, ""), ProbeResult(0, "NVIDIA H200, 143771 MiB, 580.1\n", "")
    _says(_gpus(none, smi), "problem", "NVIDIA H200", "CUDA 13.2", "pytorch.org")
    _says(_gpus(none, None), "ok", "CPU")
    _says(
        _gpus(none, ProbeResult(9, "NVIDIA-SMI has failed\n", "")), "note", "NVIDIA-SMI has failed"
    )
    _says(_gpus(none, ProbeResult(None, "", "")), "note", "did not answer")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _says(_gpus(none, smi), "note", "CUDA_VISIBLE_DEVICES")


def test_gpus_that_torch_sees_are_listed() -> None:
    facts = '{"names": ["NVIDIA H200", "NVIDIA H200"], "bf16": true, "cuda": "13.2"}\n'
    _says(_gpus(ProbeResult(0, facts, ""), None), "ok", "NVIDIA H200, NVIDIA H200", "bfloat16")
    old = facts.replace("true", "false")
    _says(_gpus(ProbeResult(0, old, ""), None), "ok", "no bfloat16")


def test_a_timm_that_cannot_be_imported_is_a_problem_with_its_error() -> None:
    error = "Traceback\nRuntimeError: operator torchvision::nms does not exist\n"
    timm, gpus = torch_works.torch_checks(ProbeResult(1, FACTS, error), None)
    _says(timm, "problem", "operator torchvision::nms does not exist")
    _says(gpus, "ok", "CPU")
    timm, gpus = torch_works.torch_checks(ProbeResult(1, "", "ImportError: libcudart\n"), None)
    _says(timm, "problem", "libcudart")
    _says(gpus, "note", "did not report its GPUs")
    _says(torch_works.torch_checks(ProbeResult(None, "", ""), None)[0], "problem", "120 s")


# ---------------------------------------------------------------- hub


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_proxy")
def test_a_hub_that_cannot_be_reached_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    _fake(monkeypatch, network, "reachable", False)
    _says(network.hub(), "note", "huggingface.co:443", "model.weights=PATH or none")
    _fake(monkeypatch, network, "reachable", True)
    _says(network.hub(), "ok", "huggingface.co:443")


@pytest.mark.usefixtures("no_proxy")
def test_an_offline_hub_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, port: int) -> bool:
        raise AssertionError("no connection was wanted")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(network, "reachable", refuse)
    _says(network.hub(), "note", "HF_HUB_OFFLINE")


@pytest.mark.usefixtures("no_proxy")
def test_a_proxys_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:geheim@proxy.example:3128")
    tried = []
    monkeypatch.setattr(network, "reachable", lambda *to: tried.append(to) is None)
    check = network.hub()
    _says(check, "ok", "through proxy.example:3128")
    assert tried == [("proxy.example", 3128)]
    assert "geheim" not in check.text
    assert "me:" not in check.text


def test_a_port_is_tried_for_true() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert network.reachable("127.0.0.1", port)
    assert not network.reachable("127.0.0.1", port)


# ---------------------------------------------------------------- probes


def _wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


def test_a_probe_whose_time_is_up_ends_with_its_children(tmp_path: Path) -> None:
    # The child leaves the group, as Ray's processes do. Both would outlive this test by far.
    program = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen(['sleep', '3000'], start_new_session=True)\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}\\n'); time.sleep(3000)"
    )
    note = tmp_path / "pids"
    with Probe([sys.executable, "-c", program, str(note)], 1.5) as probe:
        _wait_until(lambda: note.exists() and note.read_text().endswith("\n"))
        parent, child = map(int, note.read_text().split())
        assert probe.result().code is None
    _wait_until(lambda: not _runs(parent) and not _runs(child))


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_probe_reports_code_and_last_words() -> None:
    with Probe([sys.executable, "-c", "print(1); raise SystemExit('no\\n')"], 30) as probe:
        outcome = probe.result()
    assert (outcome.code, outcome.out, outcome.last_line) == (1, "1\n", "no")
    with Probe(["/no/such/program"], 30) as probe:
        assert "No such file" in probe.result().last_line
    with Probe(["sh", "-c", f"kill -{signal.SIGKILL.value} $$"], 30) as probe:
        assert probe.result().last_line == "it ended with -9 and no message"
