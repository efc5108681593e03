"""Files of Debian packages, without installing them."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def unpack(packages: Sequence[str], folder: Path) -> None:
    """Download packages with the machine's own apt and unpack them into folder; needs no root.

    Raises CalledProcessError where apt knows no such package or cannot reach its server; apt's own
    message says which.
    """
    # As root, apt downloads as its user _apt, who cannot write here, and warns.
    own_user = ["-o", f"APT::Sandbox::User={folder.owner()}"]
    subprocess.run(["apt-get", *own_user, "download", *packages], cwd=folder, check=True)
    for archive in sorted(folder.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
        archive.unlink()
