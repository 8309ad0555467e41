"""Record of a model's training: class names, preprocessing and task."""

from __future__ import annotations

from ..data.class_names import ClassNames, ClassNamesLike, as_class_names
from ..data.preprocessing import Preprocessing
from ..data.tasks import Task, check_task


class ModelRecord:
    """Base class of `Model`: what it was trained with, beside its layers and parameters. `save` stores it."""

    def __init__(
        self, class_names: ClassNamesLike | None, preprocessing: Preprocessing | None, task: Task | None
    ) -> None:
        self.class_names = class_names
        self.preprocessing = preprocessing
        self.task = task

    @property
    def class_names(self) -> ClassNames | None:
        """One (class id, class name) pair per class, in the order of the outputs; None if unknown.

        May be set to a list of names or of such pairs, a mapping of indices to names or of names to
        indices, what `read_class_names` returns, or None. Anything else raises ValueError. `save`
        stores the names.
        """
        return self._class_names

    @class_names.setter
    def class_names(self, names: ClassNamesLike | None) -> None:
        self._class_names = None if names is None else as_class_names(names)

    @property
    def preprocessing(self) -> Preprocessing:
        """How photographs became input in training: scaling, resizing, and whether outputs are logits.

        May be set to a `Preprocessing`, or to None for an empty one. Anything else raises TypeError.
        `save` stores it.
        """
        return self._preprocessing

    @preprocessing.setter
    def preprocessing(self, preprocessing: Preprocessing | None) -> None:
        if not isinstance(preprocessing, Preprocessing | None):
            raise TypeError(
                "preprocessing must be a Preprocessing, such as Preprocessing(scaling='tf'), got "
                f"{preprocessing!r:.80}"
            )
        self._preprocessing = preprocessing or Preprocessing()

    @property
    def task(self) -> Task | None:
        """What the outputs mean: "classes", "labels" or "regression". None stands for "classes".

        Anything else raises ValueError. `save` stores it.
        """
        return self._task

    @task.setter
    def task(self, task: Task | None) -> None:
        check_task(task)
        self._task = task
