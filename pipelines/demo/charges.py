"""The company's bill: storage from its buckets to the byte, the rest from its habits."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from pipelines.demo import datasets, logs, training
from pipelines.demo.company import JUMP_TEAM, Company
from pipelines.demo.habits import ACCOUNTS, HABITS, PAYER, REMOTE_READS, RESEARCH_HABITS, RESEARCH_PAYER
from pipelines.demo.meters import Charge, Meter
from pipelines.demo.storage_time import byte_seconds, gb_months, padding_byte_seconds

STORAGE_METERS = {
    "STANDARD": Meter(
        "AmazonS3",
        "TimedStorage-ByteHrs",
        "StandardStorage",
        "GB-Mo",
        "0.023",
        "First 50 TB / month of storage used",
    ),
    "STANDARD_IA": Meter(
        "AmazonS3",
        "TimedStorage-SIA-ByteHrs",
        "StandardIAStorage",
        "GB-Mo",
        "0.0125",
        "Standard-IA storage used",
    ),
    "GLACIER_IR": Meter(
        "AmazonS3",
        "TimedStorage-GIR-ByteHrs",
        "GlacierInstantRetrievalStorage",
        "GB-Mo",
        "0.004",
        "Glacier Instant Retrieval storage used",
    ),
}
"""Storage class → meter (us-east-1; the first tier's rate for all bytes)."""
PADDING_METERS = {
    "STANDARD_IA": Meter(
        "AmazonS3",
        "TimedStorage-SIA-SmObjects",
        "StandardIASizeOverhead",
        "GB-Mo",
        "0.0125",
        "Standard-IA storage of objects below 128 KB",
    ),
}
"""Storage class → meter of what its small objects lack to the least size."""
JUMP_FACTOR = 3
_TAX_RATE = Decimal("0.031")
_CREDIT = Meter("AmazonEC2", "", "", "", "-250.00", "Migration credit")
_SUPPORT = Meter("AWSSupportBusiness", "Dollar", "", "", "410.00", "AWS Support (Business)")


def company_charges(company: Company) -> Iterator[Charge]:
    """Yield what the company's payer is billed for; `acme-logs` is on another bill."""
    for bucket in (training.BUCKET, datasets.BUCKET):
        yield from _storage(company, bucket, ACCOUNTS["platform"])
    for day in company.days:
        yield from (habit.on(day) for habit in HABITS)
        for habit in REMOTE_READS:
            jumped = habit.team == JUMP_TEAM and day >= company.expectations.jump_day
            yield habit.on(day, JUMP_FACTOR if jumped else 1)


def research_charges(company: Company) -> Iterator[Charge]:
    """Yield what the research subsidiary is billed for: the bucket of logs, its machines, a support plan."""
    yield from _storage(company, logs.BUCKET, RESEARCH_PAYER)
    for day in company.days:
        yield from (habit.on(day) for habit in RESEARCH_HABITS)
        if day.day == 1:
            yield Charge(day, RESEARCH_PAYER, _SUPPORT, Decimal(1))


def monthly_charges(month: date, charges: Sequence[Charge]) -> Iterator[Charge]:
    """Yield what comes once a month: tax on the month's usage so far, and a credit."""
    tax = (_TAX_RATE * sum(charge.cost for charge in charges)).quantize(Decimal("0.01"))
    yield Charge(month, PAYER, Meter("AmazonEC2", "", "", "", str(tax), "Sales tax"), Decimal(1), kind="Tax")
    yield Charge(month, PAYER, _CREDIT, Decimal(1), kind="Credit")


def _storage(company: Company, bucket: str, account: str) -> Iterator[Charge]:
    for storage_class, meter in STORAGE_METERS.items():
        for day, seconds in byte_seconds(company, bucket, storage_class).items():
            if seconds:
                yield Charge(day, account, meter, gb_months(seconds, day), bucket)
    for storage_class, meter in PADDING_METERS.items():
        for day, seconds in padding_byte_seconds(company, bucket, storage_class).items():
            if seconds:
                yield Charge(day, account, meter, gb_months(seconds, day), bucket)
