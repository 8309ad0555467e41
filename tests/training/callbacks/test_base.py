"""Callbacks: early stopping, lower rates, checkpoints, logs, and what a resumed run needs of them."""

from types import SimpleNamespace

import numpy as np
import pytest

import xception
from xception.training.callbacks.base import Callback, CallbackList
from xception.training.callbacks.csv_log import CSVLogger
from xception.training.callbacks.history import History
from xception.training.callbacks.monitoring import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from xception.training.objectives.metrics import get_metric
from xception.training.optimization.optimizers import SGD
from xception.training.optimization.schedules import CosineDecay

NAN = float("nan")


class Model:
    """A model whose only weight is the number of its epoch."""

    def __init__(self):
        self.weights = [0]

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)

    def save(self, path):
        with open(path, "w") as stream:
            stream.write(str(self.weights))

    save_weights = save


def make_trainer(optimizer=None):
    return SimpleNamespace(
        model=Model(), optimizer=optimizer or SGD(1.0), metrics=[get_metric("accuracy")], stop_training=False
    )


def run(callbacks, figures, name="val_loss", trainer=None):
    """Run an epoch for each figure, as a trainer does; return the trainer and the epochs that were run."""
    trainer = trainer or make_trainer()
    listed = CallbackList(callbacks, trainer, ["loss", "accuracy", "val_loss", "val_accuracy"])
    listed.on_train_begin()
    epoch = 0
    for epoch, value in enumerate(figures):
        listed.on_epoch_begin(epoch)
        trainer.model.weights = [epoch]
        listed.on_epoch_end(epoch, {"loss": 1.0, name: value})
        if trainer.stop_training:
            break
    listed.on_train_end()
    return trainer, epoch + 1


@pytest.mark.parametrize(
    ("settings", "figures", "epochs"),
    [
        ({"patience": 2}, [3, 2, 2, 2, 1], 4),  # equal is no improvement
        ({"patience": 2}, [3, 2, 2.5, 1, 1, 1, 1], 6),
        ({"patience": 0}, [3, 2, 2.5, 1], 3),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 0], 2),
        ({"patience": 1, "min_delta": -0.5}, [3, 2.4, 2.2, 0], 3),
        ({"patience": 2, "baseline": 1.0}, [3, 2, 2.5, 0], 3),  # the baseline is not reached
        ({"patience": 1, "start_from_epoch": 3}, [1, 2, 3, 4, 5, 6], 5),
        ({"patience": 2}, [NAN, NAN, 3, 2, NAN, NAN, NAN], 2),
        ({"patience": 3}, [NAN, NAN, 3, 2, NAN, NAN, NAN, 1], 7),
    ],
)
def test_training_ends_after_epochs_without_improvement(settings, figures, epochs):
    assert run([EarlyStopping(verbose=0, **settings)], figures)[1] == epochs


def test_the_best_epoch_is_kept_also_when_epochs_run_out(capsys):
    stopping = EarlyStopping(patience=10)
    trainer, _ = run([stopping], [3, 1, 2, 1, 4])
    assert trainer.model.weights == [1]  # of equal ones the first
    assert stopping.best_epoch == 1
    assert "val_loss was best in epoch 2, 1; the model has its weights" in capsys.readouterr().err


def test_the_message_says_when_training_was_ended(capsys):
    trainer, _ = run([EarlyStopping("val_accuracy", patience=1)], [0.5, 0.75, 0.7], "val_accuracy")
    assert trainer.model.weights == [1]
    assert capsys.readouterr().err == (
        "ended after epoch 3: val_accuracy was best in epoch 2, 0.75; the model has its weights\n"
    )


def test_a_figure_that_is_not_a_number_is_never_the_best():
    trainer, _ = run([EarlyStopping(patience=9, verbose=0)], [NAN, 3, NAN])
    assert trainer.model.weights == [1]
    trainer, _ = run([EarlyStopping(patience=9, verbose=0)], [NAN, NAN])
    assert trainer.model.weights == [1]  # nothing to go back to


def test_the_last_weights_stay_if_asked_for(capsys):
    trainer, _ = run([EarlyStopping(patience=9, restore_best_weights=False)], [1, 2, 3])
    assert trainer.model.weights == [2]
    assert "the model has the weights of the last epoch" in capsys.readouterr().err


def rates(settings, figures, name="val_loss"):
    """Return the learning rate after each epoch."""
    trainer, history = make_trainer(), History()
    run([history, ReduceLROnPlateau(**settings)], figures, name, trainer)
    return [*history.history["learning_rate"][1:], trainer.optimizer.learning_rate]


@pytest.mark.parametrize(
    ("settings", "figures", "expected"),
    [
        ({"patience": 2}, [3, 3, 3, 3, 3], [1, 1, 0.1, 0.1, 0.01]),
        ({"patience": 0}, [3, 3, 3], [1, 0.1, 0.01]),
        ({"patience": 1}, [3, 3, 3], [1, 0.1, 0.01]),
        ({"patience": 1}, [3, 2.99995, 2], [1, 0.1, 0.1]),  # 1e-4 absolute
        ({"patience": 1}, [3000, 2999.9], [1, 1]),
        ({"patience": 1, "cooldown": 3}, [3, 3, 3, 3, 3, 3], [1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ({"patience": 1, "cooldown": 1}, [3, 3, 3], [1, 0.1, 0.01]),
        ({"patience": 1, "factor": 0.5, "min_lr": 0.3}, [3, 3, 3, 3], [1, 0.5, 0.3, 0.3]),
        ({"patience": 1}, [NAN, 3, NAN, 3], [0.1, 0.1, 0.01, 0.001]),
    ],
)
def test_the_rate_is_lowered_after_flat_epochs(settings, figures, expected):
    assert rates(settings, figures) == pytest.approx(expected)


def test_a_rising_figure_is_better_where_the_metric_says_so():
    assert rates({"monitor": "val_accuracy", "patience": 1}, [0.5, 0.6, 0.6], "val_accuracy") == [1, 1, 0.1]


def test_a_schedule_and_a_plateau_are_refused_before_the_start():
    with pytest.raises(TypeError, match="cannot change a learning rate that CosineDecay gives"):
        run([ReduceLROnPlateau()], [], trainer=make_trainer(SGD(CosineDecay(0.1, 10))))


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            EarlyStopping("val_acc"),
            "EarlyStopping monitors 'val_acc', which is not in the logs; they have loss",
        ),
        (ReduceLROnPlateau("auc"), "ReduceLROnPlateau monitors 'auc', which is not in the logs"),
        (ModelCheckpoint("m.keras", "auc", save_best_only=True), "ModelCheckpoint monitors 'auc'"),
    ],
)
def test_a_figure_that_there_is_not_is_refused_before_the_start(callback, message):
    with pytest.raises(ValueError, match=message):
        run([callback], [])


def test_monitoring_validation_without_validation_data_says_what_is_needed():
    with pytest.raises(ValueError, match="'val_loss', which is not in the logs: it needs validation data"):
        CallbackList([EarlyStopping()], make_trainer(), ["loss", "accuracy"])


def test_a_figure_without_a_known_direction_needs_a_mode():
    with pytest.raises(ValueError, match="pass mode='max' or mode='min'"):
        CallbackList([EarlyStopping("val_mine")], make_trainer(), ["val_mine"])
    CallbackList([EarlyStopping("val_mine", mode="max")], make_trainer(), ["val_mine"])


def test_checkpoints_of_every_epoch_and_of_the_best(tmp_path):
    every = ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}.keras")
    best = ModelCheckpoint(tmp_path / "best.weights.h5", save_best_only=True, save_weights_only=True)
    run([every, best], [NAN, 3, 2, 4])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "01-nan.keras", "02-3.0.keras", "03-2.0.keras", "04-4.0.keras", "best.weights.h5",
    ]  # fmt: skip
    assert (tmp_path / "best.weights.h5").read_text() == "[2]"


def test_a_checkpoint_must_improve_on_its_threshold(tmp_path):
    path = tmp_path / "best.keras"
    run([ModelCheckpoint(path, save_best_only=True, initial_value_threshold=2)], [3, 2])
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"filepath": "m.h5"}, ValueError, "filepath must end in .keras"),
        ({"filepath": "m.keras", "save_weights_only": True}, ValueError, "filepath must end in .weights.h5"),
        (
            {"filepath": "{epoch}-{top5}.keras"},
            ValueError,
            "cannot be filled in: 'top5'; there are epoch",
        ),
        ({"filepath": "{}.keras"}, ValueError, "cannot be filled in"),
        ({"filepath": "nowhere/m.keras"}, FileNotFoundError, "there is no such folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_before_the_start(arguments, error, message):
    with pytest.raises(error, match=message):
        run([ModelCheckpoint(**arguments)], [])


def test_checkpoints_are_models_that_load(small_classifier, tmp_path):
    trainer = make_trainer()
    trainer.model = xception.load_model(small_classifier)
    listed = CallbackList([ModelCheckpoint(tmp_path / "m.keras")], trainer, ["loss"])
    listed.on_train_begin()
    listed.on_epoch_end(0, {"loss": 1.0})
    for ours, saved in zip(
        trainer.model.get_weights(), xception.load_model(tmp_path / "m.keras").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, saved)


def test_a_log_has_a_line_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    run([CSVLogger(path)], [0.5, 0.25])
    assert path.read_text() == "epoch,loss,val_loss\n0,1.0,0.5\n1,1.0,0.25\n"
    run([CSVLogger(path, separator=";")], [0.125])
    assert path.read_text() == "epoch;loss;val_loss\n0;1.0;0.125\n"


def test_a_log_holds_the_learning_rate_whatever_the_order(tmp_path):
    run([CSVLogger(tmp_path / "log.csv"), ReduceLROnPlateau()], [0.5])
    assert (tmp_path / "log.csv").read_text().startswith("epoch,learning_rate,loss,val_loss\n0,1.0,")


def test_a_second_run_appends_to_a_log_if_asked_for(tmp_path):
    path = tmp_path / "log.csv"
    run([CSVLogger(path)], [0.5])
    run([CSVLogger(path, append=True)], [0.25])
    assert path.read_text() == "epoch,loss,val_loss\n0,1.0,0.5\n0,1.0,0.25\n"


def test_a_log_is_not_appended_to_another_file(tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("name,age\n")
    with pytest.raises(ValueError, match="is not a log of training; its first column is 'name'"):
        run([CSVLogger(path, append=True)], [1])
    assert path.read_text() == "name,age\n"


def test_a_callback_of_one_s_own_sees_the_trainer_and_the_model():
    seen = []

    class Own(Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs))

        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.get_weights())
            self.trainer.stop_training = True

    trainer = make_trainer()
    listed = CallbackList([Own()], trainer, ["loss"])
    listed.on_train_batch_end(3, {"loss": 2.0})
    listed.on_epoch_end(0, {})
    assert seen == [(3, {"loss": 2.0}), [0]]
    assert trainer.stop_training


def test_what_is_no_callback_is_refused():
    with pytest.raises(TypeError, match=r"derived from xception\.training\.Callback, got <function"):
        CallbackList([lambda epoch: None], make_trainer(), [])
