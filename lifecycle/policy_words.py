"""A policy in plain sentences."""

from collections.abc import Callable, Mapping

from lifecycle.policy import (
    BREAK_EVEN,
    CLASSES,
    COLD_CLASSES,
    WHAT,
    ApprovalRule,
    Archive,
    Keep,
    Kind,
    Match,
    Policy,
)
from pipelines.domain.durations import format_duration

_RUNS: Mapping[Kind, str] = {
    "dataset": "prefixes",
    "upload": "buckets",
    "noncurrent": "folders",
    "delete_marker": "folders",
}
"""What stands where a checkpoint has its run."""


def sentences(policy: Policy) -> list[str]:
    """Return the policy in plain words."""
    limits = policy.ceiling
    valid, fresh = (format_duration(span) for span in (policy.expires, policy.max_facts_age))
    amounts = f"{limits.objects:,} objects, {limits.bytes.human_readable()}, {limits.usd_month:,} USD a month"
    most_runs = f"{limits.runs:,} {_RUNS.get(policy.match.kind, 'runs')}"
    return [
        _about(policy.match),
        *_FOR_KIND.get(policy.match.kind, _cleared)(policy),
        f"At most in a plan: {amounts}, {limits.share_of_bucket:.0%} of a bucket and {most_runs}.",
        *_asks(policy.approval),
        f"A plan is valid for {valid} and needs facts younger than {fresh}.",
    ]


def _about(match: Match) -> str:
    where = " and ".join(match.buckets) or "any bucket"
    below = f" below {' or '.join(match.prefixes)}" if match.prefixes else ""
    return f"About {WHAT[match.kind]} in {where}{below}."


def _cleared(policy: Policy) -> list[str]:
    quiet = format_duration(policy.quiet_for)
    return [
        *_stays(policy.keep),
        f"Left alone: whatever changed within {quiet}, and the whole run around it.",
        *_goes(policy),
    ]


def _ended(policy: Policy) -> list[str]:
    after = format_duration(policy.age_to_delete)
    return [f"Ended for good {after} after they were begun; their parts are thrown away."]


def _outlived(policy: Policy) -> list[str]:
    newest, after = policy.keep.versions, format_duration(policy.age_to_delete)
    stays = f"the {newest} newest noncurrent versions" if newest != 1 else "the newest noncurrent version"
    return [
        "Kept: every current version" + (f", and {stays} of each key." if newest else "."),
        "Kept: what lies in a protected or pinned checkpoint, where somebody needs something, or is locked.",
        f"Deleted for good {after} after a newer version or a delete marker took their place.",
    ]


def _hiding_nothing(policy: Policy) -> list[str]:
    return [
        "Kept: every marker that hides a version, and what lies in a protected or pinned checkpoint.",
        f"Removed for good {format_duration(policy.age_to_delete)} after they were written.",
    ]


def _outside_of_runs(policy: Policy) -> list[str]:
    tables = "stays" if policy.keep.tables == "keep" else "is archived at most"
    words = [
        "Kept: whatever holds, lies in or lies above a run or checkpoint, and what somebody needs or pinned.",
        f"What looks like a table or array store (Delta, Iceberg, Hudi, Zarr, Lance) {tables}.",
        f"Left alone: whatever changed within {format_duration(policy.quiet_for)}.",
        *_goes(policy),
    ]
    if policy.archive and policy.archive.since == "last-read":
        words.append(
            "And only when no bill shows a read of the bucket for so long; of which prefix, no bill says."
        )
    return words


def _stays(keep: Keep) -> list[str]:
    newest = f"the {keep.latest} newest complete checkpoints of each run"
    words = [
        f"Kept: {newest}, and never fewer than {keep.min_complete_per_run}.",
        "Kept: everything in a run that has no complete checkpoint.",
        "Kept: what a registry serves, and final and best copies.",
        "Kept: what is pinned by a file named PINNED or keep_until_YYYY-MM-DD.",
    ]
    if keep.best:
        unknown = "every complete one stays" if keep.best_unknown == "keep" else "nothing more stays"
        words.append(f"Kept: the best of each run; where that is unknown, {unknown}.")
    if keep.every_n_steps:
        words.append(f"Kept: every checkpoint whose step is a multiple of {keep.every_n_steps:,}.")
    return words


def _goes(policy: Policy) -> list[str]:
    words = []
    if policy.archive:
        words.append(
            f"Archived to {policy.archive.to} {_when(policy.archive)}; "
            "objects under 128 KiB stay, moving them costs more than it saves."
        )
        if policy.archive.to in CLASSES["s3"]:
            words.append(
                "On S3, where a copy is not safe, they are tagged, and a rule of the bucket moves them."
            )
        if policy.archive.to in COLD_CLASSES:
            words.append("There nothing can be read before a restore request, which takes hours.")
    if policy.delete:
        way = "for good" if policy.delete.irreversible else "only where the bucket keeps the version"
        words.append(
            f"Deleted {format_duration(policy.delete.after)} after the last change, {way}. "
            "Archiving counts as a change."
        )
    return words


def _asks(rule: ApprovalRule | None) -> list[str]:
    if rule is None:
        return []
    above = rule.two_people_above
    amounts = (
        f"from {above.objects:,} objects on" if above.objects else "",
        f"from {above.bytes.human_readable()} on" if above.bytes else "",
        f"from {above.usd_month:,} USD a month on" if above.usd_month else "",
        "where anything goes for good" if above.irreversible else "",
    )
    return [f"Two different people have to approve a plan {' or '.join(filter(None, amounts))}."]


def _when(archive: Archive) -> str:
    if archive.after == BREAK_EVEN:
        return "once waiting has cost as much as the move would, minimum storage time included"
    return f"{format_duration(archive.after)} after the last change"


_FOR_KIND: Mapping[Kind, Callable[[Policy], list[str]]] = {
    "dataset": _outside_of_runs,
    "upload": _ended,
    "noncurrent": _outlived,
    "delete_marker": _hiding_nothing,
}
