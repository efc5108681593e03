"""File names and locations as messages show them."""

import pytest

from maskcls.core.names import without_credentials


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:secret@bucket/run", "s3://bucket/run"),
        ("--run=gs://token@bucket/a --out s3://k:s@b/c", "--run=gs://bucket/a --out s3://b/c"),
        ("abfs://container@account/run", "abfs://container@account/run"),
        ("abfss://user:secret@account/run", "abfss://account/run"),
        ("://key:secret@bucket", "://bucket"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("someone@example.com", "someone@example.com"),
    ],
)
def test_credentials_are_taken_out_and_nothing_else(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
