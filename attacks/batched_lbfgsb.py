"""SciPy's L-BFGS-B on many problems in parallel, with one batched evaluation of the objective per round."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, OptimizeResult, minimize

Array = NDArray[np.float64]
Objective = Callable[[list[int], Array], tuple[Array, Array]]
"""From the ascending indices of the problems to evaluate and their points ``(asking, features)`` to values
``(asking,)`` and gradients ``(asking, features)``."""


class _CancelledError(Exception):
    """Raised inside a solver to end its thread after a failure elsewhere."""


@dataclass(frozen=True)
class _Message:
    """Message from a solver to the driver: a point to evaluate, a result, or a failure."""

    problem: int
    point: Array | None = None
    result: OptimizeResult | None = None
    failure: BaseException | None = None


def minimise_in_lock_step(
    objective: Objective, starts: Array, bounds: tuple[float, float], options: dict[str, float]
) -> list[OptimizeResult]:
    """Minimise independent problems by SciPy's L-BFGS-B with one batch of values and gradients per round.

    Each problem has a solver in a thread of its own, which sleeps while its point is being evaluated. The calling
    thread gathers the points of all running solvers and evaluates them together. A problem thus takes exactly the path
    that it would take alone, and a solver that ends, for whatever reason, does not affect the others. All threads have
    ended when this function returns or raises.

    Args:
        objective: evaluates several problems; called in the calling thread only.
        starts: starting points of the problems ``(problems, features)``.
        bounds: lower and upper bound of every feature.
        options: options of ``scipy.optimize.minimize(method="L-BFGS-B")``.

    Returns:
        SciPy's result of each problem; ``nfev`` is the number of evaluations of that problem.

    Raises:
        Exception: whatever the objective or a solver raises, after all threads have ended.
    """
    requests: SimpleQueue[_Message] = SimpleQueue()
    answers: list[SimpleQueue[tuple[float, Array] | None]] = [SimpleQueue() for _ in starts]

    def solve(problem: int) -> None:
        def ask(point: Array) -> tuple[float, Array]:
            requests.put(_Message(problem, point=point.copy()))
            answer = answers[problem].get()
            if answer is None:
                raise _CancelledError
            return answer

        box = Bounds(np.full(starts.shape[1], bounds[0]), np.full(starts.shape[1], bounds[1]))
        try:
            result = minimize(ask, starts[problem], jac=True, method="L-BFGS-B", bounds=box, options=options)
        except _CancelledError:
            pass
        # The driver raises anything else: an exception in a thread would only be printed.
        except BaseException as failure:
            requests.put(_Message(problem, failure=failure))
        else:
            requests.put(_Message(problem, result=result))

    threads = [threading.Thread(target=solve, args=(problem,), daemon=True) for problem in range(len(starts))]
    try:
        for thread in threads:
            thread.start()
        return _drive(objective, requests, answers)
    finally:
        for answer in answers:
            answer.put(None)
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _drive(
    objective: Objective, requests: SimpleQueue[_Message], answers: Sequence[SimpleQueue[tuple[float, Array] | None]]
) -> list[OptimizeResult]:
    """Evaluate the points of the solvers round by round until all have a result."""
    results: dict[int, OptimizeResult] = {}
    waiting: dict[int, Array] = {}
    while len(results) < len(answers):
        message = requests.get()
        if message.failure is not None:
            raise message.failure
        if message.point is not None:
            waiting[message.problem] = message.point
        elif message.result is not None:
            results[message.problem] = message.result
        if waiting and len(waiting) + len(results) == len(answers):
            problems = sorted(waiting)
            values, gradients = objective(problems, np.stack([waiting[problem] for problem in problems]))
            waiting.clear()
            for problem, value, gradient in zip(problems, values, gradients, strict=True):
                answers[problem].put((float(value), gradient))
    return [results[problem] for problem in range(len(answers))]
