"""What the company uses every day beside storage: requests, traffic, machines, a look-alike of storage."""

from pipelines.demo.meters import Habit, Meter

PAYER = "111111111111"
RESEARCH_PAYER = "999999999999"
ACCOUNTS = {
    "platform": "222222222222",
    "nlp": "333333333333",
    "vision": "444444444444",
    "speech": "555555555555",
}

_S3_WRITES = Meter(
    "AmazonS3", "Requests-Tier1", "PutObject", "Requests", "0.000005", "PUT, COPY, POST or LIST"
)
_S3_READS = Meter("AmazonS3", "Requests-Tier2", "GetObject", "Requests", "0.0000004", "GET and all others")
_S3_RETRIEVAL = Meter("AmazonS3", "Retrieval-SIA", "GetObject", "GB", "0.01", "Standard-IA data retrieval")
_S3_COLD_READS = Meter(
    "AmazonS3", "Requests-SIA-Tier2", "GetObject", "Requests", "0.000001", "GET and all others, Standard-IA"
)
_S3_ACROSS = Meter(
    "AmazonS3", "USE1-USW2-AWS-Out-Bytes", "GetObject", "GB", "0.02", "Data transfer to US West (Oregon)"
)
_S3_OUT = Meter(
    "AmazonS3", "DataTransfer-Out-Bytes", "GetObject", "GB", "0.09", "Data transfer out to the internet"
)
_NAT_BYTES = Meter(
    "AmazonEC2", "NatGateway-Bytes", "NatGateway", "GB", "0.045", "Data processed by NAT gateways"
)
_NAT_HOURS = Meter("AmazonEC2", "NatGateway-Hours", "NatGateway", "Hrs", "0.045", "NAT gateway hours")
_ZONE_IN = Meter(
    "AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-In", "GB", "0.01", "Regional data transfer, in"
)
_ZONE_OUT = Meter(
    "AmazonEC2", "DataTransfer-Regional-Bytes", "InterZone-Out", "GB", "0.01", "Regional data transfer, out"
)
_OUT = Meter(
    "AmazonEC2", "DataTransfer-Out-Bytes", "RunInstances", "GB", "0.09", "Data transfer out to the internet"
)
_P5 = Meter(
    "AmazonEC2", "BoxUsage:p5.48xlarge", "RunInstances", "Hrs", "55.04", "p5.48xlarge Linux instance hours"
)
_GP3 = Meter(
    "AmazonEC2", "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", "0.08", "General purpose (gp3) storage"
)
_CW_STORED = Meter(
    "AmazonCloudWatch", "TimedStorage-ByteHrs", "HourlyStorageMetering", "GB-Mo", "0.03", "Log storage"
)
_P4 = Meter(
    "AmazonEC2", "BoxUsage:p4d.24xlarge", "RunInstances", "Hrs", "21.96", "p4d.24xlarge Linux instance hours"
)

_NAT = "arn:aws:ec2:us-east-1:222222222222:natgateway/nat-0d1e2f3a4b5c6d7e8"


def _machine(account: str, number: int) -> str:
    return f"arn:aws:ec2:us-east-1:{account}:instance/i-0{number:015x}a"


HABITS = (
    Habit(ACCOUNTS["platform"], _S3_WRITES, 41_000, "acme-training"),
    Habit(ACCOUNTS["platform"], _S3_READS, 310_000, "acme-training"),
    Habit(ACCOUNTS["platform"], _S3_OUT, 46, "acme-training"),
    Habit(ACCOUNTS["platform"], _S3_WRITES, 6_500, "acme-datasets"),
    Habit(ACCOUNTS["platform"], _S3_READS, 2_600_000, "acme-datasets"),
    Habit(ACCOUNTS["vision"], _S3_COLD_READS, 120_000, "acme-datasets", "vision"),
    Habit(ACCOUNTS["vision"], _S3_RETRIEVAL, 850, "acme-datasets", "vision"),
    Habit(ACCOUNTS["platform"], _NAT_BYTES, 2_900, _NAT, "platform"),
    Habit(ACCOUNTS["platform"], _NAT_HOURS, 24, _NAT, "platform", is_steady=True),
    Habit(ACCOUNTS["nlp"], _ZONE_IN, 640, _machine(ACCOUNTS["nlp"], 17), "nlp"),
    Habit(ACCOUNTS["nlp"], _ZONE_OUT, 640, _machine(ACCOUNTS["nlp"], 17), "nlp"),
    Habit(ACCOUNTS["speech"], _ZONE_IN, 120, _machine(ACCOUNTS["speech"], 5)),
    Habit(ACCOUNTS["speech"], _ZONE_OUT, 120, _machine(ACCOUNTS["speech"], 5)),
    Habit(ACCOUNTS["platform"], _OUT, 95, _machine(ACCOUNTS["platform"], 2)),
    Habit(ACCOUNTS["nlp"], _P5, 14, _machine(ACCOUNTS["nlp"], 17), "nlp"),
    Habit(ACCOUNTS["vision"], _P5, 9, _machine(ACCOUNTS["vision"], 9), "vision"),
    Habit(ACCOUNTS["speech"], _P5, 3, _machine(ACCOUNTS["speech"], 5)),
    Habit(
        ACCOUNTS["platform"], _GP3, 700, "arn:aws:ec2:us-east-1:222222222222:volume/vol-0aa1", is_steady=True
    ),
    Habit(
        ACCOUNTS["platform"], _CW_STORED, 21, "arn:aws:logs:us-east-1:222222222222:log-group:/acme/training"
    ),
)
REMOTE_READS = (
    Habit(ACCOUNTS["vision"], _S3_ACROSS, 8_200, "acme-datasets", "vision"),
    Habit(ACCOUNTS["nlp"], _S3_ACROSS, 420, "acme-datasets", "nlp"),
)
"""Datasets read from another region: where the cost jump is planted."""

RESEARCH_HABITS = (
    Habit(RESEARCH_PAYER, _S3_WRITES, 3_800, "acme-logs"),
    Habit(RESEARCH_PAYER, _S3_READS, 52_000, "acme-logs"),
    Habit(RESEARCH_PAYER, _P4, 11, _machine(RESEARCH_PAYER, 3), "research"),
    Habit(
        RESEARCH_PAYER, _GP3, 40, f"arn:aws:ec2:us-east-1:{RESEARCH_PAYER}:volume/vol-0bb2", is_steady=True
    ),
)
