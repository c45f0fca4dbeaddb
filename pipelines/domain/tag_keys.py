"""Keys of cost-allocation tags."""

import re


def in_snake_case(name: str) -> str:
    """Return a name as AWS writes it in CUR 2.0 and in reports for Athena.

    >>> in_snake_case("user:Team"), in_snake_case("user:eks:nodegroup-name"), in_snake_case("ReservationARN")
    ('user_team', 'user_eks_nodegroup_name', 'reservation_a_r_n')
    """
    spaced = re.sub(r"([A-Z])", r"_\1", name)
    return re.sub(r"[\W_]+", "_", spaced).strip("_").lower()
