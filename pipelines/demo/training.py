"""The bucket `acme-training`: nine training runs, one of them failed, and what lies between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import assert_never

from pipelines.demo.chance import between
from pipelines.demo.frameworks import GB, DeepSpeed, File, HuggingFace, Lightning, Orbax, written
from pipelines.demo.objects import OpenUpload, StoredObject, declare, write

BUCKET = "acme-training"
Framework = HuggingFace | Lightning | DeepSpeed | Orbax


@dataclass(frozen=True, slots=True)
class Run:
    """A training run: what writes it, and when it saved."""

    team: str
    name: str
    framework: Framework
    saves: int
    first_days_ago: float
    last_days_ago: float
    step_every: int
    removed: range = range(0)
    """Saves that the trainer itself removed, by number; it had forgotten those before, at a restart."""

    @property
    def kept(self) -> tuple[int, ...]:
        """The numbers of the saves that are still there."""
        return tuple(number for number in range(self.saves) if number not in self.removed)

    @property
    def prefix(self) -> str:
        """Its folder in the bucket."""
        return f"runs/{self.team}/{self.name}/"

    def step(self, number: int) -> int:
        """Return the training step of a save, counted from 0."""
        return (number + 1) * self.step_every

    def saved_at(self, number: int, as_of: date) -> datetime:
        """Return when a save began: evenly spread, some hours early or late."""
        span = self.first_days_ago - self.last_days_ago
        days_ago = self.first_days_ago - span * number / (self.saves - 1)
        shift = timedelta(minutes=between(-80, 80, "save", self.name, number))
        return _evening(as_of) - timedelta(minutes=round(days_ago * 1440)) + shift


CHAT_TRAINER = HuggingFace(6, 4_957_878_536, 52 * GB, 8, 3500)
GEMMA_WRITER = Orbax(16, 4_900_000_000)
CHAT = Run("nlp", "chat-13b-sft", CHAT_TRAINER, 24, 58, 6, 500)
REWARD_TRAINER = HuggingFace(3, 4_831_838_208, 54 * GB, 4, 2000)
REWARD = Run("nlp", "reward-7b", REWARD_TRAINER, 18, 59, 20, 250)
PRETRAIN = Run("nlp", "pretrain-30b", DeepSpeed(1, 8, 61 * GB, 46 * GB), 20, 57, 8, 1000)
MOE = Run("platform", "moe-200b", DeepSpeed(4, 8, 35 * GB, 9_800_000_000), 14, 56, 17, 2000)
GEMMA = Run("platform", "gemma-9b-tpu", GEMMA_WRITER, 20, 55, 5, 1000)
SEGMENTER = Run("vision", "segmenter", Lightning(11_424_612_352, 3), 24, 58, 9, 1500, removed=range(4, 9))
VIDEO = Run("vision", "video-diffusion", Lightning(88_046_829_568, 1), 16, 52, 12, 4000)
SPEECH = Run("speech", "asr-large", HuggingFace(1, 6_173_370_152, 12_346_740_304, 1, 12000), 15, 30, 0, 1000)
RUNS = (CHAT, REWARD, PRETRAIN, MOE, GEMMA, SEGMENTER, VIDEO, SPEECH)
FAILED_TRAINER = HuggingFace(2, 3_087_467_144, 12_349_868_576, 1, 500)
FAILED = Run("nlp", "summarizer-3b", FAILED_TRAINER, 1, 41, 41, 500)
"""The machine went away during its first save, and nobody tried again. It is none of `RUNS`."""

SERVED = (REWARD, 1)
"""The save that production answers from: old, and neither the latest nor the best of its run."""
INTERRUPTED_STEP = CHAT.step(CHAT.saves)
ABANDONED_STEP = 12_500
COPIED_SAVE = (VIDEO, 3)
"""Somebody put a copy beside it, and forgot both."""
HOSTILE_SAVE = (REWARD, 3)
HOSTILE_NAMES = ("notes + 100%.txt", "eval/Größe=1 of 2/ergebnis%20final+1.json")
"""Names that decoding, trimming or globbing would turn into other objects."""

LOOKALIKES = (
    ("runs/nlp/chat-13b-sft/data/train-00000-of-00010.parquet", 262_144_000),
    ("runs/nlp/chat-13b-sft/data/train-00001-of-00010.parquet", 262_144_000),
    ("runs/platform/telemetry/_delta_log/00000000000000000010.checkpoint.parquet", 307_200),
    ("runs/platform/telemetry/_delta_log/_last_checkpoint", 24),
    ("runs/platform/telemetry/_delta_log/00000000000000000010.json", 9_216),
    ("runs/vision/segmenter/eval/checkpoint-100/cam.jpg", 204_800),
    ("runs/vision/segmenter/eval/checkpoint-100/mask.png", 81_920),
    ("base-models/llama/model-00001-of-00002.safetensors", 8_542_146_560),
    ("base-models/llama/model-00002-of-00002.safetensors", 7_390_863_360),
    ("base-models/llama/model.safetensors.index.json", 24_576),
    ("base-models/llama/config.json", 654),
)
"""They look like checkpoints, and are none: data, a table's log, pictures, a model that others build on."""


def training_objects(as_of: date) -> Iterator[StoredObject]:
    """Yield everything in the bucket at the end of that day."""
    for run in RUNS:
        yield from _saves(run, as_of)
        yield from _beside(run, as_of)
    yield from _broken_saves(as_of)
    yield _copied_save(as_of)
    yield from _hostile(as_of)
    for key, size in LOOKALIKES:
        yield declare(BUCKET, key, size, _evening(as_of) - timedelta(days=between(75, 200, key)))


def training_uploads(as_of: date) -> Iterator[OpenUpload]:
    """Yield uploads whose clients went away weeks ago."""
    lost = (
        (f"{PRETRAIN.prefix}global_step9000/bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt", 34, 92),
        (f"{CHAT.prefix}checkpoint-6500/optimizer.pt", 29, 40),
        (f"{VIDEO.prefix}checkpoints/epoch=5-step=24000-val_loss=0.456.ckpt", 23, 65),
    )
    for key, days_ago, parts in lost:
        begun = _evening(as_of) - timedelta(days=days_ago)
        yield OpenUpload(
            BUCKET, key, f"upload{between(10**15, 10**16, key)}", begun, (512 * 1024**2,) * parts
        )


def checkpoint_uri(run: Run, number: int) -> str:
    """Return where a save is: a folder without its slash, or a file."""
    step = run.step(number)
    match run.framework:
        case HuggingFace():
            leaf = f"checkpoint-{step}"
        case DeepSpeed():
            leaf = f"global_step{step}"
        case Orbax():
            leaf = f"{step}"
        case Lightning() as framework:
            leaf = next(framework.save(number, step)).path
        case _:
            assert_never(run.framework)
    return f"s3://{BUCKET}/{run.prefix}{leaf}"


def copy_uri() -> str:
    """Return where the copy of `COPIED_SAVE` is."""
    return checkpoint_uri(*COPIED_SAVE).replace("epoch=", "backup-epoch=")


def _saves(run: Run, as_of: date) -> Iterator[StoredObject]:
    for number in run.kept:
        yield from _store(run, _files(run, number), run.saved_at(number, as_of))


def _files(run: Run, number: int) -> Iterator[File]:
    step = run.step(number)
    match run.framework:
        case HuggingFace() as framework:
            return framework.save(run.name, step)
        case DeepSpeed() as framework:
            return framework.save(step)
        case Orbax() as framework:
            return framework.save(run.name, step)
        case Lightning() as framework:
            return framework.save(number, step)
        case _:
            assert_never(run.framework)


def _beside(run: Run, as_of: date) -> Iterator[StoredObject]:
    ended_at = run.saved_at(run.saves - 1, as_of) + timedelta(minutes=20)
    match run.framework:
        case HuggingFace() as framework:
            finished = framework.model(run.name) if run.last_days_ago > 6 else ()
            events = File(
                f"runs/{ended_at:%Y-%m-%d_%H-%M-%S}_gpu-3/events.out.tfevents.411.gpu-3.v2", 327_680
            )
            files = [*finished, events]
        case DeepSpeed() as framework:
            files = list(framework.beside(run.step(run.saves - 1)))
        case Orbax():
            files = [written("_ROOT_METADATA", {"version": 1})]
        case Lightning() as framework:
            last = File("checkpoints/last.ckpt", framework.file_bytes)
            files = [last, written("hparams.yaml", {"lr": 0.0003}), File("metrics.csv", 40_960)]
        case _:
            assert_never(run.framework)
    yield from _store(run, files, ended_at)


def _broken_saves(as_of: date) -> Iterator[StoredObject]:
    files = CHAT_TRAINER.interrupted_save(CHAT.name, INTERRUPTED_STEP)
    yield from _store(CHAT, files, _evening(as_of) - timedelta(days=5))
    begun_at = _evening(as_of) - timedelta(days=24, hours=7)
    begun = round(begun_at.replace(tzinfo=UTC).timestamp())
    yield from _store(GEMMA, GEMMA_WRITER.abandoned_save(GEMMA.name, ABANDONED_STEP, begun), begun_at)
    files = FAILED_TRAINER.interrupted_save(FAILED.name, FAILED.step(0))
    yield from _store(FAILED, files, _evening(as_of) - timedelta(days=FAILED.last_days_ago))


def _copied_save(as_of: date) -> StoredObject:
    run, number = COPIED_SAVE
    (original,) = _store(run, _files(run, number), run.saved_at(number, as_of))
    key = copy_uri().removeprefix(f"s3://{BUCKET}/")
    return replace(original, key=key, modified_at=_evening(as_of) - timedelta(days=21))


def _hostile(as_of: date) -> Iterator[StoredObject]:
    run, number = HOSTILE_SAVE
    saved_at = run.saved_at(number, as_of) + timedelta(minutes=9)
    folder = f"{run.prefix}checkpoint-{run.step(number)}/"
    for name in HOSTILE_NAMES:
        yield declare(BUCKET, folder + name, 48_113, saved_at)


def _store(run: Run, files: Iterable[File], begun_at: datetime) -> Iterator[StoredObject]:
    for number, file in enumerate(files):
        stored_at = begun_at + timedelta(seconds=11 * number)
        key = run.prefix + file.path
        if file.body is None:
            yield declare(BUCKET, key, file.size_bytes, stored_at)
        else:
            yield write(BUCKET, key, file.body, stored_at)


def _evening(as_of: date) -> datetime:
    return datetime.combine(as_of, time(20, 15))
