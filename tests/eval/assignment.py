"""The cheapest way to give every row one column, exactly. Pure.

Source: the Hungarian method as shortest augmenting paths with potentials, Jonker and Volgenant 1987 (without their
initialisation). O(rows² × columns), one numpy pass per step: 500 × 500 in a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def assign(costs: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """(row, column) of the pairs whose sum is least, by rows; every one of the fewer side is paired.

    costs: (R, C), finite. Forbid a pair by a cost above any sum that may be, and drop it afterwards.
    """
    if 0 in costs.shape:
        return []
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T))
    rows, columns = costs.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns + 1)
    # owner[c]: the row that has column c; the last is a column of no cost from which each search starts.
    owner = np.full(columns + 1, -1)
    for row in range(rows):
        owner[columns] = row
        at = columns
        least = np.full(columns, np.inf)
        came_from = np.full(columns, columns)
        is_done = np.zeros(columns + 1, bool)
        while owner[at] != -1:
            is_done[at] = True
            mine = owner[at]
            reach = costs[mine] - row_price[mine] - column_price[:columns]
            is_better = ~is_done[:columns] & (reach < least)
            least[is_better], came_from[is_better] = reach[is_better], at
            open_least = np.where(is_done[:columns], np.inf, least)
            nearest = int(np.argmin(open_least))
            step = open_least[nearest]
            done = np.flatnonzero(is_done)
            row_price[owner[done]] += step
            column_price[done] -= step
            least[~is_done[:columns]] -= step
            at = nearest
        while at != columns:
            before = came_from[at]
            owner[at] = owner[before]
            at = before
    return sorted((int(owner[column]), column) for column in range(columns) if owner[column] != -1)
