"""What a pickle asks for, read from its opcodes without doing any of it."""

from __future__ import annotations

import _compat_pickle
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

ITEM_BYTES = {
    **dict.fromkeys(("Byte", "Char", "Bool", "Untyped"), 1),
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Float", "Int"), 4),
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}
"""Bytes of one element of ``torch.<name>Storage``."""
MAX_STEPS = 2_000_000
"""Opcodes of one pickle; a large checkpoint with its optimizer and logs has some 100,000."""
MAX_KEYS = 20_000
"""Keys that are not texts: unlike those of texts, their hashes can be made to collide."""
MAX_STORAGES = 50_000
"""Tensors of one pickle; the largest published models have some thousand."""
MAX_COPIED = 1 << 20
"""Items and characters that calls may be given beyond the bytes read: one large value in the memo
can be named again and again, and each call copies it."""
MAX_TEXT = 1 << 10
"""Characters of a text that is kept; of a longer one, such as the pixels of a video in old
pickles, only the length."""
_MARK, _OTHER = object(), object()
_DTYPE = re.compile(r"[<>=|]?[biufcSUO?]\d{0,6}|bool|(u?int|float|complex)\d{1,3}")


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


@dataclass(frozen=True)
class _LongText:
    size: int


@dataclass
class _Dict:
    size: int = 0


def _nothing(*arguments: Any) -> bool:
    return not arguments


def _one_dict(*arguments: Any) -> bool:
    return not arguments or (len(arguments) == 1 and isinstance(arguments[0], _Dict))


def _sizes(*arguments: Any) -> bool:
    (sizes,) = arguments
    return isinstance(sizes, tuple) and all(type(size) is int for size in sizes)


def _latin1(*arguments: Any) -> bool:
    text, encoding = arguments
    return encoding == "latin1" and (isinstance(text, str | _LongText) or text is _OTHER)


def _numpy_type(*arguments: Any) -> bool:
    return isinstance(arguments[0], str) and _DTYPE.fullmatch(arguments[0]) is not None


_ARGUMENTS: dict[str, Callable[..., bool]] = {
    "collections.OrderedDict": _nothing,
    "collections.Counter": _one_dict,
    "torch.Size": _sizes,
    "_codecs.encode": _latin1,
    "numpy.dtype": _numpy_type,
}
"""What functions may be called with that would otherwise work without end on a small argument."""


def read_requests(file: IO[bytes]) -> Requests:
    """Follow one pickle of a file; the file then stands behind it, or where it is damaged."""
    machine = _Machine()
    try:
        start = file.tell()
        for number, (opcode, argument, position) in enumerate(pickletools.genops(file)):
            if number >= MAX_STEPS:
                raise ValueError(f"more than {MAX_STEPS} steps")
            machine.step(opcode, argument)
            if machine.num_copied > (position or 0) - start + MAX_COPIED:
                raise ValueError("calls are given more than the file holds")
    except Exception as error:  # a damaged pickle makes its reader stumble in any way
        machine.requests.problem = error
    return machine.requests


class _Machine:
    """A pickle machine that keeps numbers, texts and tuples, and of all else only the place."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.num_keys = 0
        self.num_copied = 0
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
        if isinstance(value, str) and len(value) > MAX_TEXT:
            value = _LongText(len(value))
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
        self._check_arguments(function, arguments)
        self._call(function)

    def _newobj(self, _: Any) -> None:
        arguments = self.stack.pop()
        made = self.stack.pop()
        self._check_arguments(made, arguments)
        self._call(_Global(f"{made.name}.__new__") if isinstance(made, _Global) else made)

    def _newobj_ex(self, _: Any) -> None:
        self.stack.pop()
        self._newobj(_)

    def _empty_dict(self, _: Any) -> None:
        self.stack.append(_Dict())

    def _dict(self, _: Any) -> None:
        items = self._pop_mark()
        self.stack.append(_Dict())
        self._check_keys(items[::2])

    def _append(self, _: Any) -> None:
        self.stack.pop()

    def _build(self, _: Any) -> None:
        self.num_copied += _size(self.stack.pop())

    def _appends(self, _: Any) -> None:
        self._pop_mark()

    _additems = _appends

    def _setitem(self, _: Any) -> None:
        self.stack.pop()
        self._check_keys([self.stack.pop()])

    def _setitems(self, _: Any) -> None:
        self._check_keys(self._pop_mark()[::2])

    def _check_keys(self, keys: list[Any]) -> None:
        """Tuples in tuples can take for ever to hash, and hashes of numbers can be made equal."""
        if isinstance(self.stack[-1], _Dict):
            self.stack[-1].size += len(keys)
        self.num_keys += sum(not isinstance(key, str | _LongText) for key in keys)
        if self.num_keys > MAX_KEYS:
            raise ValueError(f"more than {MAX_KEYS} keys that are not texts")
        if any(isinstance(part, tuple) for k in keys if isinstance(k, tuple) for part in k):
            raise ValueError("a nest of tuples as the key of a dict")

    def _inst(self, argument: str) -> None:
        arguments = tuple(self._pop_mark())
        self._global(argument)
        self._check_arguments(self.stack[-1], arguments)
        self._call(self.stack.pop())

    def _obj(self, _: Any) -> None:
        function, *arguments = self._pop_mark()
        self._check_arguments(function, tuple(arguments))
        self._call(function)

    def _binpersid(self, _: Any) -> None:
        """A tensor's storage: ('storage', type, key, device, number of elements, ...)."""
        _, kind, key, _, count, *_ = self.stack.pop()
        if not isinstance(key, str) or not isinstance(count, int):
            raise ValueError("a storage without name or size")
        item = ITEM_BYTES[kind.name.rpartition(".")[2].removesuffix("Storage")]
        bytes_ = self.requests.storages.get(key, 0)
        self.requests.storages[key] = max(bytes_, count * item)
        if len(self.requests.storages) > MAX_STORAGES:
            raise ValueError(f"more than {MAX_STORAGES} tensors")
        self.stack.append(_OTHER)

    def _check_arguments(self, function: Any, arguments: Any) -> None:
        if isinstance(arguments, tuple):
            self.num_copied += sum(map(_size, arguments))
        allowed = _ARGUMENTS.get(function.name) if isinstance(function, _Global) else None
        if allowed is None:
            return
        try:
            fits = isinstance(arguments, tuple) and allowed(*arguments)
        except (TypeError, ValueError, IndexError):
            fits = False
        if not fits:
            raise ValueError(f"{function.name} with unusual arguments")


def _size(value: Any) -> int:
    """Items or characters that a copy of a value takes."""
    if isinstance(value, str | tuple):
        return len(value)
    return value.size if isinstance(value, _Dict | _LongText) else 0
