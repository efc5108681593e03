"""What Ray says, in our words: its remarks are left out, and its errors are a sentence each."""

import contextlib
import logging
import re
from collections.abc import Iterator

from maskcls.commands.submit.address import Address
from maskcls.core.errors import RunFailed, UserError


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
