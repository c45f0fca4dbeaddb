"""The way of one plan past the people who have to say yes, as tasks. Not a DAG file.

    ask → record_approval → second_question → ask_again → record_second → release

Where one person is enough nobody is asked again: the tasks in the middle are skipped. Only a plan that
everybody agreed to is released; who said yes first cannot be the second. Each plan goes its way alone: what
is refused, or not answered yet, holds no other plan back.
"""

from typing import Any

import approval
import night
from airflow.sdk import TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException


@task(map_index_template=night.SHOWN)
@night.step
def record_approval(plan: str, answer: approval.Answer | None) -> str:
    """Bind the answer to the plan's fingerprint, under the name of who gave it."""
    from lifecycle import steps

    by, reason = approval.approver(answer, night.show(plan))
    steps.approve(night.cleaning(), plan, by, reason)
    return plan


@task(map_index_template=night.SHOWN, multiple_outputs=True)
@night.step
def second_question(plan: str) -> dict[str, str]:
    """Return the question to a second person; it is skipped where one is enough."""
    from lifecycle import steps

    run = night.cleaning()
    why = steps.second_needed(run, night.show(plan))
    return approval.second_question(steps.show(run, plan), why)


@task(map_index_template=night.SHOWN)
@night.step
def record_second(plan: str, answer: approval.Answer | None) -> None:
    """Bind the second answer to the plan's fingerprint, if somebody else gave it."""
    from lifecycle import steps

    by, reason = approval.approver(answer, night.show(plan))
    steps.approve(night.cleaning(), plan, by, reason, is_second=True)


# With `NONE_FAILED_MIN_ONE_SUCCESS` Airflow maps a task only once the ways of all plans are over.
@task(map_index_template=night.SHOWN, trigger_rule=TriggerRule.NONE_FAILED)
@night.step
def release(plan: str | None) -> str:
    """Hand on a plan that everybody who has to agreed to."""
    from lifecycle import steps

    if plan is None:
        raise AirflowSkipException("nobody agreed to it")
    if why := steps.second_needed(night.cleaning(), night.show(plan)):
        raise AirflowSkipException(f"no second person agreed; the plan changes {why}")
    return plan


def approve(planned: Any) -> Any:  # noqa: ANN401  (results of tasks to come, which Airflow does not type)
    """Add the tasks, and return the approved plan to come."""
    answer = approval.ask("ask", planned["subject"], planned["body"])
    recorded = record_approval(planned["plan"], answer)
    again = second_question(recorded)
    second = record_second(recorded, approval.ask("ask_again", again["subject"], again["body"]))
    released = release(recorded)
    second >> released
    return released
