"""train.csv alone: people as columns, faults and findings by line."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data.findings import Faults, Findings
from maskcls.data.people_csv import PeopleRows, read_people


def read(
    *rows: str, header: str = "id,gender,race,age,path"
) -> tuple[PeopleRows, Faults, Findings]:
    faults, findings = Faults(), Findings()
    data = "\n".join((header, *rows, "")).encode()
    return read_people(data, "train.csv", faults, findings), faults, findings


def test_people_are_columns_in_the_order_of_the_file() -> None:
    people, faults, findings = read("1,female,Asian,45,b", "2,male,Asian,7, a ")
    faults.raise_if_any()
    assert findings.collected() == ()
    assert people.folder == ["b", "a"]
    assert (list(people.line), list(people.gender), list(people.age)) == ([2, 3], [1, 0], [45, 7])
    assert people.row_of == {"b": 0, "a": 1}


def test_each_wrong_value_of_a_row_is_a_fault() -> None:
    people, faults, _ = read("1,woman,Asian,121,../b", "2,male,Asian,7,a", "3,male,Asian,8,a")
    assert people.folder == ["a"]
    with pytest.raises(UserError) as raised:
        faults.raise_if_any()
    where = [line.partition(": ")[0] for line in str(raised.value).splitlines()]
    assert where == ["train.csv line 2"] * 3 + ["train.csv line 4"]


def test_ids_and_folder_names_are_only_reported() -> None:
    people, faults, findings = read("1,male,Asian,45,1_female_Asian_45", "1,male,Asian,7,a")
    faults.raise_if_any()
    assert list(people.gender) == [0, 0]
    assert [finding.kind for finding in findings.collected()] == ["contradiction", "double_id"]
