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


def test_rules_that_could_leave_a_line_without_a_category_are_refused() -> None:
    citation = {"title": "a", "url": "https://example.org", "as_of": "2026"}
    rules = [{"category": "internet_out", "usage_type": "Out"}]
    with pytest.raises(ValidationError, match="has to match anything"):
        TransferRules.model_validate({"provider": "aws", "sources": [citation], "rules": rules})
