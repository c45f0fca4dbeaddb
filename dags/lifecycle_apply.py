"""Carry out one approved plan, chunk by chunk, then look at the buckets again. No clock starts this."""

import night
import outcomes
from airflow.sdk import DAG, Param, TriggerRule, task

PLAN = "{{ params.plan }}"


@task
@night.step
def list_chunks(plan: str) -> list[str]:
    """Return the names of the plan's chunks, none when it is already done."""
    from lifecycle import steps

    return steps.chunks(night.cleaning(), plan)


@task(map_index_template=night.SHOWN, max_active_tis_per_dagrun=4)
@night.step
def apply_chunk(plan: str, chunk: str) -> dict[str, int]:
    """Act on one chunk; what has a receipt is not done again."""
    from lifecycle import steps

    return outcomes.of_chunk(steps.apply_chunk(night.cleaning(), plan, night.show(chunk)))


@task(trigger_rule=TriggerRule.NONE_FAILED)
@night.step
def verify(plan: str) -> dict[str, int]:
    """List the buckets again and compare them with the plan."""
    from lifecycle import steps

    return outcomes.of_verification(steps.verify(night.cleaning(), plan))


with DAG(
    "lifecycle_apply",
    schedule=None,
    **night.settings(is_on=True, plan=Param(type="string", minLength=1, description="An approved plan.")),
):
    apply_chunk.partial(plan=PLAN).expand(chunk=list_chunks(PLAN)) >> verify(PLAN)
