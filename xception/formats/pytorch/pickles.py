"""Interpreter of the pickle in a PyTorch checkpoint that calls nothing.

A pickle is a program for a small machine with a stack: it names functions and has them called. This
interpreter builds values of Python for numbers, texts, lists and dicts. A function or class becomes a
`Global`, which is only its name, and a call becomes a `Call`, which is never made. So no name can be
dangerous, and safety does not depend on a list of allowed names.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass, field
from typing import Any

from ...errors import ModelFileError

MAX_PICKLE_BYTES = 8 << 20  #: a checkpoint with an optimizer has 300 kB
#: Instructions, each of which may be one byte and make an object of 200 bytes. A checkpoint has 30 a tensor.
MAX_PICKLE_STEPS = 1 << 19

#: What a damaged pickle raises. A warning, which a program may have turned into an exception: of text with
#: escapes that are not valid.
ERRORS = (
    ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, Warning,
)  # fmt: skip


@dataclass(frozen=True)
class Global:
    """The name of a class or function."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Call:
    """A call that is not made, or a dict: its function, arguments, and the items that are added."""

    function: Any
    arguments: Any
    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Persistent:
    """A reference to what is outside the pickle: a storage."""

    key: Any


DICT = Global("builtins", "dict")
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    "BINSTRING", "SHORT_BINSTRING", "STRING",
}  # fmt: skip
_IGNORED = {"PROTO", "FRAME"}


def read_pickle(content: bytes, location: str) -> tuple[Any, list[Global]]:
    """Interpret a pickle without calling anything.

    Args:
        content: The pickle.
        location: The file, for messages.

    Returns:
        The value: None, numbers, texts, bytes, tuples, lists, `Call`, `Global` and `Persistent`; a dict is a
        `Call` of `DICT` with its items. And all functions and classes that are named.

    Raises:
        ModelFileError: It is too long, damaged, or holds an instruction that no checkpoint has.
    """
    if len(content) > MAX_PICKLE_BYTES:
        raise ModelFileError(f"{location}: has {len(content):,} bytes; at most {MAX_PICKLE_BYTES:,} are read")
    machine = _Machine()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step >= MAX_PICKLE_STEPS:
                raise ModelFileError(f"{location}: has more than {MAX_PICKLE_STEPS:,} instructions")
            if opcode.name == "STOP":
                return machine.stack.pop(), list(dict.fromkeys(machine.globals))
            machine.run(opcode.name, argument)
    except ModelFileError:
        raise
    except ERRORS as error:
        raise ModelFileError(f"{location}: is damaged ({str(error)[:200] or type(error).__name__})") from None
    raise ModelFileError(f"{location}: is damaged: it has no end")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.globals: list[Global] = []

    def run(self, name: str, argument: Any) -> None:
        """Run an instruction."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[argument])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name not in _IGNORED:
            method = getattr(self, f"_{name.lower()}", None)
            if method is None:
                raise ValueError(f"the instruction {name}")
            method(argument) if name == "GLOBAL" else method()

    def _pop_to_mark(self) -> list[Any]:
        position = len(self.stack) - 1
        while self.stack[position] is not _MARK:
            position -= 1
            if position < 0:
                raise ValueError("a mark is missing")
        values = self.stack[position + 1 :]
        del self.stack[position:]
        return values

    def _mark(self) -> None:
        self.stack.append(_MARK)

    def _pop(self) -> None:
        self.stack.pop()

    def _pop_mark(self) -> None:
        self._pop_to_mark()

    # --- containers -------------------------------------------------------------------------

    def _empty_tuple(self) -> None:
        self.stack.append(())

    def _tuple(self) -> None:
        self.stack.append(tuple(self._pop_to_mark()))

    def _tuple1(self) -> None:
        self._join(1)

    def _tuple2(self) -> None:
        self._join(2)

    def _tuple3(self) -> None:
        self._join(3)

    def _join(self, count: int) -> None:
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def _empty_list(self) -> None:
        self.stack.append([])

    def _list(self) -> None:
        self.stack.append(self._pop_to_mark())

    def _append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _appends(self) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(values)
        elif not isinstance(self.stack[-1], Call):  # of a class that is not known, which may be a list
            raise ValueError("something is appended to what is no list")

    def _empty_set(self) -> None:
        self.stack.append([])

    def _additems(self) -> None:
        self._extend(self._pop_to_mark())

    def _frozenset(self) -> None:
        self.stack.append(self._pop_to_mark())

    def _empty_dict(self) -> None:
        self.stack.append(Call(DICT, ()))

    def _dict(self) -> None:
        values = self._pop_to_mark()
        self.stack.append(Call(DICT, (), list(zip(values[::2], values[1::2], strict=True))))

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1].items.append((key, value))

    def _setitems(self) -> None:
        values = self._pop_to_mark()
        self.stack[-1].items.extend(zip(values[::2], values[1::2], strict=True))

    # --- calls that are not made --------------------------------------------------------------

    def _name(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a function without a name")
        self.stack.append(Global(module[:200], name[:200]))
        self.globals.append(self.stack[-1])

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._name(module, name)

    def _reduce(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(Call(function, arguments))

    def _newobj(self) -> None:
        self._reduce()

    def _newobj_ex(self) -> None:
        self.stack.pop()
        self._reduce()

    def _build(self) -> None:
        self.stack.pop()  # the object's attributes, which nothing here reads

    def _binpersid(self) -> None:
        self.stack.append(Persistent(self.stack.pop()))
