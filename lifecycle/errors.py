"""The errors of the lifecycle; each is one of the kinds in `pipelines.errors`.

    Refused
    ├── UnsafePolicy     a policy that is empty, unlimited, or matches everything
    ├── LimitPassed      a plan is larger than its policy allows
    ├── PlanRefused      a plan is edited, unapproved, expired, stale, foreign or used up
    ├── Protected        fresh facts protect what the plan would change
    └── NotEnforced      the endpoint does not enforce a condition that the plan relies on
    Terminal
    └── ActionRefused    the store refused one change (access, a lock, a cold object)
    Transient            the store does not answer: stop, run again

`ConditionFailed` and `Gone` are answers, not messages: the object is not what was planned, or not there.
`AclChanged` is one, too: the copy is made, and who may read it is not as it was.
"""

from pipelines.errors import Refused, Terminal


class UnsafePolicy(Refused):
    """A policy that could clear away too much."""


class LimitPassed(Refused):
    """A plan is larger than its policy allows."""


class PlanRefused(Refused):
    """A plan that must not be applied."""


class Protected(Refused):
    """Something the plan would change is protected now."""


class NotEnforced(Refused):
    """A condition that the plan relies on is not enforced."""


class ActionRefused(Terminal):
    """The store refused one change; others may work."""


class ConditionFailed(Exception):
    """The object is no longer what the condition names; nothing was changed."""


class Gone(Exception):
    """There is no such object."""


class AclChanged(Exception):
    """A copy was made whose access control list is not that of what was copied; `token` is the copy's."""

    def __init__(self, token: str, what: str) -> None:
        super().__init__(what)
        self.token, self.what = token, what
