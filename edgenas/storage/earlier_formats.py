"""Upgrading documents written by earlier versions of edgenas to the current schema."""

from collections.abc import Mapping
from typing import Any

RUN_1 = "edgenas.run/1"


def is_of_earlier_format(content: object) -> bool:
    """Whether it is `run.json` of schema 1."""
    return isinstance(content, Mapping) and content.get("schema") == RUN_1


def upgraded_run(content: object) -> object:
    """Upgrade `run.json` from schema 1, which mixed settings with values derived from them, to schema 2.

    Searches before there were pretrained weights began from random ones, and before there were grey images took RGB
    ones, also in schema 2.

    What schema 1 lacked (width, squeeze-excite and activation as settings, class names) is left at its default; the
    space itself is complete.
    Any other document is returned unchanged.
    """
    if not isinstance(content, Mapping):
        return content
    return _before_some_settings(_of_schema_2(content) if is_of_earlier_format(content) else content)


def _of_schema_2(content: Mapping[str, Any]) -> Mapping[str, Any]:
    config = content.get("config")
    if not isinstance(config, Mapping) or not isinstance(config.get("device"), Mapping):
        return content
    kept = ("device", "table_checksum", "space", "supernet_recipe", "finalist_recipe", "warm_start")
    return {
        **content,
        "schema": "edgenas.run/2",
        "config": {
            "settings": {**_settings(config), "run": content.get("name")},
            **{key: config[key] for key in kept if key in config},
            "gradient_recipe": config.get("gradient"),
            "data": {"fingerprint": config.get("data_fingerprint")},
        },
    }


def _before_some_settings(content: Mapping[str, Any]) -> Mapping[str, Any]:
    config = content.get("config")
    settings = config.get("settings") if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping) or not isinstance(settings, Mapping):
        return content
    if "pretrained" not in settings:
        settings = _without_pretrained(settings)
    return {**content, "config": {**config, "settings": {"channels": 3, **settings}}}


def _without_pretrained(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from before there were pretrained weights; those of a supernet are set only where there is one."""
    unset = () if settings.get("evaluator", "supernet") == "supernet" else ("sampling", "distillation")
    kept = {name: value for name, value in settings.items() if name not in unset}
    return {**kept, "pretrained": "none"}


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    device, space = config["device"], config.get("space") or {}
    supernet, finalist = config.get("supernet_recipe") or {}, config.get("finalist_recipe") or {}
    gradient, warm_start = config.get("gradient") or {}, config.get("warm_start") or {}
    augmentation = [name for name, used in (supernet.get("augmentation") or {}).items() if used]
    budget_s = config.get("time_budget_s")
    same = (
        "data",
        "flip",
        "searcher",
        "evaluator",
        "metric",
        "evaluations",
        "finalists",
        "baselines",
        "seed",
    )
    return {
        "device": device.get("name"),
        **{key: device.get(key) for key in ("threads", "precision", "batch", "power_mode")},
        "max_latency": _quantity(config.get("max_latency_ms"), "ms"),
        **{key: config[key] for key in same if key in config},
        "objective": ",".join(config.get("objectives") or ("accuracy", "latency")),
        "time_budget": None if budget_s is None else _quantity(budget_s, "s"),
        "space": space.get("name"),
        "resolution": space.get("resolution"),
        "augment": ",".join(augmentation) or "none",
        "sampling": supernet.get("sampling", "anchored"),
        "distillation": finalist.get("distillation", 0.0),
        "gates": gradient.get("gates"),
        "latency_loss": gradient.get("latency_loss"),
        "warm_start": warm_start.get("name"),
    }


def _quantity(number: Any, unit: str) -> str:
    """A quantity with its unit; anything but a number is rejected later, when settings are checked."""
    return f"{number:.10g}{unit}" if isinstance(number, int | float) else f"{number}{unit}"
