"""A run is not gone on with as another one."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskcls.commands import run_identity
from maskcls.config.resolve import resolve
from maskcls.core.errors import UserError
from maskcls.store.paths import Folder


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / ".tmp-other").write_text("mine too")
    with pytest.raises(UserError, match="not empty and is no run"):
        run_identity.refuse_no_run(Folder.at(tmp_path))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".tmp-other", "thesis.txt"]


def test_other_weights_under_the_same_name_are_refused(tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "w.safetensors"
    file.write_bytes(b"one")
    config = resolve("smoke")
    config = replace(config, model=replace(config.model, weights=str(file)))
    network = {"weights_sha256": hashlib.sha256(b"one").hexdigest()}
    run = Folder.at(tmp_path / "run")
    run_identity.refuse_other_weights(run, config, network)
    file.write_bytes(b"two")
    with pytest.raises(UserError, match=r"another model\.weights"):
        run_identity.refuse_other_weights(run, config, network)
    file.unlink()
    with pytest.raises(UserError, match="put it back"):
        run_identity.refuse_other_weights(run, config, network)


def test_a_setting_that_came_later_has_its_default_in_an_older_run(tmp_path: Path) -> None:
    from maskcls.config.resolve import to_json

    run, config = Folder.at(tmp_path), resolve("smoke")
    old = to_json(config)
    del old["optim"]["weight_decay"]
    run.write_json("config.json", old)
    run_identity.refuse_other_settings(run, config)
    with pytest.raises(UserError, match=r"optim\.weight_decay: 0\.0 there, 0\.1 now"):
        run_identity.refuse_other_settings(run, resolve("smoke", None, ["optim.weight_decay=0.1"]))
