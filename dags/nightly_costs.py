"""Every night: bring what the clouds delivered, price it, check the numbers, publish them."""

import night
import outcomes
from airflow.sdk import DAG, CronPartitionTimetable, task
from ingestion import ingest


@task
@night.step
def build() -> str:
    """Build the day's warehouse beside the published one."""
    from pipelines import steps

    return steps.build(night.facts()).build_id


@task
@night.step
def check() -> dict[str, int]:
    """Judge it. A failed gate is a result here; it stops `publish`."""
    from pipelines import steps

    results = steps.check(night.facts())
    return {"checks": len(results), "failed": sum(not result.passed for result in results)}


@task(outlets=[night.PUBLISHED])
@night.step
def publish() -> str:
    """Move the pointer to it, unless a blocking gate failed, and tell who waits."""
    from pipelines import steps

    return night.announce(steps.publish(night.facts()))


@task
@night.step
def report_damage() -> int:
    """Fail the night, published as it is, while a delivery is in quarantine: somebody has to look."""
    from pipelines import steps

    return outcomes.of_quarantine(steps.quarantined(night.facts()))


with DAG(
    "nightly_costs",
    schedule=CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    **night.settings(day=night.DAY),
):
    ingest() >> build() >> check() >> publish() >> report_damage()
