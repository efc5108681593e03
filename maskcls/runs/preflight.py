"""Check whether the network can be built, before anything else starts; in a process of its own.

The driver never imports torch: that takes seconds and memory which a run keeps until its end.
"""

import json
import subprocess
from contextlib import suppress
from typing import TypedDict

from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core.errors import HubUnavailable, RunFailed, UserError
from maskcls.core.plain import from_plain
from maskcls.core.processes import python_command, python_environment
from maskcls.core.task import Task
from maskcls.store.run import Network

_TIMEOUT_S = 900  # downloading the weights of a large backbone over a slow line


class _Refusal(TypedDict):
    """What the process prints instead of a description, when the network cannot be built."""

    error: str
    transient: bool


class Preflight:
    """Starts the check at once and waits only when the answer is needed: the data is read meanwhile."""

    def __init__(self, config: Config, task: Task) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            python_command("-m", "maskcls.training.inspect_network"), env=python_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already; answer() reports why
            # The process reads all of it at once, so that this does not block for long.
            asked = {"config": to_json(config), "task": task.to_json()}
            self._process.stdin.write(json.dumps(asked))
            self._process.stdin.close()
        self._process.stdin = None  # communicate() would flush it

    def answer(self) -> tuple[Network, list[str]]:
        """The description of the network, and notes about names and weights that were interpreted.

        Raises UserError when it cannot be built, HubUnavailable when that cannot be determined now.
        """
        try:
            out, err = self._process.communicate(timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired as e:
            self.cancel()
            raise HubUnavailable(
                f"model.weights: the weights did not arrive within {_TIMEOUT_S} s; give a"
                " safetensors file as model.weights=PATH, or model.weights=none."
            ) from e
        if self._process.returncode != 0:
            raise RunFailed(f"checking the model failed: {err.strip()[-2000:]}")
        answer = json.loads(out)
        if "error" in answer:
            refusal: _Refusal = answer
            # The type of the exception does not survive the process, hence the flag: a hub that does
            # not answer is worth another attempt, a name that it does not know is not.
            raise (HubUnavailable if refusal["transient"] else UserError)(refusal["error"])
        return from_plain(Network, answer), answer["notes"]

    def cancel(self) -> None:
        """End the process, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()  # reads the rest, closes the pipes and leaves no zombie
