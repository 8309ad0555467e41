"""Report on a model file: the facts, and the text that `xception inspect` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ..console.tables import Column, lay_out_facts, lay_out_table, table_columns
from ..console.text_layout import PLAIN, TextLayout
from ..data.preprocessing import Preprocessing
from ..data.tasks import Task
from ..formats.matching import describe_not_finite
from ..models.summary import says_kind
from .backbones import Backbone

MAX_LAYER_ROWS = 40  #: a longer model is shown as the number of layers of each class
MAX_CLASS_NAMES = 10  #: that the text lists
PIXEL_RANGES = {"tf": "−1…1", "unit": "0…1", "none": "0…255"}

LAYER_COLUMNS = (
    Column("Layer (type)", may_cut=True), Column("Output Shape"), Column("Param #", is_number=True),
)  # fmt: skip

#: A shape with its batch axis.
BatchShape = tuple[int | None, ...]


#: What the outputs of a task are called.
CALLED = {"classes": "classes", "labels": "labels", "regression": "targets"}
NO_MODEL = "no model file that is read here"  #: the format of any other file


@dataclass
class LayerRow:
    """A layer of the outermost network.

    Attributes:
        name: Its name.
        kind: Its class, as Keras names it.
        output_shapes: With the batch axis; None if the model does not load.
        parameters: Number of parameters; None if the model does not load.
    """

    name: str
    kind: str
    output_shapes: list[BatchShape] | None = None
    parameters: int | None = None


@dataclass
class Inspection:
    """What `xception.inspect` returns: the facts about a file. `str()` gives a report.

    Attributes:
        file: Name of the file.
        size: In bytes.
        format: What kind of file it is, in words.
        keras_version: The version of Keras that wrote it, or whose format it has.
        written_by: The program that wrote it, if that is not Keras; None if it does not say.
        saved: When it was saved, as the file says.
        kind: Class of the model; None for weights alone.
        name: Name of the model.
        inputs: Shape of each input, by name; None if unknown.
        outputs: Shape of each output, by name; None if unknown.
        layers: The layers of the outermost network.
        parameters: Number of parameters, without the optimizer's.
        trainable: How many of them training would change; None if the model does not load.
        arrays: Number of arrays of each type.
        optimizer: Class of the optimizer that the model was trained with.
        optimizer_arrays: Number of arrays of its state.
        class_names: Name of each class, if the file has them.
        task: What the outputs mean, if the file records it.
        preprocessing: How photographs become the model's input, if the file says.
        bases: The Xception backbones in it.
        runs: Whether this library loads and runs it.
        remarks: What the file does not say and is assumed, and what in it is not used.
        not_finite: The arrays that hold NaN or infinity, of a file that runs or whose backbone does.
        loads_as: The call that loads it; of a model that does not run, the call that loads its backbone.
        reasons: Why it does not run, layer by layer if that is the cause.
        damage: What is damaged; None if nothing is.
    """

    file: str
    size: int
    format: str = NO_MODEL
    keras_version: str | None = None
    written_by: str | None = None
    saved: str | None = None
    kind: str | None = None
    name: str | None = None
    inputs: dict[str, BatchShape | None] = field(default_factory=dict)
    outputs: dict[str, BatchShape | None] = field(default_factory=dict)
    layers: list[LayerRow] = field(default_factory=list)
    parameters: int | None = None
    trainable: int | None = None
    arrays: dict[str, int] = field(default_factory=dict)
    optimizer: str | None = None
    optimizer_arrays: int = 0
    class_names: list[str] | None = None
    task: Task | None = None
    preprocessing: Preprocessing | None = None
    bases: list[Backbone] = field(default_factory=list)
    runs: bool = False
    remarks: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    loads_as: str | None = None
    reasons: list[str] = field(default_factory=list)
    damage: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong with the file: that it is damaged, or no model; None if nothing is."""
        if self.damage:
            return "is damaged"
        return f"is {NO_MODEL}" if self.format == NO_MODEL else None

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as a dict that JSON can hold; `preprocessing` is its `to_dict()`."""
        preprocessing = self.preprocessing.to_dict() if self.preprocessing else None
        return asdict(self) | {"preprocessing": preprocessing}

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, layout: TextLayout = PLAIN) -> str:
        """Return the report as text, for a terminal within its width."""
        facts = [
            ("file", f"{self.file}, {self.size:,} bytes"),
            ("format", self.format),
            ("damage", self.damage),
            ("written by", _join(_describe_author(self), self.saved)),
            ("model", _join(self.name, self.kind and f"({self.kind})", separator=" ")),
            *(("input", f"{name} {shape or ''}") for name, shape in self.inputs.items()),
            *(("output", f"{name} {shape or ''}") for name, shape in self.outputs.items()),
            ("parameters", _describe_parameters(self)),
            ("arrays", _join(*(f"{count} of {kind}" for kind, count in self.arrays.items()))),
            ("training", _describe_optimizer(self)),
            ("task", self.task),
            (CALLED[self.task or "classes"], _describe_class_names(self, layout)),
            ("preprocess", _describe_preprocessing(self.preprocessing, layout)),
            ("scores", _describe_scores(self.preprocessing)),
            *(("Xception", _describe_backbone(backbone)) for backbone in self.bases),
            ("Xception", "contains no Xception backbone" if self.arrays and not self.bases else None),
            ("runs here", f"{_describe_run(self)}: {self.loads_as}" if self.runs else "no"),
            *(("note", remark) for remark in self.remarks),
            *(("because", _with_subject(reason)) for reason in self.reasons if reason != self.damage),
            ("but", f"its backbone does: {self.loads_as}" if self.loads_as and not self.runs else None),
        ]
        lines = lay_out_facts([(key, text) for key, text in facts if text], layout)
        return "\n".join([*lines, *_layer_table(self, layout)])


def _with_subject(reason: str) -> str:
    """Return a reason that follows the file's name in an error, as a sentence of its own."""
    return f"it {reason}" if reason.startswith(("is ", "has ", "holds ")) else reason


def _describe_run(inspection: Inspection) -> str:
    if inspection.not_finite:
        return f"yes, but to no use: {describe_not_finite(inspection.not_finite)}"
    return "yes"


def _layer_table(inspection: Inspection, layout: TextLayout) -> list[str]:
    """Return one line per layer, or per class of layer if there are many."""
    layers = inspection.layers
    if not layers:
        return []
    if len(layers) > MAX_LAYER_ROWS:
        counts = Counter(row.kind for row in layers)
        rows = [(str(count), kind) for kind, count in counts.most_common()]
        return ["", *lay_out_table((Column(is_number=True), Column()), rows, layout)]
    if not inspection.runs:
        names = [(f"{row.name} ({row.kind})",) for row in layers]
        return ["", *lay_out_table(LAYER_COLUMNS[:1], names, layout)]
    cells = _layer_cells(layers, is_narrow=False)
    if layout.width is not None and table_columns(LAYER_COLUMNS, cells) > layout.width:
        cells = _layer_cells(layers, is_narrow=True)
    return ["", *lay_out_table(LAYER_COLUMNS, cells, layout)]


def _layer_cells(layers: Iterable[LayerRow], is_narrow: bool) -> list[tuple[str, str, str]]:
    """Return a row for each layer; on a narrow terminal without the classes that are in their names."""
    return [
        (
            row.name if is_narrow and says_kind(row.name, row.kind) else f"{row.name} ({row.kind})",
            ", ".join(map(str, row.output_shapes or ())),
            f"{row.parameters:,}",
        )
        for row in layers
    ]


def _describe_author(inspection: Inspection) -> str | None:
    keras = inspection.keras_version and f"Keras {inspection.keras_version}"
    if inspection.written_by and keras:
        return f"{inspection.written_by}, in the format of {keras}"
    return inspection.written_by or keras


def _describe_parameters(inspection: Inspection) -> str | None:
    total, trainable = inspection.parameters, inspection.trainable
    if total is None or trainable is None:
        return f"{total:,}" if inspection.arrays else None
    return f"{total:,}: {trainable:,} trainable, {total - trainable:,} not"


def _describe_optimizer(inspection: Inspection) -> str | None:
    count = inspection.optimizer_arrays
    state = f"its state in {count} arrays" if count else "without its state"
    if inspection.optimizer is None:
        return f"an optimizer, {state}" if count else None
    return f"{inspection.optimizer}, {state}"


def _describe_class_names(inspection: Inspection, layout: TextLayout) -> str | None:
    names = inspection.class_names
    if not names:
        return None
    more = layout.spell(", …") if len(names) > MAX_CLASS_NAMES else ""
    return f"{len(names)}: {_join(*names[:MAX_CLASS_NAMES])}{more}"


def _describe_preprocessing(preprocessing: Preprocessing | None, layout: TextLayout) -> str | None:
    if preprocessing is None:
        return None
    scaling, interpolation = preprocessing.scaling, preprocessing.interpolation
    return _join(
        scaling and f"scaling {scaling} ({layout.spell(PIXEL_RANGES[scaling])})",
        interpolation and f"interpolation {interpolation}",
        preprocessing.aspect and f"aspect {preprocessing.aspect}",
        preprocessing.exif and f"exif {preprocessing.exif}",
        preprocessing.channel_order and f"channel order {preprocessing.channel_order}",
    )


def _describe_scores(preprocessing: Preprocessing | None) -> str | None:
    if preprocessing is None or preprocessing.from_logits is None:
        return None
    return "logits" if preprocessing.from_logits else "probabilities"


def _describe_backbone(backbone: Backbone) -> str:
    name = f"{backbone.path}: its backbone" if backbone.path else "its backbone"
    if not backbone.differing:
        return f"{name} equals the ImageNet weights shipped here"
    how = "fine-tuned" if backbone.differing < backbone.arrays else "trained anew, or every layer fine-tuned"
    return (
        f"{name} differs from the ImageNet weights ({how}: {backbone.differing} of {backbone.arrays} arrays "
        "differ)"
    )


def _join(*parts: str | None, separator: str = ", ") -> str:
    return separator.join(part for part in parts if part)
