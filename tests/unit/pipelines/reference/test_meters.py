"""How bills spell what they charge for."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.reference.meters import TransferRules, meter_tables

TABLES = {table.name: table for table in meter_tables()}


def first_match(usage_type: str, operation: str = "") -> tuple[str, str, bool]:
    names = TABLES["storage_meters"].column_names
    for row in TABLES["storage_meters"].rows:
        meter: dict[str, Any] = dict(zip(names, row, strict=True))
        if re.search(meter["usage_type_pattern"], usage_type) and re.search(
            meter["operation_pattern"], operation
        ):
            return meter["meter_group"], meter["storage_class"], meter["holds_objects"]
    return "", "", False


@pytest.mark.parametrize(
    "usage_type, operation, expected",
    [
        ("TimedStorage-ByteHrs", "StandardStorage", ("storage", "STANDARD", True)),
        ("EUC1-TimedStorage-ByteHrs", "StandardStorage", ("storage", "STANDARD", True)),
        ("TimedStorage-ByteHrs", "DeepArchiveS3ObjectOverhead", ("storage", "STANDARD", False)),
        ("TimedStorage-INT-AIA-ByteHrs", "", ("storage", "INTELLIGENT_TIERING", True)),
        ("TimedStorage-ZIA-SmObjects", "OneZoneIASizeOverhead", ("storage", "ONEZONE_IA", False)),
        ("TimedStorage-GIR-ByteHrs", "", ("storage", "GLACIER_IR", True)),
        ("TimedStorage-GlacierByteHrs", "GlacierStorage", ("storage", "GLACIER", True)),
        ("TimedStorage-GlacierByteHrs", "GlacierObjectOverhead", ("storage", "GLACIER", False)),
        ("TimedStorage-GDA-Staging", "", ("storage", "DEEP_ARCHIVE", False)),
        ("Tables-TimedStorage-ByteHrs", "", ("storage", "", False)),
        ("TimedStorage-Unheard-Of", "", ("storage", "", False)),
        ("USW2-EarlyDelete-SIA-SmObjects", "DeleteObject", ("other", "STANDARD_IA", False)),
        ("EarlyDelete-ByteHrs", "DeleteObject", ("other", "GLACIER", False)),
        ("Requests-Tier3", "S3-GlacierTransition", ("requests", "", False)),
        ("USW2-Requests-GIR-Tier1", "PutObject", ("requests", "GLACIER_IR", False)),
        ("Retrieval-SIA", "GetObject", ("retrieval", "STANDARD_IA", False)),
        ("Bulk-Retrieval-Bytes", "", ("retrieval", "", False)),
        ("Monitoring-Automation-INT", "", ("other", "INTELLIGENT_TIERING", False)),
        ("DataTransfer-Out-Bytes", "GetObject", ("", "", False)),
    ],
)
def test_a_meter_is_of_its_class_and_group(
    usage_type: str, operation: str, expected: tuple[str, str, bool]
) -> None:
    assert first_match(usage_type, operation) == expected


def test_only_the_bytes_that_a_listing_shows_hold_objects() -> None:
    names = TABLES["storage_meters"].column_names
    meters = [dict(zip(names, row, strict=True)) for row in TABLES["storage_meters"].rows]
    assert all(meter["holds_objects"] == (meter["spread_by"] == "bytes") for meter in meters)
    assert all(meter["objects_class"] for meter in meters if meter["spread_by"])


def test_rules_that_could_leave_a_line_without_a_category_are_refused() -> None:
    citation = {"title": "a", "url": "https://example.org", "as_of": "2026"}
    rules = [{"category": "internet_out", "usage_type": "Out"}]
    with pytest.raises(ValidationError, match="has to match anything"):
        TransferRules.model_validate({"provider": "aws", "sources": [citation], "rules": rules})


def path_of(provider: str, meter: str) -> str:
    names = TABLES["transfer_rules"].column_names
    rules = (dict[str, Any](zip(names, row, strict=True)) for row in TABLES["transfer_rules"].rows)
    return next(
        str(rule["category"])
        for rule in rules
        if rule["provider"] == provider and re.search(rule["usage_type_pattern"], meter)
    )


@pytest.mark.parametrize(
    "meter, path",
    [
        ("download worldwide destinations (excluding asia & australia)", "internet_out"),
        ("22eb-aae8-fbcd", "internet_out"),
        ("aed0-3315-7b11", "replication"),
        ("network inter region egress from oregon to iowa", "inter_region_out"),
        ("network data transfer in", "free_in"),
        ("dedicated interconnect data transfer", "interconnect_out"),
        ("some new data transfer out", "unclassified_transfer"),
        ("aed0-3315-7b11-x", "not_transfer"),
    ],
)
def test_a_description_or_code_of_google_has_a_path(meter: str, path: str) -> None:
    assert path_of("gcp", meter) == path
