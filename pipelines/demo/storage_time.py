"""How many bytes lay in a bucket for how long: what a storage meter counts."""

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from pipelines.demo.company import Company
from pipelines.demo.objects import StoredObject, part_times

LEAST_BYTES = 128 * 1024
"""What an object of an infrequent-access class is billed for at least."""

_DAY_SECONDS = 86_400


def byte_seconds(company: Company, bucket: str, storage_class: str) -> dict[date, int]:
    """Return bytes times seconds of each billed day.

    Every version counts from its first second to its last, and so does every part of an open upload.
    """
    return _daily(company, _stored(company, bucket, storage_class))


def padding_byte_seconds(company: Company, bucket: str, storage_class: str) -> dict[date, int]:
    """Return the same of what small objects lack to the least size that the class bills."""
    small = (item for item in _objects(company, bucket, storage_class) if item.size_bytes < LEAST_BYTES)
    return _daily(company, (each for item in small for each in _span(item, LEAST_BYTES - item.size_bytes)))


def gb_months(seconds: int, day: date) -> Decimal:
    """Return byte-seconds of a day in the unit of the bill: 2^30 bytes for all hours of that month."""
    hours = 24 * monthrange(day.year, day.month)[1]
    return Decimal(seconds) / (3600 * 2**30 * hours)


def _daily(company: Company, stored: Iterable[tuple[int, datetime]]) -> dict[date, int]:
    begun: dict[date, list[tuple[int, datetime]]] = defaultdict(list)
    for size_bytes, since in stored:
        begun[since.date()].append((size_bytes, since))
    whole_day_bytes = sum(size for day in begun if day < company.days[0] for size, _ in begun[day])
    counted = {}
    for day in company.days:
        first_day = sum(size * _seconds_left(since) for size, since in begun[day])
        counted[day] = whole_day_bytes * _DAY_SECONDS + first_day
        whole_day_bytes += sum(size for size, _ in begun[day])
    return counted


def _stored(company: Company, bucket: str, storage_class: str) -> Iterator[tuple[int, datetime]]:
    for item in _objects(company, bucket, storage_class):
        yield from _span(item, item.size_bytes)
    for upload in company.uploads:
        if upload.bucket == bucket and storage_class == "STANDARD":
            yield from zip(upload.part_sizes, part_times(upload), strict=True)


def _objects(company: Company, bucket: str, storage_class: str) -> Iterator[StoredObject]:
    """Yield what ever lay there in that class."""
    return (item for item in company.objects if (item.bucket, item.storage_class) == (bucket, storage_class))


def _span(item: StoredObject, size_bytes: int) -> Iterator[tuple[int, datetime]]:
    """Yield bytes and since when they count; what is gone is taken off from then on."""
    yield size_bytes, item.modified_at
    if item.gone_at:
        yield -size_bytes, item.gone_at


def _seconds_left(since: datetime) -> int:
    midnight = datetime.combine(since.date(), time()) + timedelta(days=1)
    return int((midnight - since).total_seconds())
