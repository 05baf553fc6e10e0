"""What tensors of other projects are called here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

WRAPPER = "module."
"""Put before every key by data-parallel training."""


@dataclass(frozen=True, eq=False)
class KeyMap:
    """Translation of key names by prefix. Our own names pass unchanged.

    Args:
        renamed: Old prefix -> new prefix.
        dropped: Prefix -> why the tensors are not wanted.
        wrappers: What may stand before every key of a file. Of the copies of a tensor under
            several, such as a model and its moving average, that of the first is taken.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    wrappers: tuple[str, ...] = (WRAPPER,)

    def unwrap(self, key: str) -> tuple[int, str]:
        """The place in ``wrappers`` of what stands before a key (their number if none), the key."""
        for place, wrapper in enumerate(self.wrappers):
            if key.startswith(wrapper):
                return place, key[len(wrapper) :]
        return len(self.wrappers), key

    def translate(self, key: str) -> tuple[str | None, str]:
        """Our name of a key, or None and the reason why it is dropped."""
        for prefix, why in self.dropped.items():
            if key.startswith(prefix):
                return None, why
        for old, new in self.renamed.items():
            if key.startswith(old):
                return new + key[len(old) :], ""
        return key, ""

    def translate_all(self, keys: Iterable[str]) -> dict[str, tuple[str | None, str]]:
        """What :meth:`translate` says of each key of a file, without wrapper."""
        bare = {key: self.unwrap(key) for key in keys}
        first: dict[str, int] = {}
        for place, name in bare.values():
            first[name] = min(place, first.get(name, place))
        return {
            key: self.translate(name)
            if place in (first[name], len(self.wrappers))
            else (None, f"a copy: those of '{self.wrappers[first[name]]}' are taken")
            for key, (place, name) in bare.items()
        }

    def apply(self, state_dict: dict[str, Tensor], prefix: str = "") -> None:
        """Rename and drop keys in place.

        Args:
            state_dict: Is changed.
            prefix: What stands before the names of the model that they are of; other keys stay.
        """
        own = [key[len(prefix) :] for key in state_dict if key.startswith(prefix)]
        for key, (ours, _) in self.translate_all(own).items():
            value = state_dict.pop(prefix + key)
            if ours is not None:
                state_dict[prefix + ours] = value
