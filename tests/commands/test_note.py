"""`maskcls note`: notes are added in order, and what says nothing is refused."""

from pathlib import Path

import pytest

from maskcls.cli.main import main
from maskcls.cli.verbs.note import VERB
from maskcls.commands.note import note
from maskcls.config.resolve import resolve
from maskcls.core.errors import Exit, UserError
from maskcls.store.folder import Folder
from maskcls.store.run import Run
from tests.record_factory import record
from tests.tasks import FRUIT


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(Folder.at(tmp_path / "run"))
    run.write_config(resolve("plain"))
    run.write_task(FRUIT)
    run.write_record(record({}))
    return run


def test_notes_are_kept_in_order(run: Run, capsys: pytest.CaptureFixture[str]):
    at = run.folder.location
    first = note(at, "  a text ", [" one "])
    assert (first.text, first.tags) == ("a text", ("one",))
    assert main([VERB.name, at, "두 번째", "--tag", "x", "--tag", "y"]) == 0
    assert capsys.readouterr().out == f"{at}: #x #y 두 번째\n"
    assert [(one.text, one.tags) for one in run.notes()] == [
        ("a text", ("one",)),
        ("두 번째", ("x", "y")),
    ]
    assert run.notes()[0].time <= run.notes()[1].time


@pytest.mark.parametrize(
    ("text", "tags"), [("", ()), ("  ", ()), ("text", ("",)), ("text", ("a", " "))]
)
def test_what_says_nothing_is_refused(run: Run, text: str, tags: tuple[str, ...]):
    with pytest.raises(UserError, match="--tag"):
        note(run.folder.location, text, tags)
    assert run.notes() == []


def test_a_folder_that_is_no_run_stays_as_it_is(tmp_path: Path):
    assert main(["note", str(tmp_path), "text"]) == Exit.MISTAKE
    assert list(tmp_path.iterdir()) == []
