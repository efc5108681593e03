"""Where --config and --space may lie, and what is said when they cannot be read."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.core.errors import UserError
from maskcls.runs.settings import flat_settings, read_toml, settings
from maskcls.store.folder import Folder
from maskcls.tuning.space import read_space
from tests.object_store import Bucket, new_bucket

TEXT = b"[optim]\nlr = 0.25\n"


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with new_bucket() as bucket:
        yield bucket


def refusal(location: str) -> str:
    with pytest.raises(UserError) as raised:
        settings("smoke", location)
    (line,) = str(raised.value).splitlines()
    return line


def test_a_file_wins_over_the_preset_and_set_over_both(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_bytes(TEXT)
    file = str(tmp_path / "own.toml")
    assert settings("smoke", file).optim.lr == 0.25
    assert settings("smoke", file, ["optim.lr=0.5"]).optim.lr == 0.5
    assert flat_settings("smoke", file)["optim.lr"].origin == file
    assert settings("smoke") == settings("smoke", None)


def test_a_local_file_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "최고é.toml"
    (tmp_path / unicodedata.normalize("NFD", name)).write_bytes(TEXT)
    typed = unicodedata.normalize("NFC", name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for location in (typed, f"./{typed}", f"~/{typed}", f"file://{tmp_path}/{typed}"):
        assert settings("smoke", location).optim.lr == 0.25


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.toml")
    assert refusal(missing) == f"{missing}: there is no such file."
    assert refusal(f"{missing}/deeper.toml").startswith(f"{missing}/deeper.toml: ")
    assert refusal(str(tmp_path)) == f"{tmp_path}: this is a folder; name a file in it."
    (tmp_path / "wrong.toml").write_bytes(b"[optim\n")
    assert refusal(str(tmp_path / "wrong.toml")).startswith(f"{tmp_path}/wrong.toml: not a TOML")


def test_files_in_a_bucket(bucket: Bucket) -> None:
    folder = Folder.at(bucket.uri("search"))
    folder.write_bytes("best.toml", TEXT)
    folder.write_bytes("my space.toml", b"[space]\noptim.lr = [1e-3, 1e-4]\n")
    assert settings("smoke", bucket.uri("search/best.toml")).optim.lr == 0.25
    found = read_space(read_toml(bucket.uri("search/my space.toml")), flat_settings("smoke"))
    assert list(found.domains) == ["optim.lr"]
    # As the next command after a search names it.
    assert settings("smoke", folder.child("best.toml").location).optim.lr == 0.25


def test_messages_name_files_in_a_bucket_without_credentials(bucket: Bucket) -> None:
    shown = f"s3://{bucket.name}/search"
    assert refusal(bucket.uri("search/no.toml")) == f"{shown}/no.toml: there is no such file."
    folder = Folder.at(bucket.uri("search"))
    folder.write_bytes("wrong.toml", b"[optim\n")
    folder.write_bytes("faults.toml", b"[optim]\nlrr = 1\n[space]\n")
    assert refusal(bucket.uri("search/wrong.toml")).startswith(f"{shown}/wrong.toml: not a TOML")
    with pytest.raises(UserError, match=rf"optim\.lrr \(from {shown}/faults\.toml\): no such"):
        settings("smoke", bucket.uri("search/faults.toml"))
    with pytest.raises(
        UserError, match=f"{shown}/faults.toml: .optim. is not a section of a space file"
    ):
        read_space(read_toml(bucket.uri("search/faults.toml")), {})
    other = bucket.uri("search/no.toml").replace(bucket.name, f"{bucket.name}-not")
    assert "secret" not in refusal(other)


@pytest.mark.parametrize("verb", ["train", "tune", "pipeline", "lr-find"])
def test_every_command_reads_its_settings_from_a_bucket(
    bucket: Bucket, verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Folder.at(bucket.uri("search")).write_bytes("faults.toml", b"[optim]\nlrr = 1\n")
    folder = str(tmp_path / "run")
    words = [verb, str(tmp_path), "--config", bucket.uri("search/faults.toml")]
    words += [] if verb == "lr-find" else ["--run", folder]
    words += ["--out", str(tmp_path / "out.csv")] if verb in ("lr-find", "pipeline") else []
    if verb == "tune":
        Folder.at(bucket.uri("search")).write_bytes("space.toml", b"[space]\noptim.lr=[1.0, 2.0]\n")
        words += ["--space", bucket.uri("search/space.toml")]
    assert main(words) == 2
    assert f"optim.lrr (from s3://{bucket.name}/search/faults.toml)" in capsys.readouterr().err
