"""Settings of Keras's optimizers that have one value here."""

from collections.abc import Mapping
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


def own_settings(config: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the settings of Keras that the optimizers have here.

    Args:
        config: The settings by name.
        kind: The class of the optimizer, for messages.

    Raises:
        ValueError: A setting that can only be switched off is on.
    """
    for name, off in SWITCHED_OFF.items():
        if config.get(name, off) != off:
            raise ValueError(f"{kind} has no {name} here, got {name}={config[name]!r:.100}")
    ignored = {*SWITCHED_OFF, *ONLY_IN_KERAS}
    return {name: value for name, value in config.items() if name not in ignored}
