"""`maskcls demo` does not draw into a folder of something else; the whole demo runs in .ci/run."""

from pathlib import Path

import pytest

from maskcls.commands.demo import demo
from maskcls.core.errors import UserError
from tests.conftest import Heard


def test_a_folder_with_other_files_is_refused_and_left_as_it_is(
    tmp_path: Path, heard: Heard
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="data"):
        demo(str(tmp_path), True, heard, ["demo"])
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.txt"]
    assert not (tmp_path / "run").exists()
