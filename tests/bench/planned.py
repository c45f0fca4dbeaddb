"""Planning, measured: one clean-up over what `tests.bench.snapshots` made up; the bucket is one in memory."""

import json
import sys
from pathlib import Path

from lifecycle import settings, steps
from lifecycle.providers.memory import MemoryBucket, MemoryProvider
from tests.bench.snapshots import BUCKET, NOW


def plan(home: Path) -> dict[str, object]:
    """Plan with the real steps, and return what came of it."""
    cloud = MemoryProvider()
    cloud.buckets = {BUCKET: MemoryBucket()}
    run = steps.Run(settings.load(home / "moraine.yaml"), NOW, {"s3": cloud})
    made = steps.plan(run, home / "policy.yaml")
    size = sum(path.stat().st_size for path in Path(made.path).rglob("*") if path.is_file())
    return {
        "checkpoints": {
            name: getattr(made.totals, name).checkpoints for name in ("archive", "delete", "keep")
        },
        "actions": made.totals.archive.objects + made.totals.delete.objects,
        "chunks": len(made.chunks),
        "plan_mib": round(size / 1024**2),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(plan(Path(sys.argv[1]))))
