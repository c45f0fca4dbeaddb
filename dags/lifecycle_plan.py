"""When marts are published: plan each policy's clean-up, ask a human, and start what was approved."""

import approval
import night
import people
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, PartitionedAssetTimetable, task, task_group


@task
@night.step
def list_policies() -> list[str]:
    """Return the paths of the policy files."""
    from lifecycle import steps

    return steps.policies(night.cleaning())


@task(map_index_template=night.SHOWN, multiple_outputs=True)
@night.step
def plan(policy: str) -> dict[str, str]:
    """Decide and write a plan; one with nothing to do asks nobody."""
    from lifecycle import steps

    run = night.cleaning()
    return approval.question(steps.show(run, steps.plan(run, night.show_file(policy)).id))


@task_group
def clean_up(policy: str) -> None:
    """One policy's way from a plan to its application."""
    approved = people.approve(plan(policy))
    TriggerDagRunOperator(
        task_id="apply",
        map_index_template="{{ task.conf['plan'] }}",
        trigger_dag_id="lifecycle_apply",
        conf={"plan": approved},
        logical_date=None,
        fail_when_dag_is_paused=True,
    )


with DAG(
    "lifecycle_plan",
    schedule=PartitionedAssetTimetable(assets=night.PUBLISHED),
    **night.settings(is_on=True),
):
    clean_up.expand(policy=list_policies())
