"""AWS Cost and Usage Report 2.0, as Data Exports delivers it: any columns in any order, Parquet or CSV."""

from pipelines.sources import aws_line_items, data_exports
from pipelines.sources.places import Found, Place
from pipelines.sources.reading import DataFile, FileForm

FORM = FileForm(blank_files="any")
"""A run that overwrites a longer one leaves the surplus files blank."""


def find(place: Place) -> Found:
    """Return one delivery per run and billing period, oldest first.

    Raises:
        Transient: the first delivery is still arriving.
        Terminal: there is none.
    """
    return data_exports.find(place, place.blobs(), "aws_cur2")


def query(file: DataFile) -> str:
    """Return the SQL of one row per line item.

    Raises:
        Damaged: the file lacks a column that is needed.
    """
    return aws_line_items.query(file, fix="Add {} to the export's SELECT statement.")
