"""The rehearsal itself, once Airflow's environment is set: see `rehearse.py`. Not a DAG file."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import DAG
from airflow.sdk.listener import get_listener_manager
from airflow.utils import db
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from sqlalchemy import select

from pipelines.errors import MoraineError

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskRun

# A store that does not answer gets its second chance in seconds here, not in minutes.
RETRY_DELAY = timedelta(seconds=1)
ASKING_INTERVAL_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Answer:
    """What a human says to every question of the rehearsal."""

    choice: str
    by: str
    reason: str
    second: str = ""
    """Who is asked where a plan needs two people; the same one where nobody is named."""


@dataclass
class Progress:
    """Writes a line per task that ended, and keeps what failed. Airflow calls it as a listener."""

    out: TextIO
    failures: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        """Write a line, now."""
        self.out.write(line + "\n")
        self.out.flush()

    @hookimpl
    def on_task_instance_running(self) -> None:
        """Take back what Airflow did a moment ago: its handler ignores TERM, and people want to stop this."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @hookimpl
    def on_task_instance_success(self, task_instance: "TaskRun") -> None:
        """Write the line of a task that did its work."""
        self._ended(task_instance, "done")

    @hookimpl
    def on_task_instance_skipped(self, task_instance: "TaskRun") -> None:
        """Write the line of a task that found nothing to do."""
        self._ended(task_instance, "skipped")

    @hookimpl
    def on_task_instance_failed(self, task_instance: "TaskRun", error: object) -> None:
        """Write the line of a task that failed; keep why, unless it is tried again."""
        if task_instance.state == TaskInstanceState.UP_FOR_RETRY:
            self._ended(task_instance, "retry")
        else:
            self._ended(task_instance, "FAILED")
            self.failures.append(f"{_name(task_instance)}: {_explain(error)}")

    def _ended(self, task: "TaskRun", state: str) -> None:
        seconds = (datetime.now(UTC) - task.start_date).total_seconds()
        self.write(f"{state:<8} {seconds:5.1f} s  {_name(task)}")


def rehearse(day: date, answer: Answer, out: TextIO) -> list[str]:
    """Run the night, the plan, and each plan that was approved; return what failed, for people.

    A night that was published is followed by its plan, as under a scheduler, even if a delivery was damaged.
    """
    db.initdb()
    dags = DagBag()
    if dags.import_errors:
        return [f"{path} does not load: {error}" for path, error in dags.import_errors.items()]
    progress = Progress(out)
    listeners = get_listener_manager()
    listeners.add_listener(progress)
    started = datetime.now(UTC)
    try:
        night = _run(dags.dags["nightly_costs"], {"day": day.isoformat()}, progress)
        if _is_published(night):
            with _answering(answer, progress):
                _run(dags.dags["lifecycle_plan"], {}, progress)
        # The operator only queues a run. There is no scheduler that would start it: it is taken and run here.
        for conf in _take_queued("lifecycle_apply", started):
            _run(dags.dags["lifecycle_apply"], conf, progress)
    finally:
        _take_queued("lifecycle_apply", started)
        listeners.pm.unregister(progress)
    return progress.failures


def _run(dag: DAG, conf: Mapping[str, Any], progress: Progress) -> DagRun:
    for task in dag.tasks:
        task.retry_delay = RETRY_DELAY
    failures = len(progress.failures)
    run: DagRun = dag.test(run_conf=dict(conf))
    if run.state != DagRunState.SUCCESS and len(progress.failures) == failures:
        progress.failures.append(f"{dag.dag_id} ended as {run.state}, although none of its tasks failed")
    for task in run.get_task_instances(state=[TaskInstanceState.UPSTREAM_FAILED]):
        progress.write(f"{'not run':<16}  {_name(task)}")
    return run


def _is_published(night: DagRun) -> bool:
    publish = night.get_task_instance("publish")
    return publish is not None and publish.state == TaskInstanceState.SUCCESS


def _take_queued(dag_id: str, since: datetime) -> list[dict[str, Any]]:
    queued = select(DagRun).where(
        DagRun.dag_id == dag_id, DagRun.state == DagRunState.QUEUED, DagRun.run_after >= since
    )
    with create_session() as session:
        runs = session.scalars(queued.order_by(DagRun.id)).all()
        for run in runs:
            session.delete(run)
        return [dict(run.conf) for run in runs]


@contextmanager
def _answering(answer: Answer, progress: Progress) -> Iterator[None]:
    """Answer, from another thread, whatever is asked meanwhile."""
    finished = threading.Event()
    thread = threading.Thread(target=_answer_questions, args=(answer, progress, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _answer_questions(answer: Answer, progress: Progress, finished: threading.Event) -> None:
    seen: set[object] = set()
    asked = select(TaskInstance, HITLDetail.subject).join(HITLDetail, HITLDetail.ti_id == TaskInstance.id)
    asked = asked.where(TaskInstance.state == TaskInstanceState.AWAITING_INPUT)
    while not finished.wait(ASKING_INTERVAL_SECONDS):
        with create_session() as session:
            waiting = {task.id: (task, subject) for task, subject in session.execute(asked)}
            # Only what was parked a moment ago already: `dag.test` writes that state once more after the
            # operator did, and would undo an answer that came in between.
            for key in waiting.keys() & seen:
                task, subject = waiting[key]
                by = answer.second if answer.second and task.task_id.endswith("ask_again") else answer.by
                _answer_question(task, replace(answer, by=by), session)
                progress.write(f"asked             {subject}")
                progress.write(f"answered          {answer.choice}, {by}: {answer.reason or 'no reason'}")
        seen = set(waiting)


def _answer_question(task: Any, answer: Answer, session: Any) -> None:  # noqa: ANN401  (Airflow's, untyped)
    update_hitl_detail(
        dag_id=task.dag_id,
        dag_run_id=task.run_id,
        task_id=task.task_id,
        map_index=task.map_index,
        update_hitl_detail_payload=UpdateHITLDetailPayload(
            chosen_options=[answer.choice], params_input={"reason": answer.reason}
        ),
        user=SimpleAuthManagerUser(username=answer.by, role="ADMIN"),
        session=session,
    )


def _name(task: Any) -> str:  # noqa: ANN401  (two classes of Airflow, neither typed)
    shown = f" [{task.rendered_map_index or task.map_index}]" if (task.map_index or 0) > -1 else ""
    return f"{task.dag_id}.{task.task_id}{shown}"


def _explain(error: object) -> str:
    if isinstance(error, MoraineError | str) or error is None:
        return str(error)
    kind = type(error).__name__
    return str(error) if kind == "AirflowFailException" else f"{kind}: {error}\n  fix:   See Airflow's log."
