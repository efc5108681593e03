"""Ray's job client, with an end to each of its requests."""

from typing import Any

from maskcls.commands.submit.address import Address
from maskcls.commands.submit.words import quiet_ray

_CONNECT_S = 10.0
_ANSWER_S = 60.0  # Ray's dashboard waits 10 s for a node that may start the job
_UPLOAD_S = 600.0


def make_client(address: Address) -> Any:
    """Ray's job client with an end to each of its requests; asks the cluster for its version."""
    from ray.job_submission import JobSubmissionClient

    quiet_ray()

    class Client(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            # A body is sent within the time for connecting.
            limits = (_UPLOAD_S, _UPLOAD_S) if method == "PUT" else (_CONNECT_S, _ANSWER_S)
            return super()._do_request(method, endpoint, timeout=limits, **options)

    return Client(address.url)
