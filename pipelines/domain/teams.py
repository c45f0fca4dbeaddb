"""Who owns which dollars, as `moraine.yaml` says it: by tag, place or account, and who shares the rest."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _not_blank(text: str) -> str:
    if text != text.strip() or not text:
        raise ValueError("write a name without blanks around it")
    return text


def _quoted(value: object) -> object:
    if isinstance(value, int):
        raise ValueError("write the account in quotes: a number loses the zeros in front")  # noqa: TRY004
    return value


Team = Annotated[str, AfterValidator(_not_blank)]
TagKey = Annotated[str, AfterValidator(_not_blank)]
Account = Annotated[str, BeforeValidator(_quoted), AfterValidator(_not_blank)]
Split = Literal["even", "fixed", "proportional"]


class PrefixOwner(_Frozen):
    """Everything below a prefix belongs to a team."""

    match: str = Field(pattern=r"^(s3|gs)://[^/]+/")
    """`s3://bucket/prefix/`; the longest match wins."""
    team: Team
    """Whose it is."""


class AccountOwner(_Frozen):
    """Everything of an account belongs to a team, unless a tag or a prefix says otherwise."""

    account: Account
    """AWS account, Google project or subscription, as bills write it; or the account that is invoiced."""
    team: Team
    """Whose it is."""


class SharedMatch(_Frozen):
    """Which of the charges without an owner a rule is for: what it says must all hold."""

    service: str = ""
    """Code or name of the service, such as `AWSSupportEnterprise`."""
    account: Annotated[str, BeforeValidator(_quoted)] = ""
    """Account, project or subscription; or the account that is invoiced."""
    tag: str = Field(default="", pattern=r"^$|^[^=]+=.+$")
    """`key=value`, in small or capital letters."""
    category: Literal["", "Usage", "Purchase", "Tax", "Credit", "Adjustment"] = ""
    """FOCUS' category of the charge."""

    @model_validator(mode="after")
    def _says_something(self) -> "SharedMatch":
        if not (self.service or self.account or self.tag or self.category):
            raise ValueError("an empty match shares everything: name a service, account, tag or category")
        return self


class SharedCost(_Frozen):
    """A cost that several teams bear; the first rule that matches counts."""

    match: SharedMatch
    """Which charges."""
    split: Split
    """`even`, in `fixed` shares, or `proportional` to what the teams cost directly in that month."""
    teams: tuple[Team, ...] = ()
    """Who bears it, if the split is even or proportional; without any, all with direct costs in the month."""
    weights: Mapping[Team, Annotated[Decimal, Field(gt=0, le=1_000_000)]] = Field(default_factory=dict)
    """Shares of a fixed split: `{nlp: 3, vision: 1}` is three quarters and one quarter."""

    def __hash__(self) -> int:
        """Return a hash: a mapping has none of its own."""
        return hash((self.match, self.split, self.teams, tuple(sorted(self.weights.items()))))

    @model_validator(mode="after")
    def _shares_fit_the_split(self) -> "SharedCost":
        if self.split == "fixed" and (self.teams or not self.weights):
            raise ValueError("a fixed split needs 'weights: {team: share}', and no 'teams'")
        if self.split != "fixed" and self.weights:
            raise ValueError(f"split: {self.split} takes no weights: write 'split: fixed', or 'teams'")
        if len({team.lower() for team in self.teams}) < len(self.teams):
            raise ValueError("a team is named twice")
        return self


class Teams(_Frozen):
    """Who owns which dollars: asked in the order tag, prefix, account; the rest may be shared."""

    by_prefix: tuple[PrefixOwner, ...] = ()
    """Owners by where objects are."""
    by_tag: TagKey | tuple[TagKey, ...] | None = None
    """The cost-allocation tag or label that names a team on bill rows; of several the first with a value."""
    by_account: tuple[AccountOwner, ...] = ()
    """Owners of accounts, projects and subscriptions."""
    shared: tuple[SharedCost, ...] = ()
    """How charges without an owner are shared."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that name a team, in the order in which they are asked."""
        if self.by_tag is None:
            return ()
        return (self.by_tag,) if isinstance(self.by_tag, str) else self.by_tag

    @property
    def names(self) -> tuple[str, ...]:
        """Every team that the file names, once, as it spells it."""
        return tuple(dict.fromkeys(self._named()))

    def _named(self) -> Iterable[str]:
        yield from (owner.team for owner in self.by_prefix)
        yield from (owner.team for owner in self.by_account)
        for rule in self.shared:
            yield from (*rule.teams, *rule.weights)

    @model_validator(mode="after")
    def _accounts_have_one_owner(self) -> "Teams":
        accounts = [owner.account for owner in self.by_account]
        twice = sorted({account for account in accounts if accounts.count(account) > 1})
        if twice:
            raise ValueError(f"account {twice[0]!r} has two owners in by_account; keep one")
        return self

    @model_validator(mode="after")
    def _teams_have_one_spelling(self) -> "Teams":
        spelled: dict[str, str] = {}
        for name in self.names:
            if spelled.setdefault(name.lower(), name) != name:
                raise ValueError(
                    f"one team is spelled {spelled[name.lower()]!r} and {name!r}: write it in one way"
                )
        return self
