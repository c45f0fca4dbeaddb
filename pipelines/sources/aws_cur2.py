"""AWS Cost and Usage Report 2.0, as Data Exports delivers it: any columns in any order, Parquet or CSV."""

import pyarrow as pa

from pipelines.domain.deliveries import Delivery
from pipelines.domain.quoting import quote_name
from pipelines.domain.raw_tables import AWS_CUR2
from pipelines.sources import data_exports
from pipelines.sources.columns import json_text, projection, require
from pipelines.sources.places import Place
from pipelines.sources.reading import DataFile, read_delivery

REQUIRED = (
    "line_item_usage_start_date",
    "line_item_line_item_type",
    "line_item_product_code",
    "line_item_usage_type",
    "line_item_unblended_cost",
)
"""Without these there is no cost, or no day or meter to put it on."""


def find(place: Place) -> list[Delivery]:
    """Return one delivery per run and billing period, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        Terminal: there is none, or a manifest is damaged or of another family.
    """
    return data_exports.find(place, place.blobs(), "aws_cur2")


def read(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return one row per line item.

    Raises:
        NotFound: a listed file is missing.
        Terminal: a file is damaged, or lacks a column that is needed.
    """
    return read_delivery(place, delivery, _query)


def _query(file: DataFile) -> str:
    require(file.present, REQUIRED, where=file.where, fix="Add {} to the export's SELECT statement.")
    return f"select {projection(AWS_CUR2, file.present)} from {_with_json_tags(file)}"


def _with_json_tags(file: DataFile) -> str:
    kind = file.present.get("resource_tags")
    if kind is None:
        return file.relation
    tags = json_text(quote_name("resource_tags"), kind)
    return f"(select * replace ({tags} as resource_tags) from {file.relation})"
