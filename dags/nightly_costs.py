"""Every night: bring what the clouds delivered, price it, check the numbers, publish them."""

import night
from airflow.sdk import DAG, CronPartitionTimetable, task


@task
@night.step
def list_sources() -> list[str]:
    """Return the names of the sources in moraine.yaml."""
    from pipelines import steps

    return steps.source_names(night.facts())


@task(map_index_template=night.SHOWN, max_active_tis_per_dagrun=4)
@night.step
def ingest(source: str) -> dict[str, str | int]:
    """Land what one source delivered."""
    from pipelines import steps

    report = steps.ingest(night.facts(), night.show(source))
    return {"source": report.source, "landed": report.landed, "rows": report.rows}


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


with DAG(
    "nightly_costs",
    schedule=CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    **night.settings(day=night.DAY),
):
    ingest.expand(source=list_sources()) >> build() >> check() >> publish()
