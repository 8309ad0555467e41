"""The command `fine-tune`."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import xception
from xception import formats
from xception.layers import BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    """Thirty small pictures of upright and level stripes, three of each series."""
    folder, rng = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0)
    wave = 60 * np.sin(np.arange(8) * 2.1)
    for name in ("level", "upright"):
        (folder / name).mkdir()
        for number in range(15):
            pixels = rng.normal(128, 60, (8, 8, 3)) + (
                wave[:, None, None] if name == "level" else wave[:, None]
            )
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{number // 3}_{number % 3}.png")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    path = tmp_path_factory.mktemp("base") / "base.keras"
    net = xception.Graph("small")
    x = net.add(Input((8, 8, 3)))
    for layer in (Conv2D(6, 3), BatchNormalization(), GlobalAveragePooling2D(), Dense(4, "softmax")):
        x = net.add(layer, x)
    xception.Model(net, seed=0).save(path)
    return path


def arguments(stripes, base, output, *more):
    return [
        "fine-tune", stripes, "--model", base, "--train", "all", "--epochs", 3, "--batch-size", 6,
        "--output", output, *more,
    ]  # fmt: skip


def test_fine_tune_and_evaluate(run, stripes, base, tmp_path):
    log = tmp_path / "log.csv"
    status, out, err = run(*arguments(stripes, base, tmp_path / "m.keras", "--log", log))
    assert status == 0
    assert "train='all', from conv2d on: " in err
    assert "statistics: frozen" in err
    assert "epoch 0 (the solved head): validation: accuracy" in err
    assert "epoch 3: loss" in err
    assert out.startswith("best epoch")
    assert len(log.read_text("utf-8").splitlines()) == 5
    assert xception.load_model(tmp_path / "m.run.keras").trainable_nodes
    status, out, _ = run("evaluate", stripes, "--model", tmp_path / "m.keras")
    assert status == 0
    assert "30" in out


def test_groups_are_on_one_side_and_a_pattern_must_match(run, stripes, base, tmp_path):
    more = ("--group-by", r"(\w+)_\d", "--epochs", 1)
    status, _, err = run(*arguments(stripes, base, tmp_path / "m.keras", *more))
    assert status == 0
    assert "24 to train, 6 to validate" in err
    status, out, err = run(*arguments(stripes, base, tmp_path / "n.keras", "--group-by", "nothing"))
    assert (status, out) == (1, "")
    assert "matches 0 of 30" in err
    assert not (tmp_path / "n.keras").exists()


def test_a_preview_is_a_picture_of_the_augmented_photographs(run, stripes, base, tmp_path):
    more = ("--augment", "flip,rotation=20", "--preview", tmp_path / "sheet.png")
    status, out, _ = run("fine-tune", stripes, "--model", base, *more)
    assert (status, out) == (0, "")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 5 * 200
    status, _, err = run("fine-tune", stripes, "--model", base, *more, "--output", tmp_path / "m.keras")
    assert status == 2
    assert "argument --preview: not allowed with argument --output" in err


def test_labels_come_from_a_table(run, stripes, base, tmp_path):
    table = tmp_path / "labels.csv"
    rows = []
    for number, path in enumerate(sorted(stripes.rglob("*.png"))):
        rows.append(f"{path.parent.name}/{path.name},{int(path.parent.name == 'upright')},{number % 2}")
    table.write_text("photograph,upright,odd\n" + "\n".join(rows), "utf-8")
    more = ("--task", "labels", "--labels", table, "--epochs", 1)
    status, out, _ = run(*arguments(stripes, base, tmp_path / "m.keras", *more))
    assert status == 0
    assert "mean AUC" in out
    assert xception.load_model(tmp_path / "m.keras").task == "labels"


def test_wrong_use_is_status_2(run, stripes, base, tmp_path):
    for more, message in (
        (("--train", "head,"), "argument --train: expected names with commas between them, got 'head,'"),
        (("--folds", 2, "--validation", 0.3), "--validation: not allowed with argument --folds"),
    ):
        status, out, err = run(*arguments(stripes, base, tmp_path / "m.keras", *more))
        assert (status, out) == (2, "")
        assert message in err


def test_the_model_that_training_starts_from_is_not_written_over(run, stripes, base):
    before = base.read_bytes()
    status, _, err = run(*arguments(stripes, base, base))
    assert (status, err) == (1, f"xception: {base}: is read by the run; name another file to write\n")
    assert base.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--augment", "flop"), "did you mean flip"),
        (("--train", "exit"), "does not have: give the name of the first layer"),
        (("--learning-rate", "0"), "learning_rate must be above 0"),
        (("--resume", "nowhere.run.keras"), "leave out model"),
        (("--task", "labels"), "needs labels"),
        (("--labels", "labels.csv"), "labels in a file need the task 'labels' or 'regression'"),
        (("--size", "20"), "takes photographs of 8×8 pixels"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_line(run, stripes, base, tmp_path, more, message):
    if "--resume" in more:
        shutil.copy(base, tmp_path / "nowhere.run.keras")
        more = ("--resume", tmp_path / "nowhere.run.keras")
        message = "holds no state of training"
    status, out, err = run(*arguments(stripes, base, tmp_path / "m.keras", *more))
    assert (status, out) == (1, "")
    assert message in err
    assert not (tmp_path / "m.keras").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_the_batch_and_leaves_what_can_be_resumed(run, stripes, base, tmp_path):
    words = arguments(stripes, base, tmp_path / "m.keras", "--epochs", 100_000, "--patience", 100_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "xception", *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"to go on: --resume {tmp_path / 'm.run.keras'}" in err
    assert "Traceback" not in err
    _, state = formats.read_training(tmp_path / "m.run.keras")
    position = state.run["position"]
    assert position["epoch"] >= 2
    assert state.iterations == 4 * position["epoch"] + position["batch"]
    assert (tmp_path / "m.keras").exists()


def test_stages_stand_between_commas(run, stripes, base, tmp_path):
    words = arguments(stripes, base, tmp_path / "m.keras", "--train", "head,all", "--epochs", 2)
    status, _, err = run(*words)
    assert status == 0
    assert "train='head' for 1 epoch (stage 1 of 2)" in err
    assert "train='all' for 1 epoch (stage 2 of 2)" in err
    words = arguments(stripes, base, tmp_path / "n.keras", "--train", "all,head", "--epochs", 2)
    status, out, err = run(*words)
    assert (status, out) == (1, "")
    assert "'head' must train what 'all' does, and more" in err
