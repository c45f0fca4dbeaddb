"""Finding complete deliveries, and reading them as the source said them, typed.

One module per kind of source. To add one: a module with `find` and `read`, and a line in each `match` below.
"""

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from pipelines.domain.deliveries import Delivery
from pipelines.sources import aws_cur2, focus, mlflow, s3_inventory, s3_uploads
from pipelines.sources.places import Found, Place, open_place

__all__ = ["ROLLUPS", "Found", "Place", "find", "open_place", "read"]

ROLLUPS: Mapping[str, Mapping[str, str]] = {"s3_inventory": s3_inventory.ROLLUPS}
"""Per raw table the further tables that are made of each delivery: name and SQL over the view `landed`."""


def find(place: Place, now: datetime) -> Found:
    """Return the complete deliveries of a place, oldest first; `now` dates what is asked of a service.

    Raises:
        Transient: the place does not answer, or its first delivery is still arriving.
        Terminal: there is nothing to read, or a manifest is broken.
    """
    match place.source.kind:
        case "s3-inventory":
            return _with_uploads(place, s3_inventory.find(place), now)
        case "aws-cur2":
            return Found(tuple(aws_cur2.find(place)))
        case "focus":
            return Found(tuple(focus.find(place)))
        case "mlflow":
            return Found((mlflow.find(place, now),))


def read(place: Place, delivery: Delivery) -> pa.RecordBatchReader:
    """Return the rows of a delivery with the columns of its raw table; files are verified as they are read.

    Raises:
        NotFound: a listed file is not there.
        Terminal: a file is not what its manifest says.
    """
    match delivery.table:
        case "s3_inventory":
            return s3_inventory.read(place, delivery)
        case "aws_cur2":
            return aws_cur2.read(place, delivery)
        case "focus":
            return focus.read(place, delivery)
        case "s3_uploads":
            return s3_uploads.read(place, delivery)
        case _:
            return mlflow.read(place, delivery)


def _with_uploads(place: Place, deliveries: list[Delivery], now: datetime) -> Found:
    match s3_uploads.find(place, now):
        case Delivery() as uploads:
            return Found((*deliveries, uploads))
        case s3_uploads.NotListed(reason=reason):
            return Found(tuple(deliveries), warnings=(reason,))
        case None:
            return Found(tuple(deliveries))
