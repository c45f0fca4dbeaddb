"""A generation of Cloud Storage rewritten: in another class, or brought back to life.

A rewrite that says anything of the new object carries nothing else over, so everything is said: content
headers, metadata, custom time, contexts, the customer-managed key, and the ACL where objects have one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lifecycle.errors import ActionRefused
from lifecycle.providers.gcs_answers import CARRIED, CUSTOMER_KEY, KMS_KEY, METAGENERATION
from lifecycle.providers.protocol import ObjectState

if TYPE_CHECKING:
    from google.cloud import storage

_SECONDS_PER_CALL = 120.0
"""The service answers within half a minute and says how far it came."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One generation, and the object it becomes."""

    bucket: "storage.Bucket"
    state: ObjectState
    """As read just now, with what it carries."""
    storage_class: str
    acl: tuple[Mapping[str, str], ...] = ()
    """Where objects have ACLs: entity and role of each grant."""

    def make(self, source: int, over: int, retry: Any, *, generation: int | None = None) -> str:  # noqa: ANN401  (no types)
        """Rewrite until all bytes are there; return the new generation.

        Args:
            source: The generation that is read must be this one, with the metadata of `state`.
            over: The generation that it replaces must be this one; 0 for none.
            retry: How often a call is tried.
            generation: The one to read; the current one if None.

        Raises:
            ActionRefused: the object is held, or under a customer's own key.
            GoogleAPIError: the store's own answer.
        """
        self._refuse_what_would_be_lost()
        read = self.bucket.blob(self.state.key, generation=generation)
        made = self.bucket.blob(self.state.key, kms_key_name=self._key_name())
        made._properties.update(self._resource())  # noqa: SLF001  (it has setters for some of these only)
        token = None
        while True:
            token, _, _ = made.rewrite(
                read,
                token=token,
                if_generation_match=over,
                if_source_generation_match=source,
                # A hold or a tag that came after our look is refused as well.
                if_source_metageneration_match=int(self.state.carried[METAGENERATION]),
                timeout=_SECONDS_PER_CALL,
                retry=retry,
            )
            if token is None:
                return str(made.generation)

    def _resource(self) -> dict[str, Any]:
        carried = {name: self.state.carried[name] for name in CARRIED if name in self.state.carried}
        acl = {"acl": [dict(grant) for grant in self.acl]} if self.acl else {}
        return {**carried, **acl, "storageClass": self.storage_class}

    def _key_name(self) -> str | None:
        """Return the key without the version that the object was written with."""
        name = self.state.carried.get(KMS_KEY)
        return str(name).partition("/cryptoKeyVersions/")[0] if name else None

    def _refuse_what_would_be_lost(self) -> None:
        reasons = {
            f"the object is locked ({self.state.hold})": bool(self.state.hold),
            "the object is under a customer's own key": CUSTOMER_KEY in self.state.carried,
        }
        for reason, is_so in reasons.items():
            if is_so:
                where = f"gs://{self.bucket.name}/{self.state.key}"
                raise ActionRefused(reason, where=where, fix="Leave it where it is.")
