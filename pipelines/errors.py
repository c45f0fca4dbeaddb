"""The errors of Moraine.

    MoraineError
    ├── Transient     a retry may help: a store does not answer, a delivery is still arriving
    ├── Terminal      a retry will not help: a wrong file, a missing credential, a broken delivery
    │   ├── NotFound  the thing asked for is not there
    │   └── Damaged   a delivery is not what it says: it is quarantined, the last good one stays in force
    └── Refused       we will not, on purpose: a gate failed, a limit is passed, a plan is stale

Every message has three parts: what happened, where, and what to do about it.
"""


class MoraineError(Exception):
    """Something a person has to know, in three parts."""

    exit_code = 1

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        super().__init__(what, where, fix)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what}\n  where: {self.where}\n  fix:   {self.fix}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and Airflow and workers pickle errors.
        return (_rebuild, (type(self), self.what, self.where, self.fix))


class Transient(MoraineError):
    """A retry may help."""


class Terminal(MoraineError):
    """A retry will not help."""


class NotFound(Terminal):
    """The thing asked for is not there."""


class Damaged(Terminal):
    """A delivery is not what it says."""


class Refused(MoraineError):
    """We will not do it, on purpose."""

    exit_code = 4


def _rebuild(kind: type[MoraineError], what: str, where: str, fix: str) -> MoraineError:
    return kind(what, where=where, fix=fix)
