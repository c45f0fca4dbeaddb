"""The night's first stage, as tasks that several workers share.

    list_sources → find, per source → share_out → land, per share → finish, per source

What has landed is in the lake, and so is what is wrong with it: every task may run on another machine, and
again. A damaged delivery fails none of them. Where nothing is new, `land` is skipped and the night goes on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import night
import outcomes
from airflow.sdk import TriggerRule, task, task_group

if TYPE_CHECKING:
    from pipelines.steps import Chunk

MOST_SHARES = 256
"""Tasks that land a night, at most: a first night has thousands of chunks, and Airflow maps over 1024."""


@task
@night.step
def list_sources() -> list[str]:
    """Return the names of the sources in moraine.yaml."""
    from pipelines import steps

    return steps.source_names(night.facts())


@task(map_index_template=night.SHOWN, max_active_tis_per_dagrun=4, multiple_outputs=False)
@night.step
def find(source: str) -> dict[str, Any]:
    """Say what is new in one source, and cut it into chunks; what a service answers lands here."""
    from pipelines import steps

    report, chunks = steps.find(night.facts(), night.show(source))
    return outcomes.of_source(report) | {"chunks": outcomes.of_search(chunks)}


@task
@night.step
def share_out(found: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Deal the chunks of all sources to the tasks that land them, neighbours together."""
    chunks = [chunk for each in found for chunk in each["chunks"]]
    size = max(1, -(-len(chunks) // MOST_SHARES))
    return [chunks[start : start + size] for start in range(0, len(chunks), size)]


@task(map_index_template=night.SHOWN)
@night.step
def land(share: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Land some chunks; parts that have landed already stay as they are."""
    from pipelines import steps

    run, chunks = night.facts(), [steps.Chunk(**chunk) for chunk in share]
    night.show(name_of(chunks))
    return outcomes.of_landing([steps.land(run, chunk) for chunk in chunks])


@task(map_index_template=night.SHOWN, trigger_rule=TriggerRule.NONE_FAILED)
@night.step
def finish(found: dict[str, Any]) -> dict[str, str | int]:
    """Put the deliveries of one source into the ledger, all but the damaged ones."""
    from pipelines import steps

    chunks = [steps.Chunk(**chunk) for chunk in found["chunks"]]
    return outcomes.of_source(steps.finish(night.facts(), night.show(found["source"]), chunks))


@task_group
def ingest() -> None:
    """Land what all sources delivered."""
    found = find.expand(source=list_sources())
    land.expand(share=share_out(found)) >> finish.expand(found=found)


def name_of(chunks: Sequence["Chunk"]) -> str:
    """Return how people know a share: the source, delivery and parts of its first chunk."""
    first, more = chunks[0], len(chunks) - 1
    parts = f"part {first.stop}" if first.stop - first.start == 1 else f"parts {first.start + 1}-{first.stop}"
    return f"{first.source} {first.delivery_id} {parts}{f' and {more} more' if more else ''}"
