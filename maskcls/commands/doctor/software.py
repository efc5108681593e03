"""Python and the packages: whether they are installed, and compatible with each other."""

import importlib.metadata
import os
import platform
import sys
import urllib.parse
import urllib.request

from maskcls.commands.doctor.check import Check, Probe
from maskcls.core.processes import python_command

PACKAGES = ("maskcls", "ray", "torch", "torchvision", "timm", "numpy", "pyarrow")


def version_of(package: str) -> str | None:
    """Installed version, None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements_of(package: str) -> list[str]:
    """The package's requirements, as in its metadata."""
    try:
        return importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def python() -> Check:
    """Version, platform and path of Python."""
    text = f"{platform.python_version()} on {platform.platform()}, {sys.executable}"
    return Check("python", "ok", text)


def packages() -> Check:
    """Versions of the packages that matter most; a missing one is a problem."""
    versions = {name: version_of(name) for name in PACKAGES}
    listed = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if missing := [name for name, version in versions.items() if version is None]:
        text = f"{', '.join(missing)} not installed; install maskcls again. Installed: {listed}"
        return Check("packages", "problem", text)
    # Only a note: other versions often work.
    if unmet := unmet_by("maskcls"):
        text = f"maskcls requires {', '.join(unmet)}; this may work, but is not tested. {listed}"
        return Check("packages", "note", text)
    return Check("packages", "ok", listed)


def torch_pair() -> Check:
    """Whether this torchvision was built for this torch, according to its metadata.

    A wrong pair installs without an error if torch comes from another index, and fails at import.
    """
    torch, vision = version_of("torch"), version_of("torchvision")
    if unmet := unmet_by("torchvision", "torch"):
        text = (
            f"torchvision {vision} requires {', '.join(unmet)}, but torch is {torch}; install the"
            " two together: pip install --upgrade torch torchvision"
        )
        return Check("torch pair", "problem", text)
    return Check("torch pair", "ok", f"torchvision {vision} accepts torch {torch}")


def unmet_by(package: str, only: str | None = None) -> list[str]:
    """The package's requirements (of one other, if named) that the installed versions do not meet.

    Extras are left out. A local part such as +cpu does not matter; a pre-release counts.
    """
    from packaging.requirements import Requirement  # installed with ray

    unmet = []
    for text in requirements_of(package):
        wanted = Requirement(text)
        if (only and wanted.name != only) or (wanted.marker and not wanted.marker.evaluate()):
            continue
        version = version_of(wanted.name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            unmet.append(f"{wanted.name}{wanted.specifier}")
    return unmet


HUB = "https://huggingface.co"
_TIMEOUT_S = 3.0
_WITHOUT = (
    "pretrained weights cannot be downloaded from the hub: set model.weights=PATH or none, or use"
    " those that were downloaded before"
)
_PROGRAM = (
    "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"
)


def hub() -> Check:
    """Whether the hub, or the proxy for it, accepts a connection."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return Check("hub", "note", f"HF_HUB_OFFLINE is set; {_WITHOUT}")
    host, port = _address(os.environ.get("HF_ENDPOINT") or HUB)
    shown, proxy = f"{host}:{port}", urllib.request.getproxies().get("https")
    if proxy and not urllib.request.proxy_bypass(host):
        host, port = _address(proxy)
        shown += f" through {host}:{port}"  # the proxy's user and password are left out
    if reachable(host, port):
        return Check("hub", "ok", f"{shown} can be reached")
    return Check("hub", "note", f"{shown} cannot be reached; {_WITHOUT}")


def reachable(host: str, port: int) -> bool:
    """Whether the port accepts a connection within 3 s.

    Tried in another process, as no timeout applies to looking up the host's name.
    """
    command = python_command("-c", _PROGRAM, host, str(port))
    with Probe(command, _TIMEOUT_S + 1) as probe:
        return probe.result().code == 0


def _address(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url if "//" in url else f"//{url}")
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)
