"""What a pickle asks for, read from its opcodes without doing any of it."""

from __future__ import annotations

import _compat_pickle
import pickletools
from dataclasses import dataclass, field
from typing import Any, BinaryIO

ITEM_BYTES = {
    **dict.fromkeys(("Byte", "Char", "Bool", "Untyped"), 1),
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Float", "Int"), 4),
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}
"""Bytes of one element of ``torch.<name>Storage``."""
_MARK, _OTHER = object(), object()


@dataclass
class Requests:
    """What a pickle asks its reader for.

    Attributes:
        named: Dotted names of the functions and classes that it mentions, in order.
        called: Those of them that it calls; a class made without a call ends in ``.__new__``.
        storages: Bytes that the pickle says each of its tensor storages has, by storage key.
        result: What it makes, where that is a number or a text.
        problem: Why its opcodes could not be followed to the end.
    """

    named: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)
    storages: dict[str, int] = field(default_factory=dict)
    result: Any = None
    problem: Exception | None = None


@dataclass(frozen=True)
class _Global:
    name: str


_ORDERED_DICT = _Global("collections.OrderedDict")


def read_requests(file: BinaryIO) -> Requests:
    """Follow one pickle of a file; the file then stands behind it, or where it is damaged."""
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            machine.step(opcode, argument)
    except Exception as error:  # a damaged pickle makes its reader stumble in any way
        machine.requests.problem = error
    return machine.requests


class _Machine:
    """A pickle machine that keeps numbers, texts and tuples, and of all else only the place."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.requests = Requests()

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        special = getattr(self, f"_{opcode.name.lower()}", None)
        if special is not None:
            special(argument)
        elif opcode.name.endswith("PUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode.name.endswith("GET"):
            self.stack.append(self.memo[argument])
        else:
            self._follow_documentation(opcode, argument)

    def _follow_documentation(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Any other opcode: pops and pushes as many values as its description says."""
        if pickletools.stackslice in opcode.stack_before:
            self._pop_mark()
        elif opcode.stack_before:
            del self.stack[-len(opcode.stack_before) :]
        value = argument if isinstance(argument, str | int) else _OTHER
        self.stack.extend(value for _ in opcode.stack_after)

    def _pop_mark(self) -> list[Any]:
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise ValueError("no mark on the stack")
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _stop(self, _: Any) -> None:
        self.requests.result = self.stack[-1]

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _dup(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def _empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._pop_mark()))

    def _tuple1(self, _: Any, size: int = 1) -> None:
        self.stack[-size:] = [tuple(self.stack[-size:])]

    def _tuple2(self, _: Any) -> None:
        self._tuple1(_, 2)

    def _tuple3(self, _: Any) -> None:
        self._tuple1(_, 3)

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._name(module, name)

    def _stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(str(module), str(name))

    def _name(self, module: str, name: str) -> None:
        """Python 2 knew some modules by other names, which its pickles still carry."""
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        self.requests.named.append(f"{module}.{name}")
        self.stack.append(_Global(f"{module}.{name}"))

    def _call(self, function: Any) -> None:
        if isinstance(function, _Global):
            self.requests.called.append(function.name)
        self.stack.append(_OTHER)

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if function == _ORDERED_DICT and arguments != ():
            raise ValueError("an ordered dict with arguments")
        self._call(function)

    def _newobj(self, _: Any) -> None:
        self.stack.pop()
        made = self.stack.pop()
        self._call(_Global(f"{made.name}.__new__") if isinstance(made, _Global) else made)

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._newobj(_)

    def _append(self, _: Any) -> None:
        self.stack.pop()

    _build = _append

    def _appends(self, _: Any) -> None:
        self._pop_mark()

    _additems = _appends

    def _setitem(self, _: Any) -> None:
        self.stack.pop()
        self._check_keys([self.stack.pop()])

    def _setitems(self, _: Any) -> None:
        self._check_keys(self._pop_mark()[::2])

    def _check_keys(self, keys: list[Any]) -> None:
        """Tuples in tuples can take for ever to hash: each level may double the work."""
        if any(isinstance(part, tuple) for k in keys if isinstance(k, tuple) for part in k):
            raise ValueError("a nest of tuples as the key of a dict")

    def _inst(self, argument: str) -> None:
        self._pop_mark()
        self._global(argument)
        self._call(self.stack.pop())

    def _obj(self, _: Any) -> None:
        self._call(self._pop_mark()[0])

    def _binpersid(self, _: Any) -> None:
        """A tensor's storage: ('storage', type, key, device, number of elements, ...)."""
        _, kind, key, _, count, *_ = self.stack.pop()
        if not isinstance(key, str) or not isinstance(count, int):
            raise ValueError("a storage without name or size")
        item = ITEM_BYTES[kind.name.rpartition(".")[2].removesuffix("Storage")]
        bytes_ = self.requests.storages.get(key, 0)
        self.requests.storages[key] = max(bytes_, count * item)
        self.stack.append(_OTHER)
