"""The question a human is asked about a plan, and what their answer is worth."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param
from airflow.sdk.exceptions import AirflowSkipException

from pipelines.errors import Refused

if TYPE_CHECKING:
    from lifecycle.model import Plan

PATIENCE = timedelta(hours=12)
"""How long the question waits; after that the answer is no."""


class Person(TypedDict):
    """Who is logged in to Airflow."""

    id: str
    name: str


class Answer(TypedDict):
    """What the operator hands on: the choice, the form, and who filled it in (nobody, when time ran out)."""

    chosen_options: list[str]
    params_input: dict[str, str]
    responded_by_user: Person | None


def question(plan: "Plan") -> dict[str, str]:
    """Return the plan's id, and the subject and body of the question about it.

    Raises:
        AirflowSkipException: there is nothing to do, so nobody has to be asked.
    """
    if not plan.chunks:
        raise AirflowSkipException(f"{plan.policy.name}: nothing to do")
    archive, delete = plan.totals.archive, plan.totals.delete
    saving = archive.saving_usd_month + delete.saving_usd_month
    rows = {
        "archive": f"{archive.objects:,} objects, {archive.size_bytes:,} bytes",
        "delete": f"{delete.objects:,} objects, {delete.size_bytes:,} bytes",
        "gone for good": f"{plan.totals.objects_for_good:,} objects",
        "saves": f"{saving:,.2f} USD a month",
        "plan": f"`{plan.id}`, valid until {plan.expires_at:%Y-%m-%d %H:%M} UTC",
    }
    table = "\n".join(f"| {name} | {shown} |" for name, shown in rows.items())
    warnings = "".join(f"- {warning}\n" for warning in plan.warnings)
    return {
        "plan": plan.id,
        "subject": f"Clean up by {plan.policy.name}: {archive.objects + delete.objects:,} objects?",
        "body": f"| | |\n|---|---|\n{table}\n\n{warnings}\nRead it first: `moraine-lifecycle show {plan.id}`",
    }


def second_question(plan: "Plan", why: str) -> dict[str, str]:
    """Return the subject and body of the question to a second person.

    Raises:
        AirflowSkipException: one was enough, so nobody else has to be asked.
    """
    if not why:
        raise AirflowSkipException(f"{plan.policy.name}: one person is enough")
    asked = question(plan)
    said = f"One person agreed. Somebody else has to, too, as it changes {why}."
    return asked | {"subject": f"Second yes: {asked['subject']}", "body": f"{said}\n\n{asked['body']}"}


def ask(task_id: str, subject: Any, body: Any) -> Any:  # noqa: ANN401  (results of tasks to come, untyped)
    """Add a task that waits for a human, and return its answer to come."""
    return ApprovalOperator(
        task_id=task_id,
        map_index_template="{{ task.subject }}",
        subject=subject,
        body=body,
        defaults=ApprovalOperator.REJECT,
        response_timeout=PATIENCE,
        params={"reason": Param("", type="string", title="Why", description="Kept with the approval.")},
    ).output


def approver(answer: Answer | None, plan: str) -> tuple[str, str]:
    """Return who approved `plan`, and their reason.

    Raises:
        AirflowSkipException: the answer was no, or nobody answered in time.
        Refused: nobody's name is on the yes, or the question was passed by without an answer.
    """
    if answer and answer["chosen_options"] != [ApprovalOperator.APPROVE]:
        raise AirflowSkipException(f"rejected by {_name(answer) or 'nobody: time ran out'}")
    if not answer or not _name(answer):
        raise Refused(
            "the approval has no name on it",
            where=plan,
            fix=f"Approve it by hand: moraine-lifecycle approve {plan} --by NAME",
        )
    return _name(answer), (answer["params_input"] or {}).get("reason", "")


def _name(answer: Answer) -> str:
    person = answer["responded_by_user"]
    return (person["name"] or person["id"]).strip() if person else ""
