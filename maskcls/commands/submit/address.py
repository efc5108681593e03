"""The address of the cluster, and whether it is safe to send anything there."""

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
_MODE_S = 10.0  # for the first request, which shows whether anything answers

Mode = Literal["token", "disabled"]


@dataclass(frozen=True)
class Address:
    """Where Ray's dashboard listens: http(s)://HOST[:PORT][/PATH], no slash at its end."""

    url: str
    host: str

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection cannot be read by others."""
        return self.url.startswith("https://")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it (directly, or through a tunnel of this user)."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(option: str | None, environment: Mapping[str, str]) -> Address:
    """The address of --address, of RAY_API_SERVER_ADDRESS, or DEFAULT_ADDRESS.

    Raises UserError when it is not http(s), or contains a user, password or query.
    """
    name, text = "--address", option
    if text is None:
        name = "RAY_API_SERVER_ADDRESS"
        text = environment.get(name) or DEFAULT_ADDRESS
    shown = text.rpartition("@")[2]  # messages must not show a password, which is before the @
    wrong = f"{name} {shown}: give the dashboard's address, as http://HOST:8265"
    try:
        parts = urlsplit(text.strip())
        parts.port  # noqa: B018  # raises for a port that is no number
    except ValueError as e:
        raise UserError(f"{wrong}.") from e
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"{wrong} or https://HOST.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(f"{wrong}, without user, password and query; access is by token.")
    return Address(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}", parts.hostname)


def authentication_mode(address: Address, timeout_s: float = _MODE_S) -> Mode:
    """The cluster's authentication: "token", or none ("disabled").

    Requested without a token, as Ray's dashboard answers anyone. timeout_s: for the connection, and for
    each wait for an answer. Raises UserError without an answer, or when it is not that of Ray.
    """
    # Without a proxy on loopback, which for a proxy is another machine.
    handlers = [urllib.request.ProxyHandler({})] if address.is_loopback else []
    opener = urllib.request.build_opener(*handlers)
    not_ray = f"{address.url}: this is not the dashboard of a Ray 2.60 cluster"
    try:
        with opener.open(f"{address.url}/api/authentication_mode", timeout=timeout_s) as answer:
            found = json.loads(answer.read(10_000))  # bounded, as any program may answer here
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
    match found:
        case {"authentication_mode": "token"}:
            return "token"
        case {"authentication_mode": "disabled"}:
            return "disabled"
    raise UserError(f"{not_ray} (its answer has no authentication mode); check the address.")


def refuse_open(address: Address, mode: Mode) -> None:
    """UserError for a cluster that requires no token and is reachable from other machines."""
    if mode == "disabled" and not address.is_loopback:
        raise UserError(
            f"{address.url}: the cluster requires no token, so anyone who reaches it can run code"
            " there; start it with RAY_AUTH_MODE=token."
        )


def prepare_environment(address: Address, mode: Mode) -> None:
    """Set the variables of Ray's client, before ray is imported. UserError without a token."""
    if mode == "token":
        # Without this variable Ray's client sends no token at all.
        if os.environ.setdefault("RAY_AUTH_MODE", "token").lower() != "token":
            raise UserError(
                f"RAY_AUTH_MODE={os.environ['RAY_AUTH_MODE']} prevents sending the token that"
                f" {address.url} requires; unset it."
            )
        require_token()
    else:
        os.environ["RAY_AUTH_MODE"] = "disabled"  # do not send our token where none is asked for
    # This variable and RAY_ADDRESS override the address that is passed to Ray's client.
    os.environ["RAY_API_SERVER_ADDRESS"] = address.url
    # `requests` in Ray's client would send the token to a proxy otherwise.
    if address.is_loopback:
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        os.environ["no_proxy"] = f"{others},{address.host}" if others else address.host


def require_token() -> None:
    """UserError unless Ray's client will find a valid token, which is neither kept nor shown."""
    where, token = "RAY_AUTH_TOKEN", os.fsencode(os.environ.get("RAY_AUTH_TOKEN", "")).strip()
    if not token:
        named = os.environ.get("RAY_AUTH_TOKEN_PATH")
        path = Path(named) if named else Path.home() / ".ray" / "auth_token"
        where = str(path)
        with contextlib.suppress(OSError):
            token = path.read_bytes().strip()
    if not token:
        raise UserError(
            "the cluster requires a token and none is found here; it is read from RAY_AUTH_TOKEN,"
            " from the file that RAY_AUTH_TOKEN_PATH names, else from ~/.ray/auth_token."
        )
    # Checked here, as the HTTP client's error about an invalid header would print the token.
    if re.fullmatch(rb"[\x21-\x7e]+", token) is None:
        raise UserError(f"{where}: a token is one word of letters and digits; write it again.")


def quiet_ray() -> logging.Logger:
    """Ray's logger, without its messages on packing and sending, which submit reports itself."""
    for name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return logging.getLogger("ray")


@contextlib.contextmanager
def in_words(address: Address, job_id: str, otherwise: str) -> Iterator[None]:
    """Convert errors of Ray's client into a message. otherwise: added unless it is a user error."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except (
        BrokenPipeError
    ):  # the reader of our own output has closed it; not an error of the cluster
        raise
    except AuthenticationError:
        raise UserError(
            f"{address.url}: the token found here is not the cluster's; copy the cluster's into"
            " RAY_AUTH_TOKEN or ~/.ray/auth_token."
        ) from None
    except (OSError, RuntimeError, ValueError) as e:
        if "already exists" in str(e):
            raise UserError(
                f"--id {job_id}: the cluster already has a job of this name; choose another."
            ) from e
        raise RunFailed(f"{address.url}: {last_line(str(e))}; {otherwise}") from e


def last_line(text: str) -> str:
    """The last line of an answer: Ray's dashboard answers errors with whole tracebacks."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    return lines[-1][:300].rstrip(".") if lines else "an error without a text"
