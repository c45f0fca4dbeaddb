"""Everything that providers deliver to the bucket `acme-logs`: inventories and bills."""

from collections.abc import Iterator
from pathlib import Path

from pipelines.demo.company import Company
from pipelines.demo.cur2 import cur2_deliveries
from pipelines.demo.focus import focus_deliveries
from pipelines.demo.inventory import inventory_deliveries
from pipelines.demo.objects import StoredObject


def make_deliveries(company: Company) -> Iterator[StoredObject]:
    """Yield every delivered file; a delivery's manifest comes after its data."""
    yield from inventory_deliveries(company)
    yield from cur2_deliveries(company)
    yield from focus_deliveries(company)


def write_deliveries(company: Company, directory: Path) -> int:
    """Write the deliveries below `directory`, a folder per bucket; return how many files that were."""
    files = list(make_deliveries(company))
    for file in files:
        path = directory / file.bucket / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.body)
    return len(files)
