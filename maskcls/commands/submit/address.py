"""Where the cluster is, and whether it is safe to send something there."""

import contextlib
import ipaddress
import json
import logging
import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit

from maskcls.core.errors import RunFailed, UserError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_MODE_S = 10.0  # for the first look at the cluster

Mode = Literal["token", "disabled"]


@dataclass(frozen=True)
class Address:
    """Where Ray's dashboard listens: http(s)://HOST[:PORT][/PATH], no slash at its end."""

    url: str
    host: str

    @property
    def is_encrypted(self) -> bool:
        """Whether others on the way cannot read along."""
        return self.url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it (by itself, or through a tunnel of this user's)."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(option: str | None, environment: Mapping[str, str]) -> Address:
    """The address of --address, of RAY_API_SERVER_ADDRESS, or DEFAULT_ADDRESS.

    Raises UserError when it is not http(s), or has a user, password or query in it.
    """
    name, text = "--address", option
    if text is None:
        name = "RAY_API_SERVER_ADDRESS"
        text = environment.get(name) or DEFAULT_ADDRESS
    shown = text.rpartition("@")[2]  # a password may stand before it
    wrong = f"{name} {shown}: give the dashboard's address, as http://HOST:8265"
    try:
        parts = urlsplit(text.strip())
        parts.port  # noqa: B018  # raises for a port that is no number
    except ValueError as e:
        raise UserError(f"{wrong}.") from e
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{wrong} or https://HOST.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(f"{wrong}, without user, password and query; a token is what lets in.")
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.hostname)


def authentication_mode(address: Address, timeout_s: float = _MODE_S) -> Mode:
    """What the cluster asks of those who want in: "token", or nothing ("disabled").

    Asked without a token; Ray's dashboard tells it to everybody. timeout_s: for the connection, and for
    each wait for an answer. Raises UserError when nobody answers, or somebody who is not Ray.
    """
    # A proxy's loopback is another machine's.
    handlers = [urllib.request.ProxyHandler({})] if address.is_loopback else []
    opener = urllib.request.build_opener(*handlers)
    not_ray = f"{address.url}: this is not the dashboard of a Ray 2.60 cluster"
    try:
        with opener.open(f"{address.url}/api/authentication_mode", timeout=timeout_s) as answer:
            told = json.loads(answer.read(10_000))
    except HTTPError as e:
        e.close()
        raise UserError(f"{not_ray} (HTTP {e.code}); check the address.") from e
    except OSError as e:
        reason = getattr(e, "reason", e)
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        raise UserError(
            f"{address.url}: no answer ({text}); is the cluster up, and its tunnel (ray dashboard"
            " cluster.yaml) open?"
        ) from e
    except (HTTPException, ValueError) as e:
        raise UserError(f"{not_ray} (its answer is not understood); check the address.") from e
    match told:
        case {"authentication_mode": "token"}:
            return "token"
        case {"authentication_mode": "disabled"}:
            return "disabled"
    raise UserError(f"{not_ray} (it does not say how it is guarded); check the address.")


def refuse_open(address: Address, mode: Mode) -> None:
    """UserError for a cluster that asks for no token and listens to more than this machine."""
    if mode == "disabled" and not address.is_loopback:
        raise UserError(
            f"{address.url}: the cluster asks for no token, so whoever reaches it runs code there;"
            " start it with RAY_AUTH_MODE=token."
        )


def prepare_environment(address: Address, mode: Mode) -> None:
    """Set what Ray's client reads, to be called before ray is imported; UserError without a token."""
    if mode == "token":
        # Without it Ray's client sends no token at all.
        if os.environ.setdefault("RAY_AUTH_MODE", "token").lower() != "token":
            raise UserError(
                f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']} keeps the token back that"
                f" {address.url} asks for; unset it."
            )
        require_token()
    else:
        os.environ["RAY_AUTH_MODE"] = "disabled"  # who asks for no token shall not learn ours
    # It and RAY_ADDRESS would win over the address that is handed to Ray's client.
    os.environ["RAY_API_SERVER_ADDRESS"] = address.url
    if address.is_loopback:
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        os.environ["no_proxy"] = f"{others},{address.host}" if others else address.host


def require_token() -> None:
    """UserError unless Ray's client will find a usable token; nothing of it is kept or told."""
    where, token = "RAY_AUTH_TOKEN", os.fsencode(os.environ.get("RAY_AUTH_TOKEN", "")).strip()
    if not token:
        named = os.environ.get("RAY_AUTH_TOKEN_PATH")
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        where = str(path)
        with contextlib.suppress(OSError):
            token = path.read_bytes().strip()
    if not token:
        raise UserError(
            "the cluster asks for a token and there is none here; it is looked for in RAY_AUTH_TOKEN,"
            " in the file that RAY_AUTH_TOKEN_PATH names, else in ~/.ray/auth_token."
        )
    # The error of the HTTP client about such a header would repeat the token.
    if re.fullmatch(rb"[\x21-\x7e]+", token) is None:
        raise UserError(f"{where}: a token is one word of letters and digits; write it anew.")


def quiet_ray() -> logging.Logger:
    """Ray's logger, without its remarks on packing and sending; what matters is told in our words."""
    for name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return logging.getLogger("ray")


@contextlib.contextmanager
def in_words(address: Address, job_id: str, otherwise: str) -> Iterator[None]:
    """Turn what Ray's client raises into a sentence. otherwise: said where it is nobody's mistake."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except BrokenPipeError:  # the reader of our own output has seen enough
        raise
    except AuthenticationError:
        raise UserError(
            f"{address.url}: the token found here is not the cluster's; copy the cluster's into"
            " RAY_AUTH_TOKEN or ~/.ray/auth_token."
        ) from None
    except (OSError, RuntimeError, ValueError) as e:
        if "already exists" in str(e):
            raise UserError(
                f"--id {job_id}: the cluster had a job of this name; choose another."
            ) from e
        raise RunFailed(f"{address.url}: {last_line(str(e))}; {otherwise}") from e


def last_line(text: str) -> str:
    """What an answer comes down to: Ray's dashboard answers errors with whole tracebacks."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return lines[-1][:300].rstrip(".") if lines else "an error without a text"
