"""Tables as parquet files: compressed, atomic, plain types only, readable by anything.

Logits are a nullable list<float32> column, a value per class: pandas shows float32 arrays or None.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from maskcls.core.errors import UserError
from maskcls.store.folder import Folder

Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]

# Arrow's own allocator keeps freed memory; the system's returns it (see core.system.release_memory).
pa.set_memory_pool(pa.system_memory_pool())

# A row group is held in memory whole, by the writer and by the reader.
_GROUP_ROWS = 4_096
LIST_TYPE = pa.list_(pa.float32())


def write_table(
    folder: Folder,
    name: str,
    frame: "pd.DataFrame | pa.Table",
    list_columns: tuple[str, ...] = (),
) -> None:
    """Write a table as the parquet file `name`, atomically; a frame's index is not kept.

    list_columns: columns of lists of float32; in a frame each element is an array or missing.
    Raises TypeError for a column that is not of a plain type (objects, extension types).
    """
    table = frame if isinstance(frame, pa.Table) else _table_of(frame, list_columns)
    for column in list_columns:
        place = table.column_names.index(column)
        if table.schema.field(place).type != LIST_TYPE:
            table = table.set_column(place, column, table.column(place).cast(LIST_TYPE))
    for field in table.schema:
        _require_plain(field.name, field.type)

    def fill(path: Path) -> None:
        pq.write_table(table, path, row_group_size=_GROUP_ROWS, **_options(table.schema))

    folder.fill_file(name, fill)
    pa.default_memory_pool().release_unused()


def write_parts(folder: Folder, name: str, parts: Iterable["pa.Table"]) -> None:
    """As write_table, for a table too big to hold: its parts, one after the other, all of one schema.

    One part is the minimum. An exception of the iterable passes through, and no file is written.
    """

    def fill(path: Path) -> None:
        writer = None
        try:
            for part in parts:
                # The schema is known only with the first part.
                if writer is None:
                    for field in part.schema:
                        _require_plain(field.name, field.type)
                    writer = pq.ParquetWriter(path, part.schema, **_options(part.schema))
                writer.write_table(part, row_group_size=_GROUP_ROWS)
        finally:
            # Also after an error: an open writer would keep the temporary file, which is deleted next.
            if writer is not None:
                writer.close()

    folder.fill_file(name, fill)
    pa.default_memory_pool().release_unused()


class _ParquetOptions(TypedDict):
    compression: str
    write_page_checksum: bool
    use_dictionary: list[str]


def _options(schema: "pa.Schema") -> _ParquetOptions:
    # Page checksums find a flipped bit, which zstd alone may not notice. A dictionary of logits, which
    # hardly ever repeat, would only cost memory and time.
    texts = [f.name for f in schema if not pa.types.is_list(f.type)]
    return {"compression": "zstd", "write_page_checksum": True, "use_dictionary": texts}


def read_parts(folder: Folder, name: str, columns: list[str] | None = None) -> "Iterator[pa.Table]":
    """The table in a parquet file, at most 4,096 rows at a time; an empty table is one empty part.

    Errors as in read_arrow.
    """
    # Without threads: each would hold buffers of its own.
    with _opened(folder, name) as file:
        batches = file.iter_batches(_GROUP_ROWS, columns=columns, use_threads=False)
        # Without rows there is no batch, but readers need the schema.
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().select(columns or file.schema_arrow.names)
        while True:
            # Not "for": what the caller raises at the yield below is not damage of this file.
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(folder, name, error) from error
            if batch is None:
                return
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def column_names(folder: Folder, name: str) -> tuple[str, ...]:
    """The columns of a parquet file; errors as in read_arrow."""
    with _opened(folder, name) as file:
        return tuple(file.schema_arrow.names)


def read_arrow(folder: Folder, name: str, columns: list[str] | None = None) -> "pa.Table":
    """The table in a parquet file; UserError when the file is missing or damaged."""
    with _opened(folder, name) as file:
        try:
            return file.read(columns)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(folder, name, error) from error


@contextmanager
def _opened(folder: Folder, name: str) -> Iterator[Any]:
    try:
        source = folder.open(name)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UserError(
            f"{folder.shown}/{name}: there is no such file; check the folder, or run the command"
            " that writes it."
        ) from error
    with source:
        try:
            # Not by path: pyarrow would read a folder named "a=1" as a partition column.
            file = pq.ParquetFile(
                pa.PythonFile(source, "r"),
                page_checksum_verification=True,
                pre_buffer=False,  # it would keep all that was read until the end: the whole file
            )
        except (pa.ArrowException, OSError) as error:
            raise _damaged(folder, name, error) from error
        yield file


def _damaged(folder: Folder, name: str, error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno:  # of the disk, which says nothing of the table
        return error
    reason = str(error).partition("\n")[0].rstrip(".")
    return UserError(
        f"{folder.shown}/{name}: not a complete parquet file ({reason}); delete it and run the command"
        " that writes it again."
    )


def read_table(folder: Folder, name: str) -> pd.DataFrame:
    """The table in a parquet file; lists are float32 arrays or None. Errors as in read_arrow."""
    frame: pd.DataFrame = read_arrow(folder, name).to_pandas()
    return frame


def logits_column(values: Float32, valid: Bool) -> "pa.Array":
    """A list<float32> column of logits.

    values: float32 [N, K]; shared, not copied, when all rows are valid and it is contiguous.
    valid: bool [N]; the other rows become null, whatever their values are.
    """
    if values.dtype != np.float32 or values.ndim != 2 or len(values) != len(valid):
        raise ValueError(f"logits must be float32 [{len(valid)}, K]")
    valid = np.asarray(valid, dtype=np.bool_)
    # The values of null rows are left out: parquet refuses a null list with a length.
    kept = values if valid.all() else values[valid]
    offsets = np.zeros(len(valid) + 1, dtype=np.int32)
    np.cumsum(valid * np.int32(values.shape[1]), out=offsets[1:])
    return _list_array(offsets, kept.reshape(-1), valid)


def logits_of(column: "pa.ChunkedArray | pa.Array", num_classes: int) -> tuple[Float32, Bool]:
    """Logits float32 [N, K] and validity bool [N] of a list column; null rows are NaN and False.

    Raises ValueError when a row has another length than num_classes.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    values: Float32 = np.full((len(column), num_classes), np.nan, dtype=np.float32)
    valid: Bool = np.zeros(len(column), dtype=np.bool_)
    start = 0
    for chunk in chunks:
        stop = start + len(chunk)
        valid[start:stop] = chunk.is_valid().to_numpy(zero_copy_only=False)
        if valid[start:stop].any():
            lengths = pc.min_max(pc.list_value_length(chunk)).as_py()
            if set(lengths.values()) != {num_classes}:
                raise ValueError(f"a row of logits must have {num_classes} values: {lengths}")
            # flatten(), not .values: the latter ignores slices and includes null rows.
            flat = chunk.flatten().to_numpy(zero_copy_only=False)
            values[start:stop][valid[start:stop]] = flat.reshape(-1, num_classes)
        start = stop
    return values, valid


def _table_of(frame: pd.DataFrame, list_columns: tuple[str, ...]) -> Any:
    plain = frame.drop(columns=list(list_columns))
    try:
        table = pa.Table.from_pandas(plain, preserve_index=False)
    except pa.ArrowException as error:
        raise TypeError(f"a column is not of a plain type: {error}") from error
    columns = {name: _lists(frame[name]) for name in list_columns}
    columns |= {name: table[name] for name in table.column_names}
    names = [str(name) for name in frame.columns]
    # From the metadata pandas restores its own types, such as string or categorical.
    metadata = table.schema.metadata
    return pa.table({name: columns[name] for name in names}).replace_schema_metadata(metadata)


def _lists(column: "pd.Series[Any]") -> Any:
    valid = np.asarray(column.notna(), dtype=np.bool_)
    rows = [np.asarray(row, dtype=np.float32) for row in column[valid]]
    offsets = np.zeros(len(column) + 1, dtype=np.int32)
    offsets[1:][valid] = [len(row) for row in rows]
    np.cumsum(offsets, out=offsets)
    flat = np.concatenate(rows) if rows else np.empty(0, dtype=np.float32)
    return _list_array(offsets, flat, valid)


def _list_array(offsets: npt.NDArray[np.int32], flat: Float32, valid: Bool) -> Any:
    mask = None if valid.all() else pa.array(~valid)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat), mask=mask)


def _require_plain(name: str, kind: Any) -> None:
    if isinstance(kind, pa.BaseExtensionType) or pa.types.is_struct(kind) or pa.types.is_map(kind):
        raise TypeError(f"column {name!r} is of type {kind}, which is not a plain type")
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise TypeError(f"column {name!r} holds bytes, which are not a plain type")
