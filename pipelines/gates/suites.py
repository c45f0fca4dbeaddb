"""The checks, as data: what is measured, which numbers are true, and the observation behind each bound."""

from collections.abc import Sequence

from pipelines.domain.configuration import Gates
from pipelines.gates.arrival import arrival
from pipelines.gates.check import Check
from pipelines.gates.checkpoints import checkpoints
from pipelines.gates.days import days
from pipelines.gates.egress import egress
from pipelines.gates.money import money
from pipelines.gates.prefixes import prefixes
from pipelines.gates.savings import savings
from pipelines.gates.tables import tables


def checks(limits: Gates) -> Sequence[Check]:
    """Return all checks, with the limits that `moraine.yaml` sets."""
    return (
        *arrival(limits),
        *days(limits),
        *money(),
        *egress(),
        *prefixes(limits),
        *checkpoints(limits),
        *savings(),
        *tables(limits),
    )
