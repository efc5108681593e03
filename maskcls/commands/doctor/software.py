"""Python and the packages: are they there, and do they belong together?"""

import importlib.metadata
import platform
import sys

from maskcls.commands.doctor.check import Check

PACKAGES = ("maskcls", "ray", "torch", "torchvision", "timm", "numpy", "pyarrow")


def version_of(package: str) -> str | None:
    """Installed version, None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements_of(package: str) -> list[str]:
    """What the package asks for, as its metadata spells it."""
    try:
        return importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def python() -> Check:
    """Version, platform and place of Python."""
    text = f"{platform.python_version()} on {platform.platform()}, {sys.executable}"
    return Check("python", "ok", text)


def packages() -> Check:
    """Versions of the packages that matter most; a missing one is a problem."""
    versions = {name: version_of(name) for name in PACKAGES}
    listed = ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    if missing := [name for name, version in versions.items() if version is None]:
        text = f"{', '.join(missing)} not installed; install maskcls again. There is: {listed}"
        return Check("packages", "problem", text)
    if unmet := unmet_by("maskcls"):
        text = f"maskcls asks for {', '.join(unmet)}; this may work, but nobody tries it. {listed}"
        return Check("packages", "note", text)
    return Check("packages", "ok", listed)


def torch_pair() -> Check:
    """Whether torch is one that this torchvision was built for, as its own metadata says.

    A wrong pair installs without complaint if torch comes from elsewhere, and fails at import.
    """
    torch, vision = version_of("torch"), version_of("torchvision")
    if unmet := unmet_by("torchvision", "torch"):
        text = (
            f"torchvision {vision} asks for {', '.join(unmet)}, but torch is {torch}; install the"
            " two together: pip install --upgrade torch torchvision"
        )
        return Check("torch pair", "problem", text)
    return Check("torch pair", "ok", f"torchvision {vision} accepts torch {torch}")


def unmet_by(package: str, only: str | None = None) -> list[str]:
    """The package's requirements (of one other, if named) that the installed versions do not meet.

    Extras are left out. A local part such as +cpu does not matter; a pre-release counts.
    """
    from packaging.requirements import Requirement  # ray brings it

    unmet = []
    for text in requirements_of(package):
        wanted = Requirement(text)
        if (only and wanted.name != only) or (wanted.marker and not wanted.marker.evaluate()):
            continue
        version = version_of(wanted.name)
        if version is None or not wanted.specifier.contains(version, prereleases=True):
            unmet.append(f"{wanted.name}{wanted.specifier}")
    return unmet
