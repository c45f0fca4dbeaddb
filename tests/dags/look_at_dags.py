"""Print, as JSON, what Airflow's DAG processor sees. In a process of its own: it counts imports."""

import json
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag

DAGS = Path(__file__).parents[2] / "dags"
HEAVY = frozenset({"boto3", "duckdb", "great_expectations", "pandas", "pyarrow", "sqlglot"})


def look() -> dict[str, object]:
    before = HEAVY & sys.modules.keys()
    bag = BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, bundle_name="dags-folder")
    return {
        "import_errors": bag.import_errors,
        "heavy": sorted((HEAVY & sys.modules.keys()) - before),
        "dags": {
            dag.dag_id: {
                "edges": sorted(
                    f"{task.task_id} > {next_}" for task in dag.tasks for next_ in task.downstream_task_ids
                ),
                "schedule": type(dag.timetable).__name__,
                "catchup": dag.catchup,
                "max_active_runs": dag.max_active_runs,
                "is_paused_upon_creation": dag.is_paused_upon_creation,
            }
            for dag in bag.dags.values()
        },
    }


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(look()) + "\n")
