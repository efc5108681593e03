"""Ray's job client: its requests end, where Ray lets them."""

import logging
import time
from collections.abc import Callable

import pytest

from maskcls.cluster import ray_internals
from maskcls.cluster.ray_internals.submission import Limits, job_client
from tests.commands.submit.dashboards import Serve

VERSION = {"version": "4", "ray_version": "2.60.0", "ray_commit": "x", "session_name": "x"}
LIMITS = Limits(connect=0.3, answer=0.3, upload=0.3)


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)


@pytest.fixture
def logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Callable[[], list[str]]:
    monkeypatch.setattr(ray_internals, "_logged", set())
    caplog.set_level(logging.WARNING, "maskcls")
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("maskcls")]


def test_a_cluster_that_says_nothing_is_not_waited_for(
    deaf: str, logged: Callable[[], list[str]]
) -> None:
    begun = time.monotonic()
    with pytest.raises(Exception, match="timed out"):
        job_client(deaf, LIMITS)
    assert time.monotonic() - begun < 20
    assert logged() == []


def test_requests_that_take_no_timeout_are_sent_without(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]
) -> None:
    from ray.job_submission import JobSubmissionClient

    server = serve(VERSION)
    real = JobSubmissionClient._do_request
    monkeypatch.setattr(
        JobSubmissionClient,
        "_do_request",
        lambda self, method, endpoint, *, data=None, json_data=None: real(
            self, method, endpoint, data=data, json_data=json_data
        ),
    )
    client = job_client(server.url, LIMITS)
    assert type(client) is JobSubmissionClient
    assert client.get_version() == "4"
    assert any("takes no timeout" in text for text in logged())


@pytest.mark.parametrize("is_public", [False, True])
def test_a_request(serve: Serve, monkeypatch: pytest.MonkeyPatch, is_public: bool) -> None:
    monkeypatch.setenv(ray_internals.SWITCH, str(int(is_public)))
    assert job_client(serve(VERSION).url, LIMITS).get_version() == "4"
