"""What is known of a place, in sentences."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from pipelines.domain.text import visible
from pipelines.report.figures import counted, money, size
from pipelines.report.listing import PrefixFacts, VersionFacts

DAYS_OF_A_MONTH = Decimal("30.4375")
_IN_WORDS = {
    "noncurrent": "older version",
    "delete_marker": "delete marker",
    "soft_deleted": "soft-deleted copy",
}
_MANY = {"soft_deleted": "soft-deleted copies"}


def since(first: datetime, last: datetime, cost_usd_month: Decimal | None, as_of: date) -> tuple[str, ...]:
    """Say since when something lies there, and what that cost at today's rate."""
    days = max(0, (as_of - last.date()).days)
    written = f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
    told = f"written {written}, and untouched for {counted(days, 'day')} on {as_of}"
    if cost_usd_month is None:
        return (f"{told}; what it costs is not known, because neither a bill nor a price list has its class",)
    so_far = cost_usd_month * days / DAYS_OF_A_MONTH
    return (f"{told}; at today's rate of {money(cost_usd_month)} a month that cost {money(so_far)}",)


def copies(uris: Sequence[str]) -> tuple[str, ...]:
    """Say where the same bytes lie once more."""
    return (f"the same bytes are at {', '.join(map(visible, uris))}",) if uris else ()


def hidden(versions: Sequence[VersionFacts]) -> tuple[str, ...]:
    """Say what of a key a plain listing does not show, and is paid for all the same."""
    told = []
    for state, word in _IN_WORDS.items():
        each = [version for version in versions if version.state == state]
        if each:
            total = sum(version.size_bytes for version in each)
            named = counted(len(each), word, _MANY.get(state, ""))
            told.append(
                f"hidden behind it: {named} of {size(total)}, the newest of {each[0].last_modified_at} UTC"
            )
    return tuple(told)


def hidden_below(folder: PrefixFacts) -> str:
    """Say how much of a folder a plain listing does not show."""
    named = counted(folder.hidden_count, "older version or delete marker", "older versions or delete markers")
    return f"hidden below it: {named} of {size(folder.hidden_bytes)}"


def gone(versions: Sequence[VersionFacts]) -> str:
    """Say that a key has no current object, or nothing."""
    match versions[0].state:
        case "current":
            return ""
        case "delete_marker":
            return "deleted: its newest version is a delete marker, and what lies behind it is still paid for"
        case "soft_deleted":
            return "deleted, and kept for the bucket's soft-delete window: it is still paid for"
        case _:
            return "deleted: no version of it is current, and the older ones are still paid for"
