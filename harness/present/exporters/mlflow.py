"""MLflow: an experiment per suite, a run per run, a nested run per case."""

from datetime import datetime
from itertools import islice
from typing import Any, Protocol

from harness.present.exporters.exported import Exported, ExportError, figures
from harness.records.quantities.quantity import Row

_LONGEST_TEXT = 500
"""Characters of a parameter or tag: MLflow 3.17 takes 6000, older servers fewer."""

_BATCH = 100
"""Parameters in one request (MAX_PARAMS_TAGS_PER_BATCH of mlflow/utils/validation.py)."""


class Client(Protocol):
    """What is used of `mlflow.MlflowClient`."""

    def get_experiment_by_name(self, name: str) -> Any:
        """An experiment, or `None`."""

    def create_experiment(self, name: str) -> str:
        """Its id."""

    def create_run(self, experiment_id: str, **options: Any) -> Any:
        """A run, with `info.run_id`."""

    def log_batch(self, run_id: str, **options: Any) -> Any:
        """Metrics and parameters."""

    def set_terminated(self, run_id: str, status: str) -> None:
        """End a run."""


def mlflow(run: Exported, uri: str | None = None, client: Client | None = None) -> str:
    """Log a run to a tracking server; returns a sentence that says where.

    Arguments of a module are parameters, figures are metrics in SI base units, versions and keys
    are tags. A failed case is a run with status FAILED and its cause as a tag.

    Args:
        uri: of the tracking server or folder; MLflow's own settings if absent.
        client: in place of MLflow's.

    Raises:
        ExportError: MLflow is not installed, or the server refuses.
    """
    made = client or _connect(uri)
    libraries = run.environment.get("libraries") or {}
    tags = {
        "harness.suite": run.suite,
        "harness.run": run.path.name,
        "harness.machine_key": run.environment.get("machine_key"),
        "mlflow.source.git.commit": run.commit,
        **{f"version.{name}": version for name, version in libraries.items()},
    }
    try:
        experiment = made.get_experiment_by_name(run.suite)
        identity = experiment.experiment_id if experiment else made.create_experiment(run.suite)
        parent = _begin(made, identity, run, run.path.name, tags)
        for row in run.rows:
            _log(made, identity, run, row, parent)
        made.set_terminated(parent, "FINISHED")
    except Exception as error:  # MLflow raises its own, requests' and the database's
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ExportError(f"MLflow did not take the run: {reason}") from error
    return f"logged to MLflow: experiment {run.suite}, run {parent}, {len(run.rows)} cases"


def _connect(uri: str | None) -> Client:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise ExportError(
            "MLflow is not installed; pip install 'context-harness[mlflow]'"
        ) from error
    try:
        client: Client = MlflowClient(tracking_uri=uri)
    except Exception as error:
        raise ExportError(f"{uri}: MLflow cannot track there: {error}") from error
    return client


def _begin(client: Client, experiment: str, run: Exported, name: str, tags: dict[str, Any]) -> str:
    known = {key: str(value) for key, value in tags.items() if value is not None}
    known |= {"mlflow.runName": name}
    begun = client.create_run(experiment, start_time=_milliseconds(run.started_at), tags=known)
    return str(begun.info.run_id)


def _milliseconds(time: str) -> int | None:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        return None


def _log(client: Client, experiment: str, run: Exported, row: Row, parent: str) -> None:
    tags = {
        "mlflow.parentRunId": parent,
        "harness.suite": row["suite"],
        "harness.case_key": row["case_key"],
        "harness.machine_key": row["machine_key"],
        "harness.status": row["status"],
        "harness.cause": str(row["cause"])[:_LONGEST_TEXT] if row.get("cause") else None,
    }
    child = _begin(client, experiment, run, row["label"], tags)
    named = {name: row[name] for name in ("module", "device", "dtype", "pass", "threads")}
    shape = "; ".join("x".join(map(str, each)) for each in row["input"])
    given = {f"with.{name}": value for name, value in row["arguments"].items()}
    params = iter(
        (name, str(value)[:_LONGEST_TEXT])
        for name, value in {**named, "input": shape, **given}.items()
        if value is not None
    )
    while batch := dict(islice(params, _BATCH)):
        client.log_batch(child, params=[_entity("Param", *each) for each in batch.items()])
    metrics = {figure.metric: figure.value for figure in figures(row)}
    for end in ("latency_low_seconds", "latency_high_seconds"):
        if row.get(end) is not None:
            metrics[end] = row[end]
    if metrics:
        time = _milliseconds(run.started_at) or 0
        logged = [_entity("Metric", *each, time, 0) for each in metrics.items()]
        client.log_batch(child, metrics=logged)
    client.set_terminated(child, "FINISHED" if row["status"] == "ok" else "FAILED")


def _entity(kind: str, *arguments: Any) -> Any:
    from mlflow import entities

    return getattr(entities, kind)(*arguments)
