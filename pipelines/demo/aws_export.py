"""The layout of AWS Data Exports: data per billing period, then a manifest; later runs overwrite."""

import json
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipelines.demo.chance import digest
from pipelines.demo.company import Company
from pipelines.demo.logs import BUCKET as DESTINATION
from pipelines.demo.meters import Charge
from pipelines.demo.objects import StoredObject, write

_REFRESHED_AT = timedelta(hours=5)
_CLOSED_AFTER = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period and what is known of it on the company's last day."""

    month: date
    invoice_id: str
    """Empty while the month is open."""
    delivered_at: datetime

    @property
    def end(self) -> date:
        """The first day of the next month."""
        return self.month + timedelta(days=monthrange(self.month.year, self.month.month)[1])


@dataclass(frozen=True, slots=True)
class Export:
    """One export: where it lives below the bucket, and how its columns are called."""

    prefix: str
    name: str
    ending: str
    columns: tuple[str, ...]

    def deliver(self, period: Period, chunks: Sequence[bytes]) -> Iterator[StoredObject]:
        """Yield the data files of a period, then its manifest."""
        partition = f"BILLING_PERIOD={period.month:%Y-%m}"
        files = []
        for number, body in enumerate(chunks, start=1):
            key = f"{self.prefix}/{self.name}/data/{partition}/{self.name}-{number:05d}.{self.ending}"
            files.append(write(DESTINATION, key, body, period.delivered_at))
        yield from files
        manifest = {
            "executionId": digest("execution", self.name, period.month, period.delivered_at),
            "columns": [{"name": column} for column in self.columns],
            "dataFiles": [f"s3://{DESTINATION}/{file.key}" for file in files],
        }
        key = f"{self.prefix}/{self.name}/metadata/{partition}/{self.name}-Manifest.json"
        body = json.dumps(manifest, indent=2).encode()
        yield write(DESTINATION, key, body, period.delivered_at + timedelta(minutes=1))


def periods(company: Company) -> list[Period]:
    """Return the months that the history touches; a closed month is delivered once more, then rests."""
    found = []
    for month in sorted({day.replace(day=1) for day in company.days}):
        latest = company.midnight + _REFRESHED_AT
        open_period = Period(month, "", latest)
        ends_at = datetime.combine(open_period.end, time())
        if ends_at <= company.midnight - timedelta(days=1):
            closed_at = min(ends_at + _CLOSED_AFTER + _REFRESHED_AT, latest)
            found.append(Period(month, f"{20_000_000 + month.toordinal()}", closed_at))
        else:
            found.append(open_period)
    return found


def charges_of(period: Period, charges: Sequence[Charge]) -> list[Charge]:
    """Return the charges of a period."""
    return [charge for charge in charges if period.month <= charge.day < period.end]
