import pytest

from pipelines.reference.name_patterns import parse_pattern


def test_numbers_become_one_sign_whatever_they_mean_and_however_long_they_are() -> None:
    assert parse_pattern("model-{shard}-of-{shards}.safetensors").shape == "model-#-of-#.safetensors"
    assert parse_pattern("fp16_state_{rank}.pt").shape == "fp#_state_#.pt"


def test_a_number_is_found_by_the_text_in_front_of_it() -> None:
    pattern = parse_pattern("model-{shard}-of-{shards}.safetensors")
    assert (pattern.after("shard"), pattern.after("shards"), pattern.after("rank")) == (
        "model-",
        "-of-",
        None,
    )
    assert parse_pattern("{step}.tmp").after("step") == ""


def test_a_star_cuts_a_pattern_into_start_middle_and_end() -> None:
    pattern = parse_pattern("best*step={step}*.ckpt")
    assert not pattern.is_exact
    assert (pattern.starts, pattern.contains, pattern.ends) == ("best", "step=#", ".ckpt")
    assert pattern.after("step") == "step="


@pytest.mark.parametrize(
    "text, last",
    [
        ("*_{step}", "step"),
        ("a_{epoch}_{step}.pt", "step"),
        ("*{step}.ckpt", "step"),
        ("{step}*", None),
        ("{step}.h5", None),
    ],
)
def test_the_last_number_is_found_from_the_end_where_nothing_open_follows_it(
    text: str, last: str | None
) -> None:
    assert parse_pattern(text).last_number == last


@pytest.mark.parametrize(
    "text, ending",
    [
        ("trainer_state.json", "json"),
        ("*.ckpt", "ckpt"),
        ("rank{number}.pt", ".pt"),
        ("rng_{number}", ""),
        ("0.0", "0.0"),
    ],
)
def test_the_tail_is_what_every_matching_name_ends_with(text: str, ending: str) -> None:
    assert parse_pattern(text).tail(4) == ending


@pytest.mark.parametrize(
    "text, problem",
    [
        ("a*b*c*d", "more than two stars"),
        ("model-{part}.bin", "is not one of"),
        ("{shard}{shards}.bin", "marks where it stands"),
    ],
)
def test_a_pattern_that_cannot_be_read_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_pattern(text)
