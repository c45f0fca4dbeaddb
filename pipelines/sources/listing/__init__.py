"""Listing a bucket that no inventory describes: its keys cut into ranges, each listed page by page.

`ranges` plans the cuts from few probes and knows no store; `sharing` lists a range, and divides it where the
plan was wrong; `s3` and `gcs` ask the stores.
"""

from pipelines.sources.listing.gcs import GENERATIONS, WITH_SOFT_DELETED, GcsLister, gcs_lister
from pipelines.sources.listing.protocol import PROBE_ROWS, Cursor, Lister, Page, Probe
from pipelines.sources.listing.ranges import WORTH_A_PART, KeyRange, plan_ranges
from pipelines.sources.listing.s3 import S3Lister, listing_client
from pipelines.sources.listing.sharing import LISTERS, Crew
from pipelines.stores.s3_pages import CURRENT, VERSIONS

__all__ = [
    "CURRENT",
    "GENERATIONS",
    "LISTERS",
    "PROBE_ROWS",
    "VERSIONS",
    "WITH_SOFT_DELETED",
    "WORTH_A_PART",
    "Crew",
    "Cursor",
    "GcsLister",
    "KeyRange",
    "Lister",
    "Page",
    "Probe",
    "S3Lister",
    "gcs_lister",
    "listing_client",
    "plan_ranges",
]
