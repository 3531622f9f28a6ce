"""Reading a pickle without unpickling it.

A pickle is a program for a small stack machine. This one knows only the instructions that PyTorch files use,
and where Python's would import a name or call it, this one writes down that it was asked to: as
:class:`Global` and :class:`Record`. Nothing is imported, nothing is called, and a name outside the reader's
allow-list ends the reading.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from edgepose.runtime.errors import CheckpointError

MAX_INSTRUCTIONS = 300_000  # four times what the largest official file has


@dataclass(frozen=True)
class Global:
    """A name that the pickle wanted imported: ``module`` and ``name`` in it."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Record:
    """A call that the pickle wanted made: the result's would-be contents, inert."""

    function: Any
    arguments: tuple[Any, ...]
    items: dict[Any, Any] = field(default_factory=dict)
    state: Any = None


class DamagedPickleError(Exception):
    """The bytes are no pickle that this reader knows."""


def read_pickle(
    stream: BinaryIO,
    allow: Callable[[Global], bool],
    resolve_persistent: Callable[[Any], Any],
) -> Any:
    """The object tree of the pickle at the stream's position, which is left behind its end.

    ``allow`` decides on each name before it enters the tree; ``resolve_persistent`` gives what stands for a
    persistent id. Raises :class:`CheckpointError` for a name that is not allowed, and
    :class:`DamagedPickleError` for anything malformed.
    """
    machine = _Machine(allow, resolve_persistent)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= MAX_INSTRUCTIONS:
                raise DamagedPickleError(f"more than {MAX_INSTRUCTIONS} instructions")
            machine.step(opcode.name, argument)
        return machine.result
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise DamagedPickleError(str(error)) from error


_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    def __init__(self, allow: Callable[[Global], bool], resolve_persistent: Callable[[Any], Any]) -> None:
        self._allow = allow
        self._resolve_persistent = resolve_persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, opcode: str, argument: Any) -> None:
        stack = self._stack
        if opcode in _LITERALS:
            stack.append(argument)
        elif opcode in _CONSTANTS:
            stack.append(_CONSTANTS[opcode])
        elif opcode in _EMPTY:
            stack.append(_EMPTY[opcode]())
        elif opcode in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif opcode in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif opcode == "MARK":
            stack.append(_MARK)
        elif opcode == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif opcode in _TUPLES:
            stack.append(tuple([stack.pop() for _ in range(_TUPLES[opcode])][::-1]))
        elif opcode in ("APPEND", "APPENDS"):
            values = [stack.pop()] if opcode == "APPEND" else self._since_mark()
            self._top(list).extend(values)
        elif opcode in ("SETITEM", "SETITEMS"):
            pairs = [stack.pop(), stack.pop()][::-1] if opcode == "SETITEM" else self._since_mark()
            top = self._top((dict, Record))
            # Only plain keys: hashing a deeply nested tuple would exhaust the C stack.
            if not all(isinstance(key, (str, int)) for key in pairs[::2]):
                raise DamagedPickleError("a key that is neither text nor a number")
            (top if isinstance(top, dict) else top.items).update(zip(pairs[::2], pairs[1::2], strict=True))
        elif opcode == "GLOBAL":
            stack.append(self._global(argument))
        elif opcode in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, Global) or not isinstance(arguments, tuple):
                raise DamagedPickleError(f"{opcode} without a name and its arguments")
            stack.append(Record(function, arguments))
        elif opcode == "BUILD":
            state = stack.pop()
            self._top(Record).state = state
        elif opcode == "BINPERSID":
            stack.append(self._resolve_persistent(stack.pop()))
        elif opcode == "STOP":
            self.result = stack.pop()
        elif opcode != "PROTO":
            raise DamagedPickleError(f"instruction {opcode}, which PyTorch does not write")

    def _since_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _top(self, kind: type | tuple[type, ...]) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise DamagedPickleError(f"contents for {type(self._stack[-1]).__name__}, which can have none")
        return self._stack[-1]

    def _global(self, argument: str) -> Global:
        module, name = argument.split(" ", 1)
        wanted = Global(module, name)
        if not self._allow(wanted):
            raise CheckpointError(
                f"the file is a pickle that asks for '{wanted}', which no weights need; nothing was executed",
                "do not load the file elsewhere either, unless you know who wrote it and why; "
                "save weights with torch.save(network.state_dict(), ...) or as .safetensors",
            )
        return wanted
