"""Deeplearning4j itself runs what this library writes, and this library what Deeplearning4j writes.

`dl4j/Answers.java` runs all models of one version in one process.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from dl4j_files import Zip, chains, images
from exported_models import EXPORTED, model_of

import xception
from xception.formats.dl4j.forms import VERSIONS

PROGRAM = Path(__file__).parent / "dl4j"
ANSWERS = Path(__file__).parents[1] / "formats/dl4j/answers.json"
DL4J_VERSIONS = ("M2.1", "beta7", "beta3")
MAX_ERROR = 1e-5
XCEPTIONS = {
    "with its classifier": {"weights": None, "seed": 0, "classes": 7, "input_shape": (96, 96, 3)},
    "pooled": {"include_top": False, "pooling": "avg", "input_shape": (96, 96, 3)},
}

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(
        not (shutil.which("java") and shutil.which("mvn")),
        reason="needs a JDK and Maven to run Deeplearning4j",
    ),
    pytest.mark.filterwarnings("ignore:.*does not say how photographs were prepared:UserWarning"),
]


def write_array(path, array):
    header = np.array([array.ndim, *array.shape], "<i4")
    path.write_bytes(header.tobytes() + array.astype("<f4").tobytes())


def read_array(path):
    content = path.read_bytes()
    rank = int(np.frombuffer(content[:4], "<i4")[0])
    shape = np.frombuffer(content[4 : 4 + 4 * rank], "<i4")
    return np.frombuffer(content[4 + 4 * rank :], "<f4").reshape(shape)


class Deeplearning4j:
    """A version of Deeplearning4j, and the models that it has run.

    Attributes:
        version: Such as "beta7".
        folder: Where the models are.
        expected: What this library answers, by the model's name.
        failures: Why a model could not be run, by its name.
    """

    def __init__(self, version, folder):
        self.version, self.folder = version, folder
        self.expected, self.failures = {}, {}

    def add(self, name, model):
        size = [n or 77 for n in model.input_shape[1:]]
        x = images((2, *size))
        write_array(self.folder / f"{name}.in.bin", x)
        self.expected[name] = model.predict(x)

    def run(self):
        classpath = self.folder / "classpath.txt"
        subprocess.run(
            ["mvn", "-q", "-B", "dependency:build-classpath", f"-Ddl4j=1.0.0-{self.version}",
             "-Djavacpp.platform=linux-x86_64", f"-Dmdep.outputFile={classpath}"],
            cwd=PROGRAM, check=True, capture_output=True, timeout=900,
        )  # fmt: skip
        result = subprocess.run(
            ["java", "-cp", classpath.read_text(), str(PROGRAM / "Answers.java"), str(self.folder),
             *self.expected],
            check=True, capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        for line in result.stdout.splitlines():
            name, separator, reason = line.partition(": ")
            if separator and name in self.expected:
                self.failures[name] = reason

    def check(self, name):
        assert name not in self.failures, self.failures[name]
        y, expected = read_array(self.folder / f"{name}.out.bin"), self.expected[name]
        assert y.shape == expected.shape
        assert np.abs(y - expected).max() <= MAX_ERROR * np.abs(expected).max()


def identifier(kind, name):
    return f"{kind}_{''.join(c if c.isalnum() else '_' for c in name)}"


def since(path_notes):
    """The first version that restores a zip, from what `export` returns."""
    note = next(note for note in path_notes if note.startswith("is restored by"))
    return note.split("1.0.0-")[1].split()[0]


def restores(version, first):
    order = [*VERSIONS[:1], "beta3", *VERSIONS[1:]]
    return order.index(version) >= order.index(first)


@pytest.fixture(scope="module", params=DL4J_VERSIONS)
def answers(request, tmp_path_factory):
    """All models of one version, run in one process."""
    folder = tmp_path_factory.mktemp(request.param.replace(".", "_"))
    dl4j = Deeplearning4j(request.param, folder)
    for name, settings in XCEPTIONS.items():
        model = xception.Xception(**settings)
        exported, imported = identifier("zip", name), identifier("h5", name)
        model.export(folder / f"{exported}.zip")
        dl4j.add(exported, model)
        model.save(folder / f"{imported}.h5")
        dl4j.add(imported, model)
    for name, (layers, _, _) in EXPORTED.items():
        model, path = model_of(layers), folder / f"{identifier('zip', name)}.zip"
        if restores(dl4j.version, since(model.export(path))):
            dl4j.add(path.stem, model)
    if dl4j.version == "M2.1":
        for name, parts in chains().items():
            path = Zip(parts).write(folder / f"{identifier('chain', name)}.zip")
            write_array(folder / f"{path.stem}.in.bin", images())
            dl4j.expected[path.stem] = xception.load_model(path).predict(images())
    dl4j.run()
    return dl4j


@pytest.mark.parametrize("name", [*XCEPTIONS, *EXPORTED])
def test_zips_that_are_exported(answers, name):
    written = identifier("zip", name)
    if written not in answers.expected:
        pytest.skip(f"{answers.version} does not restore it")
    answers.check(written)


@pytest.mark.parametrize("name", XCEPTIONS)
def test_h5_files_that_are_saved(answers, name):
    written = identifier("h5", name)
    answers.check(written)
    # What Deeplearning4j makes of it is read again.
    start = time.perf_counter()
    model = xception.load_model(answers.folder / f"{written}.zip")
    assert time.perf_counter() - start < 10  # it takes one second; machines that are busy take more
    y = model.predict(images((2, 96, 96, 3)))
    expected = answers.expected[written]
    assert np.abs(y - expected).max() <= MAX_ERROR * np.abs(expected).max()


@pytest.mark.parametrize("name", chains())
def test_recorded_answers(answers, name):
    if answers.version != "M2.1":
        pytest.skip("recorded with M2.1")
    written = identifier("chain", name)
    answers.check(written)
    shape, first, _ = json.loads(ANSWERS.read_text("utf-8"))[name]
    y = read_array(answers.folder / f"{written}.out.bin")
    assert list(y.shape) == shape
    np.testing.assert_allclose(y.ravel()[: len(first)], first, rtol=1e-4, atol=1e-6)
