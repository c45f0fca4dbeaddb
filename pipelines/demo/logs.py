"""The bucket `acme-logs`: training logs, TensorBoard, exported models.

Providers deliver bills and inventories there too; see `deliveries`.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from pipelines.demo.chance import between
from pipelines.demo.frameworks import GB
from pipelines.demo.objects import StoredObject, declare
from pipelines.demo.training import RUNS

BUCKET = "acme-logs"


def log_objects(as_of: date) -> Iterator[StoredObject]:
    """Yield everything in the bucket but what providers deliver there."""
    for run in RUNS:
        for week in range(9):
            written_at = datetime.combine(as_of, time(3, 10)) - timedelta(weeks=week)
            key = f"training/{run.team}/{run.name}/{written_at:%Y-%m-%d} rank=0.log"
            yield declare(BUCKET, key, between(GB // 2, 3 * GB, key), written_at)
            key = f"tensorboard/{run.name}/events.out.tfevents.{week:02d}.gpu-{between(0, 9, run.name)}.v2"
            yield declare(BUCKET, key, between(10**6, 10**8, key), written_at)
    for number in range(24):
        exported_at = datetime.combine(as_of, time(16, 5)) - timedelta(days=80 - 3 * number)
        key = f"model-exports/chat-13b/q{number % 8 + 1}/chat-{number:05d}.gguf"
        yield declare(BUCKET, key, 26 * GB + number, exported_at)
