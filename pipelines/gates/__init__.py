"""Is it true? Checks over the built warehouse, before anything is published."""

from pipelines.gates.results import read_results
from pipelines.gates.run import run_gates

__all__ = ["read_results", "run_gates"]
