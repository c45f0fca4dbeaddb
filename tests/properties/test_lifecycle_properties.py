"""What must hold for every checkpoint, policy and day."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.decide import decide, movable
from lifecycle.errors import LimitPassed
from lifecycle.model import (
    HOTNESS,
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    Facts,
    Keep,
    PlanFile,
    Price,
    PriceList,
)
from lifecycle.plan import Terms, make_plan, plan_from_json, plan_to_json, seal
from lifecycle.policy import Policy, parse_policy
from lifecycle.registry import refuse_claimed
from pipelines.domain.claims import Claim

DAY = date(2026, 11, 20)
END = datetime(2026, 11, 21)
CLASSES = ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "INTELLIGENT_TIERING", "")
STATES = ("complete", "complete", "complete", "incomplete", "in_progress", "stub", "marked_deleted")
KINDS = ("intermediate", "intermediate", "intermediate", "final", "best_copy", "registered")
PRICES = PriceList(
    DAY,
    {
        name: Price(name, Decimal(rate), days, Decimal("0.00002"), Decimal("0.01"))
        for name, rate, days in (
            ("STANDARD", "0.023", 0),
            ("STANDARD_IA", "0.0125", 30),
            ("ONEZONE_IA", "0.01", 30),
            ("GLACIER_IR", "0.004", 90),
            ("GLACIER", "0.0036", 90),
        )
    },
)
TERMS = Terms(datetime(2026, 11, 21, 6), "0.1.0")
BOUNDLESS = (
    "limits: {objects: 1000000000, bytes: 1000000TiB, usd_month: 1e12, share_of_bucket: 1, runs: 100000}"
)
common = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def shares(draw: st.DrawFn) -> tuple[ClassShare, ...]:
    names = draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=2, unique=True))
    found = []
    for name in names:
        movable_count, small = draw(st.integers(0, 3)), draw(st.integers(0, 2))
        size = draw(st.integers(131_072, 10 * 1024**3))
        found.append(
            ClassShare(
                name,
                movable_count + small,
                movable_count * size + small * 10,
                movable_count,
                movable_count * size,
                size if movable_count else 10 * small,
            )
        )
    return tuple(found)


@st.composite
def artifacts(draw: st.DrawFn) -> tuple[Artifact, ...]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        bucket, run = draw(st.sampled_from(["a", "b"])), draw(st.sampled_from(["runs/x", "other/y"]))
        held = draw(shares())
        name = f"s3://{bucket}/{run}/checkpoint-{number}"
        found.append(
            Artifact(
                checkpoint_id=name,
                uri=name,
                bucket=bucket,
                run=run,
                framework="hf",
                step=draw(st.one_of(st.none(), st.integers(0, 50).map(lambda n: n * 100))),
                epoch=None,
                state=draw(st.sampled_from(STATES)),
                state_reason="",
                kind=draw(st.sampled_from(KINDS)),
                is_latest=draw(st.booleans()) and draw(st.booleans()),
                is_best=draw(st.booleans()) and draw(st.booleans()),
                is_protected=draw(st.booleans()) and draw(st.booleans()),
                protected_because="",
                object_count=sum(share.object_count for share in held),
                size_bytes=sum(share.size_bytes for share in held),
                last_modified_at=END - timedelta(hours=draw(st.integers(0, 24 * 300))),
                cost_usd_month=Decimal(draw(st.integers(0, 10_000))) / 100,
                classes=held,
            )
        )
    return tuple(found)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    archive_after = draw(st.integers(1, 100))
    delete_after = archive_after + draw(st.integers(1, 100))
    wanted = draw(st.sampled_from(["archive", "delete", "both"]))
    to = draw(st.sampled_from(["STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"]))
    irreversible = draw(st.sampled_from(["true", "false"]))
    prefix = draw(st.sampled_from(["runs/", "runs/x/checkpoint-1", "other/"]))
    latest, best, floor = draw(st.integers(0, 4)), draw(st.integers(0, 1)), draw(st.integers(1, 4))
    unknown = draw(st.sampled_from(["keep", "accept"]))
    kept = f"latest: {latest}, best: {best}, best_unknown: {unknown}, min_complete_per_run: {floor}"
    lines = [
        "name: p",
        f"match: {{prefixes: [{prefix}]}}",
        f"keep: {{{kept}}}",
        f"quiet_for: {draw(st.integers(1, 10))}d",
        BOUNDLESS,
    ]
    if wanted != "delete":
        lines.append(f"archive: {{after: {archive_after}d, to: {to}}}")
    if wanted != "archive":
        lines.append(f"delete: {{after: {delete_after}d, irreversible: {irreversible}}}")
    return parse_policy("\n".join(lines), origin="p")


@st.composite
def capabilities(draw: st.DrawFn, bucket: str) -> BucketCapability:
    flag = st.sampled_from([True, True, True, False])
    versioning = draw(st.sampled_from(["off", "off", "on", "suspended"]))
    flags = [draw(flag) for _ in range(4)]
    return BucketCapability(bucket, versioning, *flags)  # type: ignore[arg-type]


@st.composite
def worlds(draw: st.DrawFn) -> Facts:
    found = draw(artifacts())
    enforced = {bucket: draw(capabilities(bucket)) for bucket in ("a", "b")}
    return Facts("s", DAY, found, {"a": 1, "b": 1}, PRICES, (), enforced)


def cleared(decisions: Sequence[Decision]) -> set[str]:
    return {d.artifact.checkpoint_id for d in decisions if not isinstance(d, Keep)}


def deleted(decisions: Sequence[Decision]) -> set[str]:
    return {d.artifact.checkpoint_id for d in decisions if isinstance(d, Delete)}


@common
@given(worlds(), policies())
def test_every_checkpoint_gets_exactly_one_decision_with_a_reason(facts: Facts, policy: Policy) -> None:
    decisions = decide(facts, policy, DAY)
    ids = [decision.artifact.checkpoint_id for decision in decisions]
    assert sorted(ids) == sorted(artifact.checkpoint_id for artifact in facts.artifacts)
    assert all(decision.rule and decision.reason for decision in decisions)


@common
@given(worlds(), policies())
def test_nothing_protected_is_ever_cleared(facts: Facts, policy: Policy) -> None:
    for decision in decide(facts, policy, DAY):
        if isinstance(decision, Keep):
            continue
        artifact = decision.artifact
        assert artifact.is_complete
        assert artifact.kind == "intermediate"
        assert not artifact.is_protected
        assert not artifact.is_latest
        assert not (artifact.is_best and policy.keep.best)
        assert (
            artifact.uri.partition("/")[2]
            .partition("/")[2]
            .partition("/")[2]
            .startswith(policy.match.prefixes)
        )
        assert END - artifact.last_modified_at >= policy.quiet_for


@common
@given(worlds(), policies())
def test_each_run_keeps_its_floor(facts: Facts, policy: Policy) -> None:
    gone = deleted(decide(facts, policy, DAY))
    for run in {(artifact.bucket, artifact.run) for artifact in facts.artifacts}:
        complete = [a for a in facts.artifacts if (a.bucket, a.run) == run and a.is_complete]
        left = [a for a in complete if a.checkpoint_id not in gone]
        assert len(left) >= min(len(complete), policy.keep.min_complete_per_run)
        assert left or not complete


@common
@given(worlds(), policies(), st.data())
def test_a_looser_policy_never_clears_more(facts: Facts, policy: Policy, data: st.DataObject) -> None:
    keep = policy.keep
    kept_longer = {
        "latest": keep.latest + 1,
        "best": 1,
        "best_unknown": "keep",
        "every_n_steps": keep.every_n_steps or 300,
        "min_complete_per_run": keep.min_complete_per_run + 1,
    }
    name = data.draw(st.sampled_from([*kept_longer, "quiet_for"]))
    update: dict[str, object] = (
        {"quiet_for": policy.quiet_for + timedelta(days=5)}
        if name == "quiet_for"
        else {"keep": keep.model_copy(update={name: kept_longer[name]})}
    )
    looser = policy.model_copy(update=update)
    tight, loose = decide(facts, policy, DAY), decide(facts, looser, DAY)
    assert cleared(loose) <= cleared(tight)
    assert deleted(loose) <= deleted(tight)


@common
@given(worlds(), policies())
def test_waiting_longer_never_clears_more(facts: Facts, policy: Policy) -> None:
    later = policy
    if policy.delete:
        longer = policy.delete.model_copy(update={"after": policy.delete.after + timedelta(days=7)})
        later = later.model_copy(update={"delete": longer})
    assert deleted(decide(facts, later, DAY)) <= deleted(decide(facts, policy, DAY))


@common
@given(worlds(), policies())
def test_classes_never_get_hotter(facts: Facts, policy: Policy) -> None:
    for decision in decide(facts, policy, DAY):
        if isinstance(decision, Archive):
            moved = movable(decision.artifact, decision.to)
            assert moved
            assert all(HOTNESS[share.storage_class] < HOTNESS[decision.to] for share in moved)


@common
@given(worlds(), policies())
def test_deleting_for_good_needs_the_policys_word_and_an_enforced_condition(
    facts: Facts, policy: Policy
) -> None:
    for decision in decide(facts, policy, DAY):
        if isinstance(decision, Delete) and decision.path != "delete-marker":
            assert policy.delete
            assert policy.delete.irreversible
            assert facts.capabilities[decision.artifact.bucket].delete


@common
@given(worlds(), policies())
def test_planning_again_after_applying_finds_nothing_to_do(facts: Facts, policy: Policy) -> None:
    left = []
    for decision in decide(facts, policy, DAY):
        match decision:
            case Keep(artifact=artifact):
                left.append(artifact)
            case Archive(artifact=artifact, to=to):
                left.append(_archived(artifact, to))
    again = decide(replace(facts, artifacts=tuple(left)), policy, DAY)
    assert cleared(again) == set()


def _archived(artifact: Artifact, to: str) -> Artifact:
    """Return the checkpoint as the next inventory shows it: the class moved, and the time restarted."""
    moved = movable(artifact, to)
    cold = [
        ClassShare(to, s.movable_count, s.movable_bytes, s.movable_count, s.movable_bytes, s.largest_bytes)
        for s in moved
    ]
    stays = [
        replace(
            s,
            object_count=s.object_count - s.movable_count,
            size_bytes=s.size_bytes - s.movable_bytes,
            movable_count=0,
            movable_bytes=0,
        )
        if s in moved
        else s
        for s in artifact.classes
    ]
    return replace(artifact, classes=(*cold, *stays), last_modified_at=END)


@common
@given(worlds(), policies())
def test_a_plan_survives_json_adds_up_and_costs_are_never_negative(facts: Facts, policy: Policy) -> None:
    decisions = decide(facts, policy, DAY)
    plan = make_plan(facts, decisions, policy, TERMS)
    sealed = seal(
        plan, [PlanFile("actions/chunk-00000.parquet", "a", 1)], PlanFile("survivors.parquet", "b", 1)
    )
    assert plan_from_json(plan_to_json(sealed), origin="x") == sealed
    totals = (plan.totals.keep, plan.totals.archive, plan.totals.delete)
    assert sum(total.checkpoints for total in totals) == len(facts.artifacts)
    assert sum(total.cost_usd_month for total in totals) == sum(a.cost_usd_month for a in facts.artifacts)
    for line in plan.lines:
        assert 0 <= line.saving_usd_month <= line.cost_usd_month
        assert line.one_off_usd >= 0
        assert line.action_count <= line.object_count


@common
@given(worlds(), policies())
def test_planning_is_the_same_to_the_byte_whatever_the_order_of_the_facts(
    facts: Facts, policy: Policy
) -> None:
    shuffled = replace(facts, artifacts=tuple(reversed(facts.artifacts)))
    plans = [make_plan(given_, decide(given_, policy, DAY), policy, TERMS) for given_ in (facts, shuffled)]
    assert plan_to_json(plans[0]) == plan_to_json(plans[1])


@common
@given(worlds(), policies(), st.integers(1, 20))
def test_a_plan_within_its_limits_or_none_at_all(facts: Facts, policy: Policy, objects: int) -> None:
    limits = policy.ceiling.model_copy(update={"objects": objects})
    limited = policy.model_copy(update={"limits": limits})
    try:
        plan = make_plan(facts, decide(facts, limited, DAY), limited, TERMS)
    except LimitPassed:
        return
    assert plan.totals.archive.objects + plan.totals.delete.objects <= objects


places = st.lists(
    st.sampled_from(["runs", "chat", "checkpoint-1", "checkpoint-10", "x"]), min_size=1, max_size=4
)


@common
@given(places, places)
def test_the_registry_protects_what_lies_at_above_or_below_what_it_names(
    source: list[str], uri: list[str]
) -> None:
    shorter, longer = sorted((source, uri), key=len)
    try:
        refuse_claimed([Claim("m", "s3://b/" + "/".join(source))], ["s3://b/" + "/".join(uri)])
        is_refused = False
    except Exception:  # noqa: BLE001  (any refusal)
        is_refused = True
    assert is_refused == (longer[: len(shorter)] == shorter)
