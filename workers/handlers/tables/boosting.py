"""LightGBM, as `training.py` needs it: a forest that grows round by round and can go on from an earlier one."""

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from workers import Failed
from workers.handlers.tables.plan import Plan
from workers.handlers.tables.table import Table

try:
    import lightgbm
    from lightgbm import Booster
except OSError as error:  # its library needs the system's OpenMP, which small images lack
    raise Failed(
        f"LightGBM cannot be loaded; Debian's package libgomp1 has what it needs: {error}", "unavailable"
    ) from error

Measured = tuple[str, float, bool]
"""Name, value, and whether a higher one is better."""

AfterRound = Callable[[Booster, list[Measured]], bool]

SETTLED: Final[dict[str, Any]] = {"verbosity": -1, "deterministic": True, "force_row_wise": True, "seed": 0}
"""The same data and parameters make the same model."""


class Forest:
    """Of a table; of its rows a share is held back to validate with, the same at each attempt."""

    def __init__(self, learnt: Table, plan: Plan, threads: int) -> None:
        classes = {"num_class": len(learnt.target.categories)} if plan.objective == "multiclass" else {}
        self._parameters = SETTLED | plan.parameters | classes | {"objective": plan.objective, "num_threads": threads}
        held = np.random.default_rng(0).random(len(learnt.wanted)) < plan.validation_share
        self._training = lightgbm.Dataset(
            learnt.matrix[~held],
            learnt.wanted[~held],
            feature_name=_names(learnt),
            categorical_feature=learnt.categorical,
            params=self._parameters,
            free_raw_data=False,  # what goes on from a model needs it
        )
        self._sets = [self._training]
        if held.any():
            self._sets.append(self._training.create_valid(learnt.matrix[held], learnt.wanted[held]))

    def grow(self, rounds: int, model: str | None, after_round: AfterRound) -> Booster:
        """So many rounds more, or until `after_round` says no. Raises Failed for parameters that do not go together."""

        def call(env: lightgbm.callback.CallbackEnv) -> None:
            results = env.evaluation_result_list or []
            measured = [(f"{r.dataset_name}.{r.metric_name}", r.metric_value, r.maximize) for r in results]
            assert isinstance(env.model, Booster)
            if not after_round(env.model, measured):
                raise lightgbm.EarlyStopException(env.iteration, results)

        try:
            return lightgbm.train(
                self._parameters,
                self._training,
                num_boost_round=rounds,
                valid_sets=self._sets,
                valid_names=["train", "valid"][: len(self._sets)],
                init_model=loaded(model) if model else None,
                callbacks=[call],
                keep_training_booster=True,
            )
        except lightgbm.basic.LightGBMError as error:
            raise Failed(f"LightGBM refuses it: {error}", code="training_failed") from error


def loaded(model: str) -> Booster:
    """A model from its text."""
    return Booster(model_str=model)


def rounds_of(model: str) -> int:
    """How many it has."""
    return loaded(model).current_iteration()


def _names(learnt: Table) -> list[str]:
    """Its own, without the characters that LightGBM's file cannot hold; numbered, so that they stay different."""
    return [re.sub(r"\W", "_", feature.name) + f".{n}" for n, feature in enumerate(learnt.features)]
