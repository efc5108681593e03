"""Real Ray clusters on this machine, with ports of their own; ended by their own processes' ids.

`ray stop` would end everybody's Ray, so nothing here uses it.
"""

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TOP = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
_SITE = '''
"""Notes every file below OPENED_BELOW that a process opens."""
import os, sys
if "OPENED_LOG" in os.environ:
    _file = os.open(os.environ["OPENED_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    _below = os.environ["OPENED_BELOW"]
    def _hook(event, args):
        if event == "open" and isinstance(args[0], (str, os.PathLike)):
            path = os.fspath(args[0])
            if isinstance(path, str) and path.startswith(_below):
                os.write(_file, (path + "\\n").encode())
    sys.addaudithook(_hook)
'''


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, outside those that Ray gives to workers and the system to clients."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


@dataclass
class Node:
    """`ray start --block` and what it started. folder: its own; its cache lies there."""

    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def cache(self) -> Path:
        """Where this node keeps decoded images."""
        return self.folder / "cache"

    @property
    def log(self) -> str:
        """What `ray start` has printed."""
        return (self.folder / "log.txt").read_text()

    @property
    def opened(self) -> set[str]:
        """Files below the watched folder that the node's Python processes have opened."""
        log = self.folder / "opened.txt"
        return set(log.read_text().splitlines()) if log.exists() else set()

    def kill(self) -> None:
        """End it as a power cut would; it may be gone already."""
        if self.process.poll() is not None:
            return
        for process in [*_tree(self.process.pid), psutil.Process(self.process.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(20)


@dataclass
class Cluster:
    """A head and its nodes; environment is what a client's commands need."""

    head: Node
    environment: dict[str, str]
    gcs: int
    metrics: int
    root: Path
    temporary: Path
    nodes: list[Node] = field(default_factory=list)

    def add_node(self, name: str, resources: str) -> Node:
        """Join another node with one CPU; its cache and working folder are its own."""
        # One after the other, and again if need be: on a busy machine Ray gives a node up after 30 s.
        for _ in range(3):
            agent, metrics = free_ports(2)
            node = _start(
                self.root / name, self.environment, [
                    f"--address=127.0.0.1:{self.gcs}", "--num-cpus=1", f"--resources={resources}",
                    f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}",
                    "--object-store-memory=100000000", f"--temp-dir={self.temporary / name}",
                ],
            )  # fmt: skip
            until(lambda n=node: "Ray runtime started" in n.log or n.process.poll() is not None, 90)  # type: ignore[misc]
            if node.process.poll() is None:
                self.nodes.append(node)
                return node
        raise RuntimeError(f"node {name} does not start: {node.log[-2000:]}")

    def job(self, *words: str, timeout: float = 500) -> "subprocess.CompletedProcess[str]":
        """`ray job ...`, from the top of the checkout."""
        return subprocess.run(
            [_BIN / "ray", "job", *words], capture_output=True, text=True, timeout=timeout, cwd=TOP,
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def submit(
        self, *words: str, options: tuple[str, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """`ray job submit --working-dir . -- python -m ray_jobs...`."""
        return self.job("submit", "--working-dir", ".", *options, "--", "python", "-m", *words)

    def maskcls(self, *words: str, timeout: float = 500) -> "subprocess.CompletedProcess[str]":
        """A maskcls command of a user who has this cluster's address and token."""
        return subprocess.run(
            [sys.executable, "-m", "maskcls", *words], capture_output=True, text=True,
            timeout=timeout, cwd=TOP, env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def exported(self) -> str:
        """The head's metrics, as Prometheus reads them."""
        url = f"http://127.0.0.1:{self.metrics}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())


@contextmanager
def cluster(root: Path, watched: Path, cpus: int = 2) -> Iterator[Cluster]:
    """A head with its dashboard; root: folder for its nodes. watched: see Node.opened."""
    gcs, dashboard, agent, client, metrics = free_ports(5)
    site = root / "site"
    site.mkdir(parents=True)
    (site / "sitecustomize.py").write_text(_SITE)
    temporary = Path(tempfile.mkdtemp(prefix="mj-", dir="/tmp"))  # short, for sockets
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_metrics_report_interval_ms": "2000",  # 10 s by default, longer than most folds here train
        # Several nodes on one machine cannot all be on loopback: Ray refuses that as a Mac's.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "OPENED_BELOW": str(watched),
    }
    head = _start(
        root / "head", environment, [
            "--head", f"--num-cpus={cpus}", f"--port={gcs}", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}",
            f"--ray-client-server-port={client}", f"--metrics-export-port={metrics}",
            f"--temp-dir={temporary / 'head'}", "--object-store-memory=200000000",
        ],
    )  # fmt: skip
    started = Cluster(head, environment, gcs, metrics, root, temporary)
    try:
        _wait_for(environment["RAY_API_SERVER_ADDRESS"], head)
        yield started
    finally:
        for node in [*started.nodes, head]:
            node.kill()  # at once: asked politely, a head drains for half a minute
        shutil.rmtree(temporary, ignore_errors=True)


def _start(folder: Path, environment: dict[str, str], options: list[str]) -> Node:
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        "MASKCLS_CACHE": str(folder / "cache"),
        "OPENED_LOG": str(folder / "opened.txt"),
    }
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [_BIN / "ray", "start", "--block", *options], cwd=folder, stdout=log,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, **environment, **own},
        )  # fmt: skip
    return Node(process, folder)


def _wait_for(address: str, head: Node) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if head.process.poll() is not None:
            break
        try:
            mode = urllib.request.urlopen(f"{address}/api/authentication_mode", timeout=5)  # noqa: S310
            mode.close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the head does not start: {(head.folder / 'log.txt').read_text()[-2000:]}")


def _tree(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def last_line(text: str) -> str:
    """The last line of a job that `maskcls` wrote in what `ray job submit` printed."""
    found = re.findall(r"^.*maskcls \w+: exit code .*$", text, re.MULTILINE)
    return found[-1].strip() if found else ""


def until(what: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.3)
