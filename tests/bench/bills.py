"""Bills of any size for the benchmarks, as they lie in the lake: CUR 2.0 rows by the hour.

Two shapes. `hourly`: every resource has a row for each hour, as in most of a real bill, so a day's 24 rows
become one. `random`: hardly any two rows have a day and a resource in common, the worst that a bill can be.
"""

import sys
from pathlib import Path

import duckdb

from pipelines.domain.quoting import quote
from pipelines.domain.raw_tables import RAW_TABLES

HOURS = 720
"""A month of thirty days."""

# Product, usage type, operation, unit and price. Regions in front of usage types make four meters of most.
_METERS = (
    ("AmazonS3", "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", "0.023"),
    ("AmazonS3", "TimedStorage-SIA-ByteHrs", "StandardIAStorage", "GB-Mo", "0.0125"),
    ("AmazonS3", "Requests-Tier1", "PutObject", "Requests", "0.000005"),
    ("AmazonS3", "Requests-Tier2", "GetObject", "Requests", "0.0000004"),
    ("AmazonS3", "DataTransfer-Out-Bytes", "GetObject", "GB", "0.09"),
    ("AmazonS3", "USW2-AWS-Out-Bytes", "GetObject", "GB", "0.02"),
    ("AmazonEC2", "BoxUsage:p4d.24xlarge", "RunInstances", "Hrs", "32.7726"),
    ("AmazonEC2", "BoxUsage:m5.large", "RunInstances", "Hrs", "0.096"),
    ("AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", "0.08"),
    ("AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-In", "GB", "0.01"),
    ("AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-Out", "GB", "0.01"),
    ("AmazonEC2", "NatGateway-Bytes", "NatGateway", "GB", "0.045"),
    ("AmazonEC2", "NatGateway-Hours", "NatGateway", "Hrs", "0.045"),
    ("AmazonVPC", "VpcEndpoint-Bytes", "VpcEndpoint", "GB", "0.01"),
    ("AWSLambda", "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", "0.0000166667"),
    ("AmazonCloudWatch", "CW:MetricMonitorUsage", "MetricStorage", "Metrics", "0.3"),
)
_REGIONS = (("", "us-east-1"), ("USE2-", "us-east-2"), ("EUC1-", "eu-central-1"), ("APN1-", "ap-northeast-1"))

# Costs have six digits behind the point, so that sums of doubles can be compared with sums of decimals.
_ROWS = """
with numbered as (
    select i, {series} as series, {hour} as hour from range({rows}) as numbers (i)
),
placed as (
    select *, meters.*,
        1 + (md5_number_lower(i::varchar) % 9)::bigint as amount
    from numbered
    inner join meters on meters.number = numbered.series % {meters}
)
select
    'row-' || i as identity_line_item_id,
    '111111111111' as bill_payer_account_id,
    timestamp '2026-09-01' as bill_billing_period_start_date,
    lpad((series % 23)::varchar, 12, '2') as line_item_usage_account_id,
    'Usage' as line_item_line_item_type,
    timestamp '2026-09-01' + to_hours(hour::bigint) as line_item_usage_start_date,
    timestamp '2026-09-01' + to_hours(hour::bigint + 1) as line_item_usage_end_date,
    product as line_item_product_code,
    usage_type as line_item_usage_type,
    operation as line_item_operation,
    case
        when product = 'AmazonS3' then 'bucket-' || (series % 500)
        else 'i-' || lpad(series::varchar, 17, '0')
    end as line_item_resource_id,
    'USD' as line_item_currency_code,
    amount::decimal(38, 12) as line_item_usage_amount,
    (amount * price)::decimal(18, 6)::decimal(38, 12) as line_item_unblended_cost,
    (amount * price)::decimal(18, 6)::decimal(38, 12) as pricing_public_on_demand_cost,
    unit as pricing_unit,
    product as product_servicecode,
    region as product_region_code,
    case
        when series % 5 = 0 then '{{}}'
        else '{{"user_team":"team-' || (series % 12) || '","user_run":"' || (series % 300) || '"}}'
    end as resource_tags
from placed
"""


def write_bill(path: Path, rows: int, shape: str) -> None:
    """Write one landed bill of `rows` lines in the shape `hourly` or `random`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    many = max(1, rows // HOURS)
    series, hour = f"i % {many}", f"i // {many} % {HOURS}"
    if shape == "random":
        series = "(md5_number_upper(i::varchar) % 4000000)::bigint"
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB"}) as connection:
        meters = [
            (number, product, region_code + usage_type, operation, unit, region, price)
            for number, (region_code, region, product, usage_type, operation, unit, price) in enumerate(
                (code, region, *meter) for code, region in _REGIONS for meter in _METERS
            )
        ]
        connection.execute(
            "create table meters (number int, product varchar, usage_type varchar, operation varchar, "
            "unit varchar, region varchar, price decimal(18,10))"
        )
        connection.executemany("insert into meters values (?, ?, ?, ?, ?, ?, ?)", meters)
        query = _ROWS.format(series=series, hour=hour, rows=rows, meters=len(meters))
        made = {str(row[0]) for row in connection.execute(f"describe {query}").fetchall()}
        columns = ", ".join(
            f"{name if name in made else 'null'}::{kind} as {name}" for name, kind in RAW_TABLES["aws_cur2"]
        )
        connection.execute(
            f"copy (select {columns} from ({query})) to {quote(str(path))} (format parquet, "
            "parquet_version v2, compression zstd, compression_level 1, row_group_size 122880)"
        )


if __name__ == "__main__":
    write_bill(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
