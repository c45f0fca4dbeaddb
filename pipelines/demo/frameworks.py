"""What each training framework writes for one save, file by file, in the order it writes it.

The layouts are the frameworks' own. Content is given where somebody reads it (pointers, indexes, states).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.demo.chance import digest

GB = 10**9


@dataclass(frozen=True, slots=True)
class File:
    """A file of a save: its path below the run, and its size or its content."""

    path: str
    size_bytes: int
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """`Trainer` of transformers: a folder per save, completed by `trainer_state.json`."""

    shards: int
    shard_bytes: int
    optimizer_bytes: int
    ranks: int
    best_step: int
    """What `trainer_state.json` names; no key does."""

    def save(self, run: str, step: int) -> Iterator[File]:
        """Yield the files of `checkpoint-<step>/`."""
        folder = f"checkpoint-{step}/"
        yield from (File(folder + file.path, file.size_bytes, file.body) for file in self.model(run))
        yield File(f"{folder}optimizer.pt", self.optimizer_bytes)
        yield File(f"{folder}scheduler.pt", 1_465)
        for rank in range(self.ranks):
            yield File(f"{folder}{self._rng(rank)}", 16_389 if self.ranks > 1 else 14_645)
        yield written(f"{folder}trainer_state.json", self._state(run, step))

    def model(self, run: str) -> Iterator[File]:
        """Yield the model itself: what a save opens with, and what a finished run leaves at its root."""
        if self.shards == 1:
            yield File("model.safetensors", self.shard_bytes)
        else:
            for shard in range(1, self.shards + 1):
                yield File(f"model-{shard:05d}-of-{self.shards:05d}.safetensors", self.shard_bytes - shard)
            total = {"metadata": {"total_size": self.shards * self.shard_bytes}, "weight_map": {}}
            yield written("model.safetensors.index.json", total)
        yield written("config.json", {"_name_or_path": run, "torch_dtype": "bfloat16"})
        yield File("tokenizer.json", 9_085_657)
        yield written("tokenizer_config.json", {"model_max_length": 8192})
        yield File("training_args.bin", 5_432)

    def interrupted_save(self, run: str, step: int) -> Iterator[File]:
        """Yield what is there when the machine goes away before the last shard."""
        missing = f"model-{self.shards:05d}-of-{self.shards:05d}.safetensors"
        for file in self.save(run, step):
            if not file.path.endswith((missing, "trainer_state.json")):
                yield file

    def _rng(self, rank: int) -> str:
        return f"rng_state_{rank}.pth" if self.ranks > 1 else "rng_state.pth"

    def _state(self, run: str, step: int) -> object:
        best = min(self.best_step, step)
        return {
            "best_global_step": best,
            "best_metric": 0.31,
            "best_model_checkpoint": f"/workspace/{run}/checkpoint-{best}",
            "global_step": step,
        }


@dataclass(frozen=True, slots=True)
class Lightning:
    """One file per save, named after the epoch, the step and what was measured."""

    file_bytes: int
    best_epoch: int
    """Where validation loss is lowest; it rises again after."""

    def save(self, epoch: int, step: int) -> Iterator[File]:
        """Yield the file of one save."""
        yield File(
            f"checkpoints/epoch={epoch}-step={step}-val_loss={self.loss(epoch):.3f}.ckpt", self.file_bytes
        )

    def loss(self, epoch: int) -> float:
        """Return what the validation of that epoch measured."""
        return 0.412 + 0.011 * abs(epoch - self.best_epoch)


@dataclass(frozen=True, slots=True)
class DeepSpeed:
    """ZeRO-1 in bfloat16: weights per model-parallel rank, optimizer state per rank of both kinds."""

    model_ranks: int
    data_ranks: int
    model_bytes: int
    optimizer_bytes: int

    def save(self, step: int) -> Iterator[File]:
        """Yield the files of `global_step<step>/`."""
        folder = f"global_step{step}/"
        for model in range(self.model_ranks):
            yield File(f"{folder}mp_rank_{model:02d}_model_states.pt", self.model_bytes)
        for model in range(self.model_ranks):
            for rank in range(self.data_ranks):
                name = f"bf16_zero_pp_rank_{rank}_mp_rank_{model:02d}_optim_states.pt"
                yield File(folder + name, self.optimizer_bytes)

    def beside(self, newest_step: int) -> Iterator[File]:
        """Yield what lies beside the saves: the pointer to the newest, and the script that converts one."""
        yield File("latest", 0, f"global_step{newest_step}".encode())
        yield File("zero_to_fp32.py", 33_792)


@dataclass(frozen=True, slots=True)
class Orbax:
    """A folder per step, committed by `commit_success.txt` (everywhere since 0.12.3)."""

    files: int
    file_bytes: int

    def save(self, run: str, step: int) -> Iterator[File]:
        """Yield the files of `<step>/`."""
        yield File(f"{step}/default/_METADATA", 98_304)
        yield File(f"{step}/default/_sharding", 40_960)
        yield File(f"{step}/default/manifest.ocdbt", 119)
        for number in range(self.files):
            yield File(f"{step}/default/d/{digest('ocdbt', run, step, number)}", self.file_bytes)
        yield written(
            f"{step}/_CHECKPOINT_METADATA", {"item_handlers": {"default": "StandardCheckpointHandler"}}
        )
        yield File(f"{step}/commit_success.txt", 0, f"Checkpoint commit was successful to {step}".encode())

    def abandoned_save(self, run: str, step: int, begun: int) -> Iterator[File]:
        """Yield what a save leaves that ended before its folder was renamed."""
        folder = f"{step}.orbax-checkpoint-tmp-{begun}/default/ocdbt.process_0/"
        yield File(f"{folder}manifest.ocdbt", 119)
        for number in range(self.files // 4):
            yield File(f"{folder}d/{digest('ocdbt-tmp', run, step, number)}", self.file_bytes // 2)


def written(path: str, content: object) -> File:
    """Return a JSON file with that content."""
    return File(path, 0, json.dumps(content, indent=2).encode())
