"""Reads the one kind of pickle that a tokenizer comes in, without unpickling.

A pickle is a program: opcodes may import and call anything. This reader knows those that build text, bytes, numbers and
dictionaries, and one object, of a named class with a dictionary as its state. It makes no object of that class: it
returns the dictionary. Any other opcode, class or order is refused by name and position. (The standard library's
`pickletools` describes the opcodes.)
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from core.errors import ParseError


class _Mark(NamedTuple):
    """Where the items of a dictionary begin."""


class _Class(NamedTuple):
    """The class that was asked for; only its name is known here."""


class _Blank(NamedTuple):
    """An object of the class before its state is set."""


class _State(NamedTuple):
    """The object's state."""

    values: dict[Any, Any]


class _Refused(Exception):
    """An opcode met what it must not."""


def state_of(data: bytes, module: str, name: str) -> Mapping[str, Any]:
    """The state of the only object in a pickle, of the class `module.name`; ParseError for anything else."""
    machine = _Machine(module, name)
    place = 0
    try:
        for opcode, argument, position in pickletools.genops(data):
            place = position or 0
            machine.step(opcode.name, argument)
    except _Refused as refused:
        raise ParseError(f"pickle refused at byte {place}: {refused}") from None
    except (ValueError, IndexError, TypeError) as error:
        raise ParseError(f"broken pickle at byte {place}: {error}") from None
    return machine.result()


class _Machine:
    """A stack, a memo, and the few opcodes that are allowed."""

    def __init__(self, module: str, name: str) -> None:
        self._wanted = (module, name)
        self._stack: list[Any] = []
        self._memo: list[Any] = []
        self._plain: Mapping[str, Callable[[], None]] = {
            "EMPTY_DICT": lambda: self._stack.append({}),
            "EMPTY_TUPLE": lambda: self._stack.append(()),
            "MARK": lambda: self._stack.append(_Mark()),
            "MEMOIZE": lambda: self._memo.append(self._stack[-1]),
            "STACK_GLOBAL": self._class,
            "NEWOBJ": self._new,
            "BUILD": self._build,
            "SETITEM": self._set_item,
            "SETITEMS": self._set_items,
        }

    def step(self, opcode: str, argument: Any) -> None:
        """Do what one opcode says, or refuse it."""
        if opcode in ("PROTO", "FRAME", "STOP"):
            return
        if opcode in _VALUES:
            self._stack.append(argument)
        elif opcode in ("BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif opcode in self._plain:
            self._plain[opcode]()
        else:
            raise _Refused(f"opcode {opcode} is not allowed")

    def result(self) -> Mapping[str, Any]:
        """What the program left, when that is one object."""
        if len(self._stack) != 1 or not isinstance(self._stack[0], _State):
            raise ParseError(f"pickle refused: it holds no {'.'.join(self._wanted)}")
        return self._stack[0].values

    def _class(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if (module, name) != self._wanted:
            raise _Refused(f"opcode STACK_GLOBAL asks for {module}.{name}")
        self._stack.append(_Class())

    def _new(self) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        if not isinstance(kind, _Class) or arguments != ():
            raise _Refused("opcode NEWOBJ calls a constructor with arguments")
        self._stack.append(_Blank())

    def _build(self) -> None:
        state, target = self._stack.pop(), self._stack.pop()
        if not isinstance(target, _Blank) or type(state) is not dict:
            raise _Refused("opcode BUILD sets the state of something else")
        self._stack.append(_State(state))

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put([key, value])

    def _set_items(self) -> None:
        begin = max(place for place, value in enumerate(self._stack) if isinstance(value, _Mark))
        items = self._stack[begin + 1 :]
        del self._stack[begin:]
        self._put(items)

    def _put(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _Refused("opcode SETITEMS fills something that is no dictionary")
        target.update(zip(items[::2], items[1::2], strict=True))


_VALUES = frozenset(
    ("SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BININT", "BININT1", "BININT2", "NONE")
)
