"""What a function does to pieces of tensors, to be done again to other pieces.

`K` trials. A *piece* is `(K, n)` for any n, or `(k, n)` for some of the trials. Whatever else an
operation takes is per-trial, `(K, 1)` or a single number, and stays as it was when recorded.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode


@dataclass(frozen=True)
class Operation:
    """One operation with a piece among its arguments.

    Pieces are numbered: those given, then results. `places` says where in `args` which one goes,
    `out` which one a result is written to that is not a new tensor.
    """

    call: OpOverload
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    places: tuple[tuple[int, int], ...]
    out: int | None
    result: int
    forget: tuple[int, ...] = ()
    """Pieces that no later operation needs: their memory, still in the cache, is reused."""

    def pieces(self) -> set[int]:
        """All that it reads or writes."""
        written = {self.result} if self.out is None else {self.result, self.out}
        return written | {number for _, number in self.places}


@dataclass(frozen=True)
class Tape:
    """Operations on given pieces, and which ones become what they did to them."""

    operations: tuple[Operation, ...]
    count: int
    """Of all pieces, given and made."""
    added: tuple[tuple[int, int], ...]
    """What is added in the end: to which, and what."""
    copied: tuple[tuple[int, int], ...]
    """What is copied in the end: to which, and what."""

    def of(self, rows: slice) -> "Tape":
        """The tape for pieces of these trials alone."""
        return replace(self, operations=tuple(_of(rows, each) for each in self.operations))

    def play(self, given: Sequence[Tensor]) -> None:
        """Does to these pieces what was done to the recorded ones."""
        pieces: list[Any] = [*given, *[None] * (self.count - len(given))]
        for operation in self.operations:
            args = [*operation.args]
            for position, number in operation.places:
                args[position] = pieces[number]
            if operation.out is None:
                result = operation.call(*args, **operation.kwargs)
            else:
                result = operation.call(*args, **operation.kwargs, out=pieces[operation.out])
            pieces[operation.result] = result
            for number in operation.forget:
                pieces[number] = None
        for number, delta in self.added:
            pieces[number].add_(pieces[delta])
        for number, new in self.copied:
            pieces[number].copy_(pieces[new])


class Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on, notes every operation that has one of the given pieces to do with."""

    def __init__(self, given: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Kept, not only numbered: the identity of a tensor that is gone may be another one's.
        self._pieces = [*given]
        self._numbers = {id(tensor): number for number, tensor in enumerate(given)}
        self._operations: list[Operation] = []

    def tape(self, delta: Tensor, states: Sequence[Tensor]) -> Tape:
        """What was recorded, as a change of the given: the value, its states and more.

        `delta` is added to the value, `states` replace those given, in their order. Raises
        ValueError if one of them was made in another way than by single operations on pieces.
        """
        delta_number, *new = [self._number_of(tensor) for tensor in (delta, *states)]
        pairs = tuple((old, number) for old, number in enumerate(new, 1) if old != number)
        tape = Tape(tuple(self._operations), len(self._pieces), ((0, delta_number),), pairs)
        for pair in pairs:
            tape = _written_over(tape, *pair)
        return _forgetting(tape, len(states) + 2)

    def _number_of(self, tensor: Tensor) -> int:
        if id(tensor) not in self._numbers:
            raise _broken("its update", "returns what was not made of pieces")
        return self._numbers[id(tensor)]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Runs an operation; raises ValueError if it cannot be done again to another piece."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        places = tuple(
            (position, self._numbers[id(argument)])
            for position, argument in enumerate(args)
            if id(argument) in self._numbers
        )
        if not places:
            return result
        if not isinstance(result, Tensor) or result.shape != self._pieces[0].shape:
            raise _broken(func, "makes something else of a piece")
        numbered = dict(places)
        constants = tuple(
            None if position in numbered else _kept(func, argument)
            for position, argument in enumerate(args)
        )
        others = {key: _kept(func, argument) for key, argument in kwargs.items() if key != "out"}
        out = self._numbers[id(kwargs["out"])] if "out" in kwargs else None
        operation = Operation(func, constants, others, places, out, self._number(result))
        self._operations.append(operation)
        return result

    def _number(self, result: Tensor) -> int:
        """Of a result, which is one of its arguments where that is changed in place."""
        if id(result) not in self._numbers:
            self._numbers[id(result)] = len(self._pieces)
            self._pieces.append(result)
        return self._numbers[id(result)]


def _kept(call: OpOverload, argument: Any) -> Any:
    """A per-trial argument as it is now, whatever is done to it in place later."""
    if not isinstance(argument, Tensor):
        return argument
    if argument.numel() != 1 and argument.shape[1:] != (1,):
        raise _broken(call, "takes what is neither a piece nor per-trial")
    return argument.clone()


def _broken(call: object, what: str) -> ValueError:
    """Of an optimizer that may not be built in."""
    return ValueError(
        f"an `elementwise` optimizer must treat each number of a parameter alone, but {call} {what}"
    )


def _of(rows: slice, operation: Operation) -> Operation:
    """The operation with the per-trial numbers of some trials."""
    args = tuple(
        argument[rows] if isinstance(argument, Tensor) and argument.numel() > 1 else argument
        for argument in operation.args
    )
    return replace(operation, args=args)


def _written_over(tape: Tape, old: int, new: int) -> Tape:
    """The tape with the new state written over the old one, if nothing needs that afterwards."""
    operations = tape.operations
    place = next(i for i, operation in enumerate(operations) if operation.result == new)
    maker, later = operations[place], operations[place + 1 :]
    variant = _writing(maker.call)
    ends = {number for _, number in (*tape.added, *tape.copied)}
    needed = old in ends.union(*(operation.pieces() for operation in later))
    shared = any(operation.call.is_view for operation in operations)
    if variant is None or needed or shared:
        return tape
    written = replace(maker, call=variant, out=old)
    copied = tuple(pair for pair in tape.copied if pair != (old, new))
    return replace(tape, operations=(*operations[:place], written, *later), copied=copied)


@functools.cache
def _writing(call: OpOverload) -> OpOverload | None:
    """The operation that writes its result to `out` instead of to a new tensor, if it has one."""
    own = [(argument.name, str(argument.type)) for argument in call._schema.arguments]
    for name in call.overloadpacket.overloads():
        variant: OpOverload = getattr(call.overloadpacket, name)
        arguments = [(argument.name, str(argument.type)) for argument in variant._schema.arguments]
        if arguments == [*own, ("out", "Tensor")]:
            return variant
    return None


def _forgetting(tape: Tape, given: int) -> Tape:
    """The tape that lets go of every piece it made after its last use."""
    last = {n: i for i, operation in enumerate(tape.operations) for n in operation.pieces()}
    kept = {number for pair in (*tape.added, *tape.copied) for number in pair}
    operations = tuple(
        replace(
            operation,
            forget=tuple(n for n in last if last[n] == i and n not in kept and n >= given),
        )
        for i, operation in enumerate(tape.operations)
    )
    return replace(tape, operations=operations)
