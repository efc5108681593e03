"""Folder, manifest, table and lease on an S3 server on loopback."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import numpy as np
import pandas as pd
import pytest

from maskcls.core.errors import RunFailed, UserError
from maskcls.store import folder as folders
from maskcls.store.folder import Folder
from maskcls.store.lease import LEASE, Lease
from maskcls.store.lease_renewal import RenewedLease
from maskcls.store.manifest import MANIFEST, why_invalid, write_manifest
from maskcls.store.tables import read_table, write_table
from tests.object_store import Bucket, new_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with new_bucket() as bucket:
        yield bucket


@pytest.fixture
def uri(bucket: Bucket, request: pytest.FixtureRequest) -> str:
    """A folder's URI, another for each test."""
    return bucket.uri(request.node.originalname)


@pytest.fixture
def folder(uri: str) -> Folder:
    return Folder.at(uri)


def test_reading_what_was_written(folder: Folder, uri: str) -> None:
    assert not folder.exists()
    assert folder.list() == []
    folder.write_bytes("deep/가 #%?.bin", b"\x00\xff")
    folder.write_json("b.json", {"a": "가"})
    folder.write_bytes("b.json.empty", b"")
    again = Folder.at(folder.location)
    assert again.read_bytes("deep/가 #%?.bin") == b"\x00\xff"
    assert again.child("deep").read_bytes("가 #%?.bin") == b"\x00\xff"
    assert again.read_json("b.json") == {"a": "가"}
    assert again.read_bytes("b.json.empty") == b""
    assert again.is_dir("deep")
    assert again.exists("b.json")
    assert not again.is_dir("b.json")
    assert [entry.name for entry in again.list()] == ["b.json", "b.json.empty", "deep"]
    assert [(e.name, e.size_bytes) for e in again.list(recursive=True) if e.is_file] == [
        ("b.json", 17), ("b.json.empty", 0), ("deep/가 #%?.bin", 2),
    ]  # fmt: skip
    assert again.list()[0].mtime_ns > 1.7e18
    with pytest.raises(FileNotFoundError):
        again.read_bytes("missing")
    with pytest.raises(RuntimeError, match="not on the local disk"):
        _ = folder.local_path
    assert folder.free_bytes() is None
    assert folder.location == uri


def test_a_small_file_is_one_request(folder: Folder, uri: str, bucket: Bucket) -> None:
    """Of an upload in parts, the ETag ends in their number."""
    folder.write_bytes("small", b"1")
    client = boto3.client("s3", endpoint_url=f"http://{bucket.server}", region_name="us-east-1")
    key = urlsplit(uri).path.strip("/") + "/small"
    assert "-" not in client.head_object(Bucket=bucket.name, Key=key)["ETag"]


def test_large_files_come_in_chunks(folder: Folder) -> None:
    data = np.random.default_rng(0).bytes(2 * folders.CHUNK_BYTES + 5)
    folder.write_bytes("large", data)
    chunks = list(folder.read_chunks("large"))
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= folders.CHUNK_BYTES


def test_delete(folder: Folder) -> None:
    for name in ("a", "go/b", "go/deep/c", "gone"):
        folder.write_bytes(name, b"1")
    for name in ("go", "gone", "missing"):
        folder.delete(name)
    assert [entry.name for entry in folder.list(recursive=True)] == ["a"]


def test_endpoint_may_come_from_the_environment(
    folder: Folder, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_bytes("a", b"1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{bucket.server}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert Folder.at(folder.shown).read_bytes("a") == b"1"


def test_publish_puts_the_manifest_last(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    puts: list[str] = []
    put = folders.put_file

    def recording(store: object, path: str, file: Path) -> None:
        assert not folder.exists(f"best/{MANIFEST}")
        puts.append(file.name)
        put(store, path, file)

    monkeypatch.setattr(folders, "put_file", recording)
    for content in ("old", "new"):
        staged = folder.staging("best/0")
        (staged / "z").mkdir()
        (staged / "z" / content).write_text(content)
        (staged / "empty").write_text("")
        write_manifest(staged, {"content": content})
        folder.publish(staged, "best")
        assert not staged.exists()
    assert puts == ["empty", "old", MANIFEST, "empty", "new", MANIFEST]
    files = [entry.name for entry in folder.list("best", recursive=True) if entry.is_file]
    assert files == ["empty", MANIFEST, "z/new"]
    assert why_invalid(folder, "best") is None
    assert folder.read_json(f"best/{MANIFEST}")["content"] == "new"


def test_damage_is_noticed(folder: Folder) -> None:
    staged = folder.staging("best")
    (staged / "a").write_bytes(b"12345")
    write_manifest(staged, {})
    folder.publish(staged, "best")
    folder.write_bytes("best/a", b"12346")
    assert why_invalid(folder, "best") == "a has another checksum than when it was written"
    folder.write_bytes("best/a", b"1234")
    assert why_invalid(folder, "best") == "a has 4 bytes instead of 5"
    folder.delete("best/a")
    assert why_invalid(folder, "best") == "a is missing"
    folder.delete(f"best/{MANIFEST}")
    assert why_invalid(folder, "best") == f"{MANIFEST} is missing"


def test_tables(folder: Folder) -> None:
    write_table(folder, "a.parquet", pd.DataFrame({"a": [1, 2]}))
    assert read_table(folder, "a.parquet").a.tolist() == [1, 2]
    with pytest.raises(UserError, match=r"^s3://bucket-\w+/test_tables/b\.parquet: there is no"):
        read_table(folder, "b.parquet")


def test_missing_bucket_is_named_without_its_options(bucket: Bucket, uri: str) -> None:
    folder = Folder.at(uri.replace(bucket.name, "no-such-bucket"))
    assert folder.list() == []
    with pytest.raises(UserError, match=r"^s3://no-such-bucket/test_missing.*no such bucket"):
        folder.write_bytes("a", b"1")


def _lease(
    folder: Folder,
    purpose: str,
    settle_s: float = 0.1,
    said: list[str] | None = None,
    free_after_s: float = 3.0,
) -> Lease:
    say = [].append if said is None else said.append
    return Lease(folder, purpose, say, renew_s=0.2, free_after_s=free_after_s, settle_s=settle_s)


def test_lease_is_renewed_and_refuses_others_until_released(folder: Folder) -> None:
    with _lease(folder, "train") as lease:
        first = folder.list()[0].mtime_ns
        time.sleep(1.5)
        assert folder.list()[0].mtime_ns > first
        asked = time.monotonic()
        with (
            pytest.raises(UserError, match=r"another command \(train, pid \d+ on host .* stop it"),
            _lease(folder, "evaluate", free_after_s=300.0),
        ):
            pass
        assert time.monotonic() - asked < 60  # a renewal, and not the end of the lease, decides
        lease.check()
    assert not folder.exists(LEASE)
    with _lease(folder, "evaluate"):
        assert folder.read_json(LEASE)["purpose"] == "evaluate"
    assert [entry.name for entry in folder.list()] == []


def test_lease_of_a_killed_holder_is_free_after_a_while(folder: Folder) -> None:
    folder.write_json(LEASE, {"holder": "x", "purpose": "train", "pid": 1, "host": "dead"})
    said: list[str] = []
    asked = time.monotonic()
    with _lease(folder, "evaluate", said=said):
        assert folder.read_json(LEASE)["purpose"] == "evaluate"
    assert time.monotonic() - asked > 1.5  # 3 s, less the second that the store's times are cut by
    (text,) = said
    assert "held by train, pid 1 on host dead" in text
    with _lease(folder, "evaluate", said=said):
        assert len(said) == 1


def test_lease_that_is_written_again_unchanged_refuses_too(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RenewedLease, "_write", lambda lease: pytest.fail("took the lease over"))
    held, ended = {"holder": "x", "purpose": "train", "pid": 1, "host": "alive"}, threading.Event()

    def renew() -> None:
        while not ended.wait(0.2):
            folder.write_json(LEASE, held)

    folder.write_json(LEASE, held)
    renewer = threading.Thread(target=renew)
    renewer.start()
    try:
        with (
            pytest.raises(UserError, match="pid 1 on host alive"),
            _lease(folder, "evaluate", free_after_s=6.0),
        ):
            pass
    finally:
        ended.set()
        renewer.join()
    assert folder.read_json(LEASE) == held


def test_of_two_that_come_together_one_gets_the_lease(folder: Folder) -> None:
    results: list[str] = []
    start = threading.Barrier(4)

    def claim(purpose: str) -> None:
        start.wait()
        try:
            # Long enough that all four have written, even where the server is kept waiting.
            with _lease(folder, purpose, settle_s=3.0, free_after_s=30.0):
                results.append("held")
                time.sleep(1.0)
        except UserError:
            results.append("refused")

    threads = [threading.Thread(target=claim, args=(f"{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["held", "refused", "refused", "refused"]


def test_holder_notices_that_another_took_over(folder: Folder) -> None:
    with _lease(folder, "train") as lease:
        folder.write_json(LEASE, {"holder": "other"})
        deadline = time.monotonic() + 10
        while not lease.lost and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(RunFailed, match="took the run over"):
            lease.check()
    assert folder.read_json(LEASE) == {"holder": "other"}
