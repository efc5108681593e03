"""Tables come back as they were written, for us and for anybody's pandas."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from maskcls.store.tables import (
    Float32,
    column_names,
    logits_column,
    logits_of,
    read_arrow,
    read_parts,
    read_table,
    write_parts,
    write_table,
)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.at(tmp_path)


def _logits(num_rows: int) -> Float32:
    return np.random.default_rng(0).normal(size=(num_rows, 18)).astype(np.float32)


@pytest.mark.parametrize("valid", [[True] * 5, [True, False, True, True, False], [False] * 5, []])
def test_logits_come_back_with_their_nulls(folder: Folder, valid: list[bool]) -> None:
    values, mask = _logits(len(valid)), np.array(valid, dtype=bool)
    write_table(folder, "a.parquet", pa.table({"logits": logits_column(values, mask)}))
    column = read_arrow(folder, "a.parquet")["logits"]
    assert column.type == pa.list_(pa.float32())
    back, back_mask = logits_of(column, 18)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back_mask, mask)
    np.testing.assert_array_equal(back, np.where(mask[:, None], values, np.float32(np.nan)))


def test_valid_logits_are_not_copied() -> None:
    values = _logits(4)
    column = logits_column(values, np.ones(4, dtype=bool))
    assert column.values.buffers()[1].address == values.ctypes.data


def test_logits_of_slices_and_chunks() -> None:
    values = _logits(10)
    mask = np.arange(10) % 3 != 0
    array = logits_column(values, mask)
    back, back_mask = logits_of(array[2:9], 18)
    np.testing.assert_array_equal(back_mask, mask[2:9])
    np.testing.assert_array_equal(back[back_mask], values[2:9][mask[2:9]])
    chunked = pa.chunked_array([array[7:], array[:0], array[0:1], array[1:8]])
    order = [7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7]
    back, back_mask = logits_of(chunked, 18)
    np.testing.assert_array_equal(back_mask, mask[order])
    np.testing.assert_array_equal(back[back_mask], values[order][mask[order]])


def test_rows_of_another_length_are_refused() -> None:
    rows = pa.array([[0.0] * 18, [0.0] * 17, [0.0] * 19], pa.list_(pa.float32()))
    with pytest.raises(ValueError, match="must have 18 values"):
        logits_of(rows, 18)
    with pytest.raises(ValueError, match="must have 4 values"):
        logits_of(rows[:1], 4)


@pytest.mark.parametrize(
    "values",
    [np.zeros((3, 18), np.float32), np.zeros(2, np.float32), np.zeros((2, 18), np.float64)],
    ids=["a row too many", "no classes", "float64"],
)
def test_what_is_no_row_of_logits_for_each_image_is_refused(values: Float32) -> None:
    with pytest.raises(ValueError, match=r"^logits must be float32 \[2, K\]$"):
        logits_column(values, np.ones(2, dtype=bool))


@pytest.mark.parametrize("num_classes", [2, 4, 1000])
def test_logits_of_any_number_of_classes_come_back(folder: Folder, num_classes: int) -> None:
    values = np.random.default_rng(1).normal(size=(5, num_classes)).astype(np.float32)
    mask = np.array([True, False, True, True, False])
    write_table(folder, "a.parquet", pa.table({"logits": logits_column(values, mask)}))
    back, back_mask = logits_of(read_arrow(folder, "a.parquet")["logits"], num_classes)
    np.testing.assert_array_equal(back_mask, mask)
    np.testing.assert_array_equal(back[mask], values[mask])
    assert np.isnan(back[~mask]).all()


def test_columns_are_named_without_reading_them(folder: Folder) -> None:
    write_table(folder, "a.parquet", pa.table({"image": ["a"], "group": ["b"]}))
    assert column_names(folder, "a.parquet") == ("image", "group")
    (folder.local_path / "b.parquet").write_bytes(b"no table")
    for name in ("b.parquet", "c.parquet"):
        with pytest.raises(UserError, match=name):
            column_names(folder, name)


def test_pandas_sees_arrays_and_missing_rows(folder: Folder) -> None:
    values, mask = _logits(3), np.array([True, False, True])
    table = pa.table({"row": [0, 1, 2], "logits": logits_column(values, mask)})
    write_table(folder, "a.parquet", table)
    for frame in (
        pd.read_parquet(folder.local_path / "a.parquet"),
        read_table(folder, "a.parquet"),
    ):
        assert frame.logits.notna().tolist() == [True, False, True]
        assert frame.logits[1] is None
        assert isinstance(frame.logits[0], np.ndarray)
        assert frame.logits[0].dtype == np.float32
        np.testing.assert_array_equal(frame.logits[2], values[2])


def test_frame_with_lists_comes_back(folder: Folder) -> None:
    frame = pd.DataFrame(
        {
            "logits": [np.arange(18, dtype=np.float64), None, [1.0, 2.0], np.zeros(0)],
            "name": ["가", None, "b", "c"],
            "row": np.arange(4, dtype=np.int32),
            "ok": [True, False, True, True],
            "score": [0.5, np.nan, 1.0, 2.0],
            "when": pd.to_datetime(["2026-01-01"] * 4, utc=True),
        },
        index=[3, 1, 2, 0],
    )
    write_table(folder, "a.parquet", frame, list_columns=("logits",))
    back = read_table(folder, "a.parquet")
    assert list(back.columns) == list(frame.columns)
    assert [None if row is None else row.tolist() for row in back.logits] == [
        list(range(18)), None, [1.0, 2.0], [],
    ]  # fmt: skip
    plain = frame.drop(columns="logits").reset_index(drop=True)
    pd.testing.assert_frame_equal(back.drop(columns="logits"), plain)


@pytest.mark.parametrize("rows", [[None, None], []])
def test_list_column_without_any_list_keeps_its_type(folder: Folder, rows: list[None]) -> None:
    frame = pd.DataFrame({"logits": pd.Series(rows, dtype=object)})
    write_table(folder, "a.parquet", frame, list_columns=("logits",))
    column = read_arrow(folder, "a.parquet")["logits"]
    assert column.type == pa.list_(pa.float32())
    assert not logits_of(column, 18)[1].any()


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([object()]),
        pd.Series([b"bytes"]),
        pd.Series([{"a": 1}]),
        pd.Series([1, "mixed"], dtype=object),
        pd.Series(pd.period_range("2026", periods=1, freq="D")),
    ],
)
def test_other_than_plain_types_are_refused(folder: Folder, column: "pd.Series[Any]") -> None:
    with pytest.raises(TypeError, match=r"not (of )?a plain type"):
        write_table(folder, "a.parquet", pd.DataFrame({"a": column}))
    assert not folder.exists("a.parquet")


def test_any_damage_is_reported_with_the_files_name(folder: Folder) -> None:
    with pytest.raises(UserError, match=r"a\.parquet: there is no such file"):
        read_table(folder, "a.parquet")
    write_table(folder, "a.parquet", pd.DataFrame({"a": np.arange(1000)}))
    path = folder.local_path / "a.parquet"
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"a\.parquet: not a complete parquet file"):
            read_table(folder, "a.parquet")
    # Within the first page, where the numbers are.
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(UserError, match=r"a\.parquet: not a complete parquet file"):
        read_table(folder, "a.parquet")


def test_equals_sign_in_the_path_adds_no_column(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path / "lr=0.1")
    write_table(folder, "a.parquet", pd.DataFrame({"a": [1]}))
    assert list(read_table(folder, "a.parquet").columns) == ["a"]


# ---- in parts ------------------------------------------------------------------------------------


def _part(start: int, num_rows: int) -> pa.Table:
    rows = np.arange(start, start + num_rows)
    values = _logits(num_rows) + np.float32(start)
    column = logits_column(values, rows % 3 != 0)
    name = pa.array([f"p{row // 7}" for row in rows], pa.string())
    return pa.table({"row": rows, "person": name, "logits": column})


@pytest.mark.parametrize("sizes", [[5], [5, 1, 12], [0, 4], [3, 0, 3], [0], [40_000, 30_000]])
def test_parts_are_the_whole_table(folder: Folder, sizes: list[int]) -> None:
    starts = np.cumsum([0, *sizes])
    parts = [_part(int(start), size) for start, size in zip(starts, sizes, strict=False)]
    write_parts(folder, "a.parquet", iter(parts))
    whole = pa.concat_tables(parts)
    assert read_arrow(folder, "a.parquet").equals(whole)
    write_table(folder, "b.parquet", whole)
    for name in ("a.parquet", "b.parquet"):
        found = list(read_parts(folder, name))
        least = 1 if whole.num_rows else 0  # of no rows, one part without any
        assert all(least <= part.num_rows <= 4_096 for part in found)
        assert found
        assert pa.concat_tables([whole[:0], *found]).equals(whole)


def test_parts_have_the_columns_that_were_asked_for(folder: Folder) -> None:
    write_table(folder, "a.parquet", _part(0, 10))
    (part,) = read_parts(folder, "a.parquet", ["person", "row"])
    assert sorted(part.column_names) == ["person", "row"]
    assert part["row"].to_pylist() == list(range(10))


def test_row_groups_are_small_however_a_table_is_written(folder: Folder) -> None:
    write_table(folder, "a.parquet", pd.DataFrame({"a": np.arange(70_000)}))
    write_parts(folder, "b.parquet", [pa.table({"a": np.arange(70_000)})])
    for name in ("a.parquet", "b.parquet"):
        file = pq.ParquetFile(folder.local_path / name)
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert max(sizes) <= 32_768
        assert sum(sizes) == 70_000


def test_what_the_iteration_raises_is_raised_and_nothing_written(folder: Folder) -> None:
    write_table(folder, "a.parquet", pd.DataFrame({"a": [1]}))

    def parts() -> Iterator[pa.Table]:
        yield _part(0, 3)
        raise RuntimeError("the third row is a lie")

    with pytest.raises(RuntimeError, match="a lie"):
        write_parts(folder, "a.parquet", parts())
    assert read_table(folder, "a.parquet")["a"].tolist() == [1]
    assert [entry.name for entry in folder.list()] == ["a.parquet"]


def test_parts_of_another_schema_and_other_than_plain_types_are_refused(folder: Folder) -> None:
    with pytest.raises(ValueError, match="schema"):
        write_parts(folder, "a.parquet", [_part(0, 3), pa.table({"row": ["a"]})])
    with pytest.raises(TypeError, match=r"not (of )?a plain type"):
        write_parts(folder, "a.parquet", [pa.table({"a": [b"bytes"]})])
    assert folder.list() == []


def test_damage_is_reported_with_the_files_name_when_read_in_parts_too(folder: Folder) -> None:
    with pytest.raises(UserError, match=r"a\.parquet: there is no such file"):
        list(read_parts(folder, "a.parquet"))
    write_table(folder, "a.parquet", pd.DataFrame({"a": np.arange(1000)}))
    path = folder.local_path / "a.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(UserError, match=r"a\.parquet: not a complete parquet file"):
        list(read_parts(folder, "a.parquet"))
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(UserError, match=r"a\.parquet: not a complete parquet file"):
        list(read_parts(folder, "a.parquet"))
