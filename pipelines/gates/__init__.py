"""Is it true? Checks over the built warehouse, before anything is published."""

from pipelines.gates.results import read_results
from pipelines.gates.run import run_gates
from pipelines.gates.shown import render_page, result_lines

__all__ = ["read_results", "render_page", "result_lines", "run_gates"]
