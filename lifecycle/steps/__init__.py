"""The lifecycle on one page: one function per step. The command line and the DAGs call nothing else.

    plan → show, why → approve → apply (or apply_chunk for each chunk) → verify, undo

Steps meet in a plan's directory. Facts come from the published snapshot, the present from the clouds
themselves.
"""

from lifecycle.steps.applying import ApplyReport, apply, apply_chunk, chunks
from lifecycle.steps.approving import approve, second_needed
from lifecycle.steps.handing_over import hand_over
from lifecycle.steps.looking import audit, canary, verify
from lifecycle.steps.planning import (
    PlanReport,
    changes,
    kind_of,
    plan,
    policies,
    read_policy,
    show,
    try_policy,
    why,
)
from lifecycle.steps.ruling import rules
from lifecycle.steps.run import Run, Tell, open_run, utc_now
from lifecycle.steps.undoing import undo

__all__ = [
    "ApplyReport",
    "PlanReport",
    "Run",
    "Tell",
    "apply",
    "apply_chunk",
    "approve",
    "audit",
    "canary",
    "changes",
    "chunks",
    "hand_over",
    "kind_of",
    "open_run",
    "plan",
    "policies",
    "read_policy",
    "rules",
    "second_needed",
    "show",
    "try_policy",
    "undo",
    "utc_now",
    "verify",
    "why",
]
