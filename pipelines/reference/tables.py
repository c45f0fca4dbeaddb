"""The form in which facts kept by hand reach the models: a small table of the `reference` schema."""

from dataclasses import dataclass

from pipelines.domain.raw_tables import Columns

MEANINGS = {
    "prices": "One row per list price and tier, from the day it holds, with its source.",
    "storage_classes": "One row per storage class: what it bills beside the bytes themselves.",
    "price_regions": "One row per region that prices are known for.",
    "transfer_rules": "One row per rule that names the path of a transfer; the first match in order counts.",
    "region_codes": "One row per short code of a region in usage types.",
    "storage_meters": "One row per rule for storage class and group of a meter; the first match counts.",
    "providers": "One row per name that a bill gives a provider.",
    "service_layers": "One row per service: its name, and its layer of the cost stack.",
    "usage_layers": "One row per kind of usage that belongs to another layer than its service.",
    "category_layers": "One row per FOCUS service category and its layer of the cost stack.",
    "units": "One row per spelling of a unit of data: its bytes.",
    "layouts": "One row per way of saving checkpoints.",
    "layout_state_files": "One row per small file that says which checkpoint is the latest or the best.",
    "layout_run_folders": "One row per folder between a run and its checkpoints.",
    "layout_not_metrics": "One row per word in a name that is no metric.",
    "layout_names": "One row per form of a checkpoint's name.",
    "layout_files": "One row per form of a file's name inside a checkpoint, with its role.",
    "layout_anchors": "One row per file that proves a checkpoint, and how far above it the checkpoint is.",
    "layout_other_files": "One row per ending of files in a checkpoint that have no form of their own.",
    "layout_temporary_folders": "One row per mark of a folder that is still being written.",
    "layout_requirements": "One row per thing that a complete checkpoint has.",
    "layout_conditions": "One row per file that makes a requirement apply.",
    "metric_words": "One row per word in a metric's name that tells whether less or more is better.",
    "sources": "One row per source that moraine.yaml names: its kind, and whether anything of it has landed.",
    "pins": "One row per place that moraine.yaml's file of pins names.",
    "team_prefixes": "One row per prefix and the team that owns what lies below it.",
    "team_tags": "One row per tag that names a team on a bill.",
    "team_accounts": "One row per account, project or subscription that a team owns.",
    "team_names": "One row per team that moraine.yaml names.",
    "shared_costs": "One row per rule for costs that teams share, and spelling of the tag it looks for.",
    "shared_weights": "One row per rule for shared costs and team that it names: the team's share.",
}
"""What a row of each table is; the comment that the table carries in a warehouse."""


@dataclass(frozen=True, slots=True)
class ReferenceTable:
    """One table: `reference.<name>`, its columns with DuckDB types, and its rows in column order."""

    name: str
    columns: Columns
    rows: tuple[tuple[object, ...], ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names alone."""
        return tuple(name for name, _ in self.columns)
