"""Parquet: the same columns as CSV, with their types, and the environment beside them."""

import io
import json

from harness.present.exporters.exported import Exported, ExportError
from harness.present.frame import frame

LISTS = ("latency_samples_seconds", "latency_processes_seconds")
"""Columns that hold a list of seconds per row."""

METADATA = b"context-harness"
"""Key of the schema's metadata under which the run is described."""


def parquet(run: Exported) -> bytes:
    """A Parquet file: a row per case, failed ones included, SI base units.

    Samples are lists of doubles; what is not measured is null. The schema's metadata has suite,
    start and environment under `context-harness`, as JSON.

    Raises:
        ExportError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ExportError(
            "Parquet is written by pyarrow, which is not installed; "
            "pip install 'context-harness[parquet]'"
        ) from error
    made = frame(run.rows)
    lists = [name for name in LISTS if name in made.columns]
    # Without the lists: what pandas would note of them, text, is not what is written.
    table = pyarrow.Table.from_pandas(made.drop(columns=lists), preserve_index=False)
    for name in lists:
        values = [
            None
            if (found := row.get(name)) is None
            else [None if each is None else float(each) for each in found]
            for row in run.rows
        ]
        column = pyarrow.array(values, pyarrow.list_(pyarrow.float64()))
        table = table.add_column(list(made.columns).index(name), name, column)
    described = {"suite": run.suite, "started_at": run.started_at, "environment": run.environment}
    metadata = (table.schema.metadata or {}) | {METADATA: json.dumps(described).encode()}
    out = io.BytesIO()
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), out)
    return out.getvalue()
