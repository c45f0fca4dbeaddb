"""What must hold for every checkpoint, policy and day."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.decide.checkpoints import by_run, decide, movable, run_of
from lifecycle.errors import LimitPassed
from lifecycle.model import (
    HOTNESS,
    REVERSIBLE_PATHS,
    Archive,
    Artifact,
    BucketCapability,
    ClassShare,
    Decision,
    Delete,
    Keep,
    Line,
    Plan,
    PlanFile,
    Price,
    PriceList,
    Scheme,
    Surroundings,
)
from lifecycle.plan.document import Tally, Terms, make_plan, plan_from_json, plan_to_json, priced, seal
from lifecycle.policy import ARCHIVE_CLASSES, CLASSES, Policy, parse_policy
from lifecycle.registry import refuse_claimed
from pipelines.domain.claims import Claim

DAY = date(2026, 11, 20)
END = datetime(2026, 11, 21)
HELD: dict[str, tuple[str, ...]] = {
    "s3": ("STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "INTELLIGENT_TIERING", ""),
    "gs": ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", ""),
}
PLACES = ("s3://a", "gs://a", "gs://b")
"""The same name in both clouds means two buckets."""
STATES = ("complete", "complete", "complete", "incomplete", "in_progress", "stub", "marked_deleted")
KINDS = ("intermediate", "intermediate", "intermediate", "final", "best_copy", "registered")
LISTED: dict[Scheme, tuple[tuple[str, str, int], ...]] = {
    "s3": (
        ("STANDARD", "0.023", 0),
        ("STANDARD_IA", "0.0125", 30),
        ("ONEZONE_IA", "0.01", 30),
        ("GLACIER_IR", "0.004", 90),
        ("GLACIER", "0.0036", 90),
    ),
    "gs": (
        ("MULTI_REGIONAL", "0.026", 0),
        ("STANDARD", "0.020", 0),
        ("NEARLINE", "0.010", 30),
        ("COLDLINE", "0.004", 90),
        ("ARCHIVE", "0.0012", 365),
    ),
}
PRICES = {
    scheme: PriceList(
        DAY,
        {
            name: Price(name, Decimal(rate), days, Decimal("0.00002"), Decimal("0.01"))
            for name, rate, days in listed
        },
    )
    for scheme, listed in LISTED.items()
}
TERMS = Terms(datetime(2026, 11, 21, 6), "0.1.0")
BOUNDLESS = (
    "limits: {objects: 1000000000, bytes: 1000000TiB, usd_month: 1e12, share_of_bucket: 1, runs: 100000}"
)
common = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def shares(draw: st.DrawFn, scheme: str) -> tuple[ClassShare, ...]:
    names = draw(st.lists(st.sampled_from(HELD[scheme]), min_size=1, max_size=2, unique=True))
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
        place, run = draw(st.sampled_from(PLACES)), draw(st.sampled_from(["runs/x", "other/y"]))
        scheme, _, bucket = place.partition("://")
        held = draw(shares(scheme))
        name = f"{place}/{run}/checkpoint-{number}"
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
    to = draw(st.sampled_from(ARCHIVE_CLASSES))
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
def capabilities(draw: st.DrawFn, place: str) -> BucketCapability:
    flag = st.sampled_from([True, True, True, False])
    is_google = place.startswith("gs:")
    return BucketCapability(
        bucket=place.partition("://")[2],
        versioning=draw(st.sampled_from(["off", "off", "on"] if is_google else ["off", "on", "suspended"])),
        copy_source=draw(flag),
        copy_destination=draw(flag),
        copy_in_parts=draw(flag),
        delete=draw(flag),
        delete_batch=draw(flag),
        scheme="gs" if is_google else "s3",
        soft_delete_days=draw(st.sampled_from([0, 7])) if is_google else 0,
        autoclass=is_google and not draw(flag),
    )


@dataclass(frozen=True)
class World:
    """Checkpoints, and what is around them."""

    artifacts: tuple[Artifact, ...]
    around: Surroundings


@st.composite
def worlds(draw: st.DrawFn) -> World:
    found = draw(artifacts())
    enforced = {place: draw(capabilities(place)) for place in PLACES}
    return World(found, Surroundings("s", DAY, PRICES, capabilities=enforced))


def decided(world: World, policy: Policy) -> tuple[Decision, ...]:
    return tuple(decide(by_run(sorted(world.artifacts, key=run_of)), world.around, policy, DAY))


def planned(world: World, policy: Policy) -> tuple[Plan, list[Line]]:
    tally = Tally()
    lines = list(tally.counting(priced(decided(world, policy), world.around)))
    return make_plan(tally, world.around, policy, TERMS), lines


def cleared(decisions: Sequence[Decision]) -> set[str]:
    return {d.artifact.checkpoint_id for d in decisions if not isinstance(d, Keep)}


def deleted(decisions: Sequence[Decision]) -> set[str]:
    return {d.artifact.checkpoint_id for d in decisions if isinstance(d, Delete)}


@common
@given(worlds(), policies())
def test_every_checkpoint_gets_exactly_one_decision_with_a_reason(world: World, policy: Policy) -> None:
    decisions = decided(world, policy)
    ids = [decision.artifact.checkpoint_id for decision in decisions]
    assert sorted(ids) == sorted(artifact.checkpoint_id for artifact in world.artifacts)
    assert all(decision.rule and decision.reason for decision in decisions)


@common
@given(worlds(), policies())
def test_nothing_protected_is_ever_cleared(world: World, policy: Policy) -> None:
    for decision in decided(world, policy):
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
def test_each_run_keeps_its_floor(world: World, policy: Policy) -> None:
    gone = deleted(decided(world, policy))
    for run in {run_of(artifact) for artifact in world.artifacts}:
        complete = [a for a in world.artifacts if run_of(a) == run and a.is_complete]
        left = [a for a in complete if a.checkpoint_id not in gone]
        assert len(left) >= min(len(complete), policy.keep.min_complete_per_run)
        assert left or not complete


@common
@given(worlds(), policies(), st.data())
def test_a_looser_policy_never_clears_more(world: World, policy: Policy, data: st.DataObject) -> None:
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
    tight, loose = decided(world, policy), decided(world, looser)
    assert cleared(loose) <= cleared(tight)
    assert deleted(loose) <= deleted(tight)


@common
@given(worlds(), policies())
def test_waiting_longer_never_clears_more(world: World, policy: Policy) -> None:
    later = policy
    if policy.delete:
        longer = policy.delete.model_copy(update={"after": policy.delete.after + timedelta(days=7)})
        later = later.model_copy(update={"delete": longer})
    assert deleted(decided(world, later)) <= deleted(decided(world, policy))


@common
@given(worlds(), policies())
def test_classes_never_get_hotter(world: World, policy: Policy) -> None:
    for decision in decided(world, policy):
        if isinstance(decision, Archive):
            moved = movable(decision.artifact, decision.to)
            assert moved
            assert all(HOTNESS[share.storage_class] < HOTNESS[decision.to] for share in moved)
            assert decision.to in CLASSES[decision.artifact.scheme]
            assert not world.around.capabilities[decision.artifact.place].autoclass


@common
@given(worlds(), policies())
def test_deleting_for_good_needs_the_policys_word_and_an_enforced_condition(
    world: World, policy: Policy
) -> None:
    for decision in decided(world, policy):
        if not isinstance(decision, Delete):
            continue
        known = world.around.capabilities[decision.artifact.place]
        if decision.path not in REVERSIBLE_PATHS:
            assert policy.delete
            assert policy.delete.irreversible
            assert known.delete
            assert known.delete_batch or decision.path != "delete-batch-if-match"
        else:
            # What is called reversible leaves its bytes behind.
            assert known.versioning == "on" or known.soft_delete_days


@common
@given(worlds(), policies())
def test_planning_again_after_applying_finds_nothing_to_do(world: World, policy: Policy) -> None:
    left = []
    for decision in decided(world, policy):
        match decision:
            case Keep(artifact=artifact):
                left.append(artifact)
            case Archive(artifact=artifact, to=to):
                left.append(_archived(artifact, to))
    again = decided(replace(world, artifacts=tuple(left)), policy)
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
def test_a_plan_survives_json_adds_up_and_costs_are_never_negative(world: World, policy: Policy) -> None:
    plan, lines = planned(world, policy)
    actions = [PlanFile("actions/chunk-00000.parquet", "a", 1)]
    sealed = seal(plan, PlanFile("decisions.parquet", "c", 1), actions, PlanFile("survivors.parquet", "b", 1))
    assert plan_from_json(plan_to_json(sealed), origin="x") == sealed
    totals = (plan.totals.keep, plan.totals.archive, plan.totals.delete)
    assert sum(total.checkpoints for total in totals) == len(world.artifacts)
    assert sum(total.cost_usd_month for total in totals) == sum(a.cost_usd_month for a in world.artifacts)
    for line in lines:
        assert 0 <= line.saving_usd_month <= line.cost_usd_month
        assert line.one_off_usd >= 0
        assert line.action_count <= line.object_count


@common
@given(worlds(), policies())
def test_planning_is_the_same_to_the_byte_whatever_the_order_of_the_facts(
    world: World, policy: Policy
) -> None:
    shuffled = replace(world, artifacts=tuple(reversed(world.artifacts)))
    plans = [planned(each, policy) for each in (world, shuffled)]
    assert plan_to_json(plans[0][0]) == plan_to_json(plans[1][0])
    assert plans[0][1] == plans[1][1]


@common
@given(worlds(), policies(), st.integers(1, 20))
def test_a_plan_within_its_limits_or_none_at_all(world: World, policy: Policy, objects: int) -> None:
    limits = policy.ceiling.model_copy(update={"objects": objects})
    limited = policy.model_copy(update={"limits": limits})
    try:
        plan = planned(world, limited)[0]
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
