"""Faults and findings: counted, cut, printable."""

import pytest

from maskcls.core.errors import UserError
from maskcls.data.findings import Faults, Finding, Findings


def test_no_fault_raises_nothing() -> None:
    Faults().raise_if_any()


def test_faults_are_a_line_each_up_to_the_limit() -> None:
    faults = Faults(limit=2)
    for number in range(4):
        faults.add(f"line {number}", "wrong")
    with pytest.raises(UserError) as caught:
        faults.raise_if_any()
    assert str(caught.value) == "line 0: wrong\nline 1: wrong\n... and 2 more"


def test_findings_are_grouped_by_kind_and_cut() -> None:
    findings = Findings(limit=2)
    for name in "abc":
        findings.add("no_row", name, "text")
        findings.add("no_images", name, "text") if name == "a" else None
    assert findings.collected() == (
        Finding("no_row", "a", "text"),
        Finding("no_row", "b", "text"),
        Finding("no_row", "b", "... and 1 more like these"),
        Finding("no_images", "a", "text"),
    )


def test_hidden_files_are_one_finding_with_three_examples() -> None:
    findings = Findings()
    for number in range(5):
        findings.skip_hidden(f".{number}")
    (found,) = findings.collected()
    assert found.text == "5 hidden or junk files ignored: .0, .1, .2, ..."


def test_names_that_are_not_utf8_become_printable() -> None:
    faults, findings = Faults(), Findings()
    faults.add("folder \udcb0", "wrong")
    findings.add("no_row", "folder \udcb0", "\udcb1")
    findings.skip_hidden(".\udcb0")
    with pytest.raises(UserError, match=r"folder \\udcb0: wrong"):
        faults.raise_if_any()
    for found in findings.collected():
        assert r"\udcb" in found.where + found.text
        (found.where + found.text).encode("utf-8")
