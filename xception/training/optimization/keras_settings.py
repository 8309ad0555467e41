"""Settings of Keras's optimizers that have one value here."""

from typing import Any

#: What else Keras's `get_config` returns.
ONLY_IN_KERAS: dict[str, Any] = {
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
#: Settings of Keras that have only this value here.
SWITCHED_OFF = {
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "amsgrad": False,
}
