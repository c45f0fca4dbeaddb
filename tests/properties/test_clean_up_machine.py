"""Random worlds, policies, people and faults: plans are made, applied, killed, applied again and undone.

After every step: no protected object was lost, nothing was done twice, nothing is called done that is not,
and the bytes called freed are the bytes that are gone. `MORAINE_SOAK_STEPS` makes it run for longer.
"""

import os
from collections import Counter
from contextlib import ExitStack
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lifecycle.model import Scheme
from pipelines.errors import Transient
from tests.properties.clean_up_world import (
    FILES,
    MARKER,
    POLICIES,
    RUNS,
    STEPS,
    VERSION_POLICIES,
    Killed,
    World,
    quick_home,
)

STEPS_IN_TESTS = 10_000
"""Of each cloud."""
STEPS_PER_WORLD = 50
FEWEST_PER_WORLD = 40
"""On average: some worlds end early."""
counted: Counter[str] = Counter()

AGES = (1, 20, 45, 70, 100, 150, 200)
"""Days."""
places = st.integers(0, 127)
"""Stands for a checkpoint: which one depends on the plan."""
files = st.sampled_from(FILES)
moments = st.integers(1, 14)


class CleanUp(RuleBasedStateMachine):
    """A bucket, people, and clean-ups."""

    scheme: ClassVar[Scheme]

    def __init__(self) -> None:
        super().__init__()
        self.ending = ExitStack()
        self.home = self.ending.enter_context(quick_home())
        self.world: World

    @initialize(
        versioning=st.booleans(),
        soft_delete=st.booleans(),
        locks=st.booleans(),
        ages=st.lists(st.sampled_from(AGES), min_size=8, max_size=8),
        policy=st.integers(0, 100),
    )
    def begin(
        self, *, versioning: bool, soft_delete: bool, locks: bool, ages: list[int], policy: int
    ) -> None:
        self.world = World(
            self.home, self.scheme, versioning=versioning, soft_delete=soft_delete, locks=locks
        )
        names = [f"{run}/checkpoint-{step}" for run in RUNS for step in STEPS]
        self.world.fill(dict(zip(names, ages, strict=True)))
        self.plan_by(policy)

    @rule(policy=st.integers(0, 100))
    def plan(self, policy: int) -> None:
        self.step("plan")
        self.plan_by(policy)

    @rule(place=places, file=files, how=st.sampled_from(["write", "write_again", "remove"]))
    def somebody_touches_an_object(self, place: int, file: str, how: str) -> None:
        self.step("touch")
        getattr(self.world, how)(f"{self.world.folder(place)}/{file}")

    @rule(place=places)
    def a_checkpoint_vanishes(self, place: int) -> None:
        self.step("vanish")
        self.world.lose(self.world.folder(place))

    @rule(place=places)
    def a_checkpoint_grows(self, place: int) -> None:
        self.step("grow")
        self.world.write(f"{self.world.folder(place)}/late.bin")

    @rule(place=places, file=files, hold=st.sampled_from(["legal hold", ""]))
    def somebody_holds_or_lifts(self, place: int, file: str, hold: str) -> None:
        self.step("hold")
        self.world.hold(f"{self.world.folder(place)}/{file}", hold)

    @rule(place=places, above=st.integers(0, 2))
    def somebody_pins(self, place: int, above: int) -> None:
        self.step("pin")
        self.world.write(f"{'/'.join(self.world.folder(place).split('/')[: 3 - above])}/PINNED")

    @rule(place=places, value=st.sampled_from(["true", "true", "false"]))
    def somebody_tags(self, place: int, value: str) -> None:
        self.step("tag")
        self.world.bucket.tags[f"{self.world.folder(place)}/{MARKER}"] = {"moraine:keep": value}

    @rule(place=places)
    def somebody_registers(self, place: int) -> None:
        self.step("register")
        self.world.registered.add(self.world.folder(place))

    @rule()
    def everything_is_released(self) -> None:
        self.step("release")
        self.world.release()

    @rule(
        policy=st.integers(0, 100),
        place=places,
        how=st.sampled_from(["pin", "tag", "register", "grow", "vanish", "hold"]),
        at=moments,
    )
    def somebody_keeps_something_between_a_plan_and_its_apply(
        self, policy: int, place: int, how: str, at: int
    ) -> None:
        self.step("keep and apply")
        self.world.release()
        # Training goes on: what was touched and cleared before is old and whole again.
        names = [f"{run}/checkpoint-{step}" for run in RUNS for step in STEPS]
        self.world.fill({name: AGES[(policy + n * at) % len(AGES)] for n, name in enumerate(names)})
        self.plan_by(policy)
        match how:
            case "pin":
                self.somebody_pins(place, at % 3)
            case "tag":
                self.somebody_tags(place, "true")
            case "register":
                self.somebody_registers(place)
            case "grow":
                self.a_checkpoint_grows(place)
            case "vanish":
                self.world.lose(self.world.staying(place))
            case _:
                self.somebody_holds_or_lifts(place, FILES[at % 3], "legal hold")
        self.world.apply()

    @precondition(lambda self: self.world.bucket.versioning == "on")
    @rule(policy=st.integers(0, 3), place=places, times=st.integers(1, 3))
    def what_was_overwritten_is_to_be_cleared(self, policy: int, place: int, times: int) -> None:
        self.step("plan versions")
        self.pile_up(place, times)
        self.world.make_version_plan(VERSION_POLICIES[self.scheme][policy])

    @precondition(lambda self: self.world.bucket.versioning == "on")
    @rule(
        policy=st.integers(0, 3),
        place=places,
        how=st.sampled_from(["pin", "register", "again", "mark", "drop", "drop", "lose", "nothing"]),
        at=moments,
        kill_at=st.sampled_from([0, 0, 0, 1, 2, 3, 5]),
    )
    def somebody_comes_between_a_plan_for_versions_and_its_apply(
        self, policy: int, place: int, how: str, at: int, kill_at: int
    ) -> None:
        self.step("versions and apply")
        self.world.release()
        self.pile_up(place, at % 3 + 1)
        self.world.make_version_plan(VERSION_POLICIES[self.scheme][policy])
        self.come_between(how, place, at)
        self.world.apply(kill_at=kill_at)
        if self.world.apply():
            self.world.check_bytes()

    @rule(at=moments, times=st.integers(1, 3))
    def the_store_will_be_busy(self, at: int, times: int) -> None:
        self.step("busy")
        for later in range(times):
            self.world.cloud.fails[self.world.cloud.count + at + later] = self.busy

    @rule(at=moments)
    def an_answer_will_be_lost(self, at: int) -> None:
        self.step("lose")
        self.world.cloud.breaks[self.world.cloud.count + at] = _busy()

    @rule(at=moments, has_effect=st.booleans())
    def a_kill_will_come(self, at: int, *, has_effect: bool) -> None:
        self.step("kill later")
        if has_effect:
            self.world.cloud.breaks[self.world.cloud.count + at] = Killed()
        else:
            self.world.cloud.fails[self.world.cloud.count + at] = self.kill

    @rule(at=moments, place=places, file=files, what=st.sampled_from(["write", "write_again", "remove"]))
    def somebody_will_come_between(self, at: int, place: int, file: str, what: str) -> None:
        self.step("between")
        happens, key = getattr(self.world, what), f"{self.world.folder(place)}/{file}"
        self.world.cloud.fails[self.world.cloud.count + at] = lambda _key: happens(key)

    @rule(at=moments, what=st.sampled_from(["write", "remove"]))
    def somebody_will_touch_what_is_about_to_change(self, at: int, what: str) -> None:
        self.step("touch")
        self.world.cloud.fails[self.world.cloud.count + at] = getattr(self.world, what)

    @rule(at=moments)
    def somebody_will_hold_what_is_about_to_change(self, at: int) -> None:
        self.step("hold later")
        world = self.world
        world.cloud.fails[world.cloud.count + at] = lambda key: world.hold(key, "legal hold")

    @rule(minutes=st.integers(0, 2))
    def time_passes_faster(self, minutes: int) -> None:
        self.step("time")
        self.world.pace_minutes = minutes

    @rule(who=st.sampled_from([0, 0, 0, 1]), kill_at=st.sampled_from([0, 0, 1, 2, 3, 4, 5, 7]))
    def apply(self, who: int, kill_at: int) -> None:
        self.step("apply")
        self.world.apply(who, kill_at=kill_at)

    @rule(after=st.integers(0, 8))
    def apply_and_stop(self, after: int) -> None:
        self.step("stop")
        ends_at = self.world.cloud.count + after
        self.world.apply(is_stopped=lambda: self.world.cloud.count >= ends_at)

    @rule(at=moments)
    def two_apply_at_once(self, at: int) -> None:
        self.step("two")
        self.world.cloud.fails[self.world.cloud.count + at] = lambda _key: self.other()
        self.world.apply(0)

    @rule()
    def apply_to_the_end(self) -> None:
        self.step("finish")
        self.calm()
        if self.world.apply(0):
            self.world.check_bytes()

    @rule(kill_at=st.sampled_from([0, 0, 1, 2, 3, 4]))
    def undo(self, kill_at: int) -> None:
        self.step("undo")
        self.world.undo(kill_at=kill_at)

    def teardown(self) -> None:
        self.ending.close()

    def plan_by(self, policy: int) -> None:
        choices = POLICIES[self.scheme]
        self.world.make_plan(choices[policy % len(choices)])

    def come_between(self, how: str, place: int, at: int) -> None:
        """Keep, write or remove something that a plan for versions is about."""
        folder = self.world.folder(place)
        match how:
            case "pin":
                self.somebody_pins(place, at % 3)
            case "register":
                self.somebody_registers(place)
            case "again":
                self.world.cloud.fails[self.world.cloud.count + at] = self.world.write
            case "mark":
                self.world.leave_a_marker(f"{folder}/{FILES[at % 3]}", is_alone=False)
            case "drop":
                for file in FILES:
                    self.world.drop_newest(f"{folder}/{file}", at % 4)
            case "lose":
                self.world.lose(folder)

    def pile_up(self, place: int, times: int) -> None:
        """Leave older versions behind in a checkpoint, and markers in the next one."""
        self.world.overwrite(self.world.folder(place), times)
        for number, file in enumerate(FILES[1:]):
            other = f"{self.world.folder(place + 4)}/{file}"
            self.world.leave_a_marker(other, is_alone=(place + number) % 2 == 0)

    def step(self, name: str) -> None:
        counted[self.scheme] += 1
        counted[name] += 1

    def calm(self) -> None:
        self.world.cloud.fails.clear()
        self.world.cloud.breaks.clear()

    def other(self) -> None:
        self.world.apply(1)

    def busy(self, _key: str) -> None:
        raise _busy()

    def kill(self, _key: str) -> None:
        raise Killed


def _busy() -> Transient:
    return Transient("the store is busy (SlowDown)", where="s3://train", fix="Run again.")


def explore(scheme: Scheme, steps: int, *, derandomize: bool) -> None:
    machine = type(f"CleanUp_{scheme}", (CleanUp,), {"scheme": scheme})
    begun = counted[scheme]
    how = settings(
        max_examples=max(1, steps // FEWEST_PER_WORLD),
        stateful_step_count=STEPS_PER_WORLD,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    while counted[scheme] - begun < steps:
        run_state_machine_as_test(machine, settings=how)
        if derandomize:
            break


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_whatever_happens_nothing_protected_is_lost_and_nothing_is_done_twice(scheme: Scheme) -> None:
    begun = counted[scheme]
    explore(scheme, STEPS_IN_TESTS, derandomize=True)
    assert counted[scheme] - begun >= STEPS_IN_TESTS


@pytest.mark.soak
@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_for_very_long_nothing_protected_is_lost_and_nothing_is_done_twice(scheme: Scheme) -> None:
    steps = int(os.environ.get("MORAINE_SOAK_STEPS", "0"))
    if not steps:
        pytest.skip("takes half an hour: 'make soak', or set MORAINE_SOAK_STEPS")
    explore(scheme, steps // 2, derandomize=False)
    assert counted[scheme] >= steps // 2
