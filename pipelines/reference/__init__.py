"""Facts kept by hand, dated and cited: list prices, meters, regions, transfer rules, checkpoint layouts.

The models read them as tables of the schema `reference`. To add a fact, add a row with its date and source to
the YAML beside this file; to add a kind of fact, add a loader and name it in `reference_tables`.
"""

from functools import cache

from pipelines.reference.checkpoint_layouts import layout_tables
from pipelines.reference.meters import meter_tables
from pipelines.reference.price_list import price_tables
from pipelines.reference.tables import ReferenceTable

__all__ = ["ReferenceTable", "reference_tables"]


@cache
def reference_tables() -> tuple[ReferenceTable, ...]:
    """Return every table of the `reference` schema that does not depend on whose cloud it is."""
    return (*price_tables(), *meter_tables(), *layout_tables())
