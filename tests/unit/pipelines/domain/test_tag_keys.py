"""Tag keys as AWS spells them."""

import pytest

from pipelines.domain.tag_keys import in_snake_case


@pytest.mark.parametrize(
    "name, key",
    [
        ("user:Team", "user_team"),
        ("user:costCenter", "user_cost_center"),
        ("user:cost center", "user_cost_center"),
        ("aws:createdBy", "aws_created_by"),
        ("eks:nodegroup-name", "eks_nodegroup_name"),
        ("ReservationARN", "reservation_a_r_n"),
        ("user_team", "user_team"),
        ("équipe", "équipe"),
    ],
)
def test_a_tag_key_is_in_small_letters_with_single_underscores(name: str, key: str) -> None:
    assert in_snake_case(name) == key
