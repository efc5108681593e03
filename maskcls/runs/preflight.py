"""Ask whether the network can be built, before anything else starts; in a process of its own."""

import json
import subprocess
from contextlib import suppress
from typing import Any

from maskcls.config.resolve import to_json
from maskcls.config.schema import Config
from maskcls.core.errors import HubUnavailable, RunFailed, UserError
from maskcls.core.plain import from_plain
from maskcls.core.processes import python_command, python_environment
from maskcls.store.run import Network

_TIMEOUT_S = 900  # a big backbone over a slow line


class Preflight:
    """The question, asked at once; the answer, when it is needed. The data is read meanwhile."""

    def __init__(self, config: Config) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            python_command("-m", "maskcls.training.inspect_network"), env=python_environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already; answer() says why
            # Far less than a pipe holds, so this does not wait.
            self._process.stdin.write(json.dumps(to_json(config)))
            self._process.stdin.close()
        self._process.stdin = None  # communicate() would flush it

    def answer(self) -> tuple[Network, list[str]]:
        """What the network is, and notes of names and weights that were not taken as written.

        Raises UserError with the sentence of what cannot be built, HubUnavailable when that cannot be
        found out now.
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
        answer: dict[str, Any] = json.loads(out)
        if "error" in answer:
            raise (HubUnavailable if answer["transient"] else UserError)(answer["error"])
        return from_plain(Network, answer), answer["notes"]

    def cancel(self) -> None:
        """End the process, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
