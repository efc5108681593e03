"""URIs: what is shown of them, and which are refused."""

import pytest

from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from maskcls.store.uris import Uri, endpoint, refuse_credentials


@pytest.mark.parametrize(
    "uri",
    ["s3://KEY:SEC%2FRET@b/runs", "s3://KEY@b/runs", "s3://KEY:SECRET@b/runs?scheme=http"],
)
def test_options_and_credentials_are_never_shown(uri: str) -> None:
    folder = Folder(uri, is_local=False).child("가 a", "x")
    assert folder.shown == "s3://b/runs/가 a/x"
    assert str(folder) == folder.shown
    assert repr(folder) == "Folder('s3://b/runs/가 a/x')"
    assert folder.location.startswith(uri.partition("?")[0])


@pytest.mark.parametrize("secret", ["SEC/RET", "12/RET", "SEC?RET", "SEC RET", "SEC#RET"])
def test_secret_that_breaks_the_uri_is_not_shown(secret: str) -> None:
    with pytest.raises(UserError) as caught:
        Folder.at(f"s3://KEY:{secret}@bucket/a?region=x")
    said = str(caught.value).partition(": a URI must not hold credentials")[0]
    for part in ("KEY", "SEC", "RET", "12"):
        assert part not in said
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


WITH_CREDENTIALS = [
    "s3://KEY:SECRET@b/runs", "s3://KEY@b/runs", "s3://KEY:SEC/RET@b/runs", "gs://token@b/runs",
    "abfs://container:SECRET@account/runs", "abfss://:SECRET@account/runs", "hdfs://me@host:8020/a",
    "S3://KEY:SECRET@b", "file://me:SECRET@localhost/a", "s3://b/a?secret_key=SECRET",
    "abfs://c@account/a?client_secret=SECRET&tenant_id=1",
]  # fmt: skip


@pytest.mark.parametrize("uri", WITH_CREDENTIALS)
def test_a_uri_with_credentials_is_refused_wherever_it_stands(uri: str) -> None:
    looks = (
        lambda: Folder.at(uri),
        lambda: Folder.of_file(f"{uri}/out.csv" if "?" not in uri else uri),
        lambda: refuse_credentials(f"--run={uri}"),
        lambda: refuse_credentials(f"s3://b/first {uri}", "rows.extra"),
    )
    for look in looks:
        with pytest.raises(UserError, match=r"must not hold credentials.*environment") as raised:
            look()
        (line,) = str(raised.value).splitlines()
        assert "SEC" not in line.replace("AWS_SECRET_ACCESS_KEY", "")
        assert "token@" not in line


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b", "s3://bucket/a:b@c", "abfs://container@account/runs", "hdfs://host:8020/a@b",
        "gs://anonymous@public/a", "http://127.0.0.1:8265", "http://host:8265/a@b", "me@host:runs/a",
        "s3://b/a?endpoint_override=127.0.0.1:9000&scheme=http&region=x", "runs/a?token=1",
        "abfs://c@account/a?credential_kind=cli",
    ],
)  # fmt: skip
def test_what_holds_no_credentials_is_let_through(text: str) -> None:
    refuse_credentials(text)


def test_a_uri_is_kept_as_typed_but_encoded_once() -> None:
    assert (
        str(Uri.parse("s3://bucket/my runs/a%20b/?region=x"))
        == "s3://bucket/my%20runs/a%20b?region=x"
    )
    below = Uri.parse("gs://bucket/runs").below("가 1")
    assert str(below) == "gs://bucket/runs/%EA%B0%80%201"
    assert below.shown == "gs://bucket/runs/가 1"
    assert below.root == "gs://bucket"


def test_the_endpoint_of_s3_alone_goes_before_the_general_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://a")
    assert endpoint() == "http://a"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://b")
    assert endpoint() == "http://b"
