"""The technician's way through the page: which step is done, which is next. No session knows it, only the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from provisioning.page.site import PageContext


class StepModule(Protocol):
    """What a module of `steps` offers. Its page is at `/{NAME}`, its title in the texts at `page.step.{NAME}`.

    `is_done` looks at the disk and nothing else, so that a phone may be closed and another one go on.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant

    @property
    def routes(self) -> Callable[[PageContext], list[BaseRoute]]: ...

    @property
    def is_done(self) -> Callable[[PageContext], bool]: ...


class Standing(StrEnum):
    DONE = "done"
    CURRENT = "current"
    TODO = "todo"


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of the list of steps. `number` counts from 1."""

    number: int
    name: str
    standing: Standing


def standings(steps: Sequence[StepModule], context: PageContext) -> tuple[StepView, ...]:
    """The first step that is not done is the current one; what comes after it may already be done."""
    views: list[StepView] = []
    is_current_named = False
    for number, step in enumerate(steps, 1):
        if step.is_done(context):
            standing = Standing.DONE
        elif is_current_named:
            standing = Standing.TODO
        else:
            standing, is_current_named = Standing.CURRENT, True
        views.append(StepView(number, step.NAME, standing))
    return tuple(views)


def next_step(views: Sequence[StepView]) -> str:
    """Where "continue" leads: the current step, or the last when all are done."""
    return next((view.name for view in views if view.standing is Standing.CURRENT), views[-1].name)
