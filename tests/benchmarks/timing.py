"""How long calls take, on a machine that does other things too.

What is compared is timed in turns: a short slice of each call, in another order in every round, so
that a machine that becomes slower becomes slower for all alike, and nothing always comes after the
same neighbour. (In a fixed order, equal applications were up to 7 µs apart.) Of the rounds of one
block the median counts: slices that something else interrupted are too few to move it, and between
two equal applications it differed least, less than the shortest slice does. Every block makes a
figure of its own. The median of the blocks is reported, and how far they lie apart says what it is
worth.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from random import Random
from statistics import median, quantiles
from time import perf_counter_ns

Call = Callable[[], object]

#: What one block measured: microseconds a call, by the name of the call.
Block = Mapping[str, float]

_SLICE_NS = 2_000_000
_WARM_UP = 5


@dataclass(frozen=True)
class Figure:
    """A median, and between which values the middle half lies."""

    value: float
    low: float
    high: float


def measure(calls: Mapping[str, Call], *, blocks: int, rounds: int) -> list[Block]:
    """Time the calls in turns: ``blocks`` times ``rounds`` slices of about 2 ms of each."""
    sizes = {name: _calls_in_a_slice(call) for name, call in calls.items()}
    order = Random(0)  # noqa: S311 - the same in every run
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        return [_measure_block(calls, sizes, rounds, order) for _ in range(blocks)]
    finally:
        gc.enable()
        gc.unfreeze()


def figure(blocks: Sequence[Block], value: Callable[[Block], float]) -> Figure:
    """``value`` over all blocks, each taken for itself."""
    return middle([value(block) for block in blocks])


def middle(values: Sequence[float]) -> Figure:
    """The median and the quartiles of ``values``."""
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Figure(median(values), low, high)


def _measure_block(
    calls: Mapping[str, Call], sizes: Mapping[str, int], rounds: int, order: Random
) -> Block:
    slices: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            _time_slice(calls[name], _WARM_UP)
            slices[name].append(_time_slice(calls[name], sizes[name]) / 1000)
        # Requests leave cycles behind. They are collected between the rounds, where it is no call's
        # bad luck.
        gc.collect()
    return {name: median(times) for name, times in slices.items()}


def _calls_in_a_slice(call: Call) -> int:
    _time_slice(call, 50)  # caches fill, code specialises
    one = min(_time_slice(call, 20) for _ in range(5))
    return max(1, round(_SLICE_NS / one))


def _time_slice(call: Call, size: int) -> float:
    """Nanoseconds a call, over ``size`` calls."""
    start = perf_counter_ns()
    for _ in repeat(None, size):
        call()
    return (perf_counter_ns() - start) / size
