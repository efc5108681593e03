"""Paths in settings: relative to the current folder, and refused in a job."""

from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.runs.settings import read_toml, settings, with_absolute_paths

SETTINGS = [
    "rows.corrections=fixes.csv", "rows.extra=more", "rows.pseudo_labels=run",
    "model.weights=a.safetensors",
]  # fmt: skip


def test_a_path_is_the_working_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = with_absolute_paths(resolve("smoke", sets=SETTINGS))
    assert config.rows.corrections == str(tmp_path / "fixes.csv")
    assert config.rows.extra == str(tmp_path / "more")
    assert config.model.weights == str(tmp_path / "a.safetensors")
    plain = with_absolute_paths(resolve("smoke"))
    assert plain == resolve("smoke")


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_job_has_no_folder_of_its_own(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where Ray puts what was submitted; another place after every change of the source.
    job = tmp_path / "working_dir_files/_ray_pkg_0123456789abcdef"
    job.mkdir(parents=True)
    monkeypatch.chdir(job)
    with pytest.raises(UserError, match=rf"^{setting}: a relative path is not valid in a job"):
        with_absolute_paths(resolve("smoke", sets=[setting]))
    name, _, value = setting.partition("=")
    for place in (f"/nfs/{value}", f"s3://bucket/{value}"):
        config = with_absolute_paths(resolve("smoke", sets=[f"{name}={place}"]))
        assert place in repr(config)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_home_folder_that_is_not_there_is_one_sentence(setting: str) -> None:
    name = setting.partition("=")[0]
    config = resolve("smoke", sets=[f"{name}=~nobody-of-this-name/x"])
    with pytest.raises(UserError, match="~nobody-of-this-name/x: there is no such home folder"):
        with_absolute_paths(config)


@pytest.mark.parametrize("setting", SETTINGS)
def test_credentials_are_refused_in_every_setting(setting: str) -> None:
    name = setting.partition("=")[0]
    uri = "s3://KEY:SECRET@bucket/x"
    shown = rf"{name} \(from .*\): s3://bucket/x: a URI must not hold credentials"
    with pytest.raises(UserError, match=shown):
        with_absolute_paths(resolve("smoke", sets=[f"{name}={uri}"]))
    with pytest.raises(UserError, match=shown):
        settings("smoke", sets=[f"{name}={uri}"])


def test_credentials_are_refused_in_a_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('# s3://KEY:SECRET@in.a/comment\n[rows]\nextra = "s3://bucket/more"\n')
    assert settings("smoke", str(file)).rows.extra == "s3://bucket/more"
    file.write_text('[space]\nrows.extra = ["none", "s3://KEY:SECRET@bucket/more"]\n')
    with pytest.raises(
        UserError, match=r"^space\.rows\.extra \(from .*own\.toml\): s3://bucket/more"
    ):
        read_toml(str(file))
