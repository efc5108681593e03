"""Which cluster is meant, how it is guarded, and which token it gets."""

import os
from pathlib import Path

import pytest

from maskcls.commands import submit as submitting
from maskcls.commands.submit import Order
from maskcls.commands.submit.address import (
    Address,
    Mode,
    authentication_mode,
    parse_address,
    prepare_environment,
    refuse_open,
    require_token,
)
from maskcls.core.errors import UserError
from tests.commands.submit.dashboards import LOCAL, MODE_PAGE, REMOTE, SECURE, Serve, unused_address
from tests.conftest import Heard


def test_the_option_wins_over_the_variable_and_both_over_loopback() -> None:
    named = {"RAY_API_SERVER_ADDRESS": "http://variable:1"}
    assert parse_address("https://Option/ray/", named) == Address("https://Option/ray", "option")
    assert parse_address(None, named).url == "http://variable:1"
    assert parse_address(None, {}).url == "http://127.0.0.1:8265"
    assert parse_address(None, {"RAY_API_SERVER_ADDRESS": ""}).url == "http://127.0.0.1:8265"


@pytest.mark.parametrize(
    "text",
    ["auto", "ray://head:10001", "127.0.0.1:8265", "localhost:8265", "http://", "http://h:port",
     "http://[::1", "http://h?x=1", "file:///x", ""],
)  # fmt: skip
def test_what_is_no_dashboards_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--address .*http://HOST:8265"):
        parse_address(text, {})


@pytest.mark.parametrize("text", ["http://user:hidden@head:8265", "user:hidden@head:8265"])
def test_a_password_in_the_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_address(text, {})
    assert "hidden" not in str(refused.value)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(UserError, match=r"^RAY_API_SERVER_ADDRESS auto:"):
        parse_address(None, {"RAY_API_SERVER_ADDRESS": "auto"})


@pytest.mark.parametrize(
    ("url", "loopback"),
    [("http://127.0.0.1:8265", True), ("http://127.9.8.7", True), ("http://[::1]:8265", True),
     ("https://LOCALHOST", True), ("http://0.0.0.0:8265", False), ("http://10.0.0.7", False),
     ("http://localhost.example.org", False), ("http://127.0.0.1.example.org", False),
     ("http://[2001:db8::1]:8265", False)],
)  # fmt: skip
def test_loopback_is_this_machine_alone(url: str, loopback: bool) -> None:
    assert parse_address(url, {}).is_loopback == loopback


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_the_cluster_is_asked_how_it_is_guarded_without_the_token(
    serve: Serve, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "secret")
    server = serve({"authentication_mode": mode})
    assert authentication_mode(parse_address(server.url, {})) == mode
    assert server.asked == [(MODE_PAGE, None)]


def test_a_proxy_is_not_asked_for_this_machine(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", unused_address())
    server = serve({"authentication_mode": "token"})
    assert authentication_mode(parse_address(server.url, {})) == "token"


@pytest.mark.parametrize(
    ("answer", "code", "reported"),
    [(b"no such page", 404, "HTTP 404"), (b"", 401, "HTTP 401"), (b"<html>", 200, "understood"),
     (b"\xff\xfe\xfa", 200, "understood"), ([], 200, "authentication mode"),
     ({}, 200, "authentication mode"),
     ({"authentication_mode": "unknown"}, 200, "authentication mode"),
     ({"authentication_mode": None}, 200, "authentication mode")],
)  # fmt: skip
def test_who_does_not_answer_as_ray_does_is_not_ray(
    serve: Serve, answer: object, code: int, reported: str
) -> None:
    server = serve(answer, code)
    with pytest.raises(UserError, match=f"not the dashboard of a Ray.*{reported}"):
        authentication_mode(parse_address(server.url, {}))


def test_an_address_where_nobody_listens_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"no answer \(.*refused\)"):
        authentication_mode(parse_address(unused_address(), {}))


def test_silence_has_an_end(deaf: str) -> None:
    with pytest.raises(UserError, match=r"no answer \(.*timed out\)"):
        authentication_mode(parse_address(deaf, {}), timeout_s=0.1)


def test_an_open_cluster_is_used_through_loopback_only() -> None:
    refuse_open(LOCAL, "disabled")
    refuse_open(REMOTE, "token")
    for address in (REMOTE, SECURE):
        with pytest.raises(UserError, match="RAY_AUTH_MODE=token"):
            refuse_open(address, "disabled")


@pytest.mark.parametrize(
    ("address", "mode", "warned"),
    [(REMOTE, "token", True), (SECURE, "token", False), (LOCAL, "token", False),
     (LOCAL, "disabled", False)],
)  # fmt: skip
def test_a_token_that_travels_unencrypted_is_warned_of(
    address: Address, mode: Mode, warned: bool, heard: Heard
) -> None:
    submitting._warn(Order("train", ("s3://b/d",)), address, mode, heard)
    assert ["unencrypted" in text for text in heard.warnings] == [True] * warned


def test_credentials_in_a_location_are_warned_of_and_not_repeated(heard: Heard) -> None:
    submitting._warn(Order("train", ("s3://key:hidden@b/d",)), LOCAL, "token", heard)
    assert len(heard.warnings) == 1
    assert "hidden" not in heard.warnings[0]


def test_a_token_is_looked_for_where_ray_looks(
    own_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        UserError, match=r"RAY_AUTH_TOKEN, .*RAY_AUTH_TOKEN_PATH.*~/\.ray/auth_token"
    ):
        require_token()
    (own_environment / ".ray").mkdir()
    (own_environment / ".ray" / "auth_token").write_text("abc\n")
    require_token()
    # A path that is named and leads nowhere is an error for Ray, too.
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(UserError, match="none is found here"):
        require_token()
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(UserError, match="none is found here"):
        require_token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    require_token()


@pytest.mark.parametrize("token", ["hidden\nlines", "hidden words", "hidden\u00e4"])
def test_a_token_that_no_header_can_hold_is_refused_and_not_repeated(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with pytest.raises(UserError) as refused:
        require_token()
    assert "hidden" not in str(refused.value)


def test_ray_is_configured_to_send_the_token_and_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("RAY_AUTH_MODE")
    prepare_environment(LOCAL, "token")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_API_SERVER_ADDRESS"] == LOCAL.url
    assert os.environ["no_proxy"] == "example.org,127.0.0.1"


def test_no_token_is_sent_to_who_asks_for_none() -> None:
    prepare_environment(LOCAL, "disabled")  # and none is needed
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def test_a_token_that_the_user_keeps_back_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(UserError, match="RAY_AUTH_MODE=disabled prevents sending the token"):
        prepare_environment(LOCAL, "token")
