"""The kind `train`: gradient-boosted trees learnt from a table, with LightGBM.

In a process of its own, and what it needs is imported there only: see `report`. A checkpoint is saved now and then, so
that the next attempt goes on from it.
"""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from workers import Context, Input, job

Objective: TypeAlias = Literal["regression", "regression_l1", "huber", "quantile", "poisson", "binary", "multiclass"]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Weight: TypeAlias = Annotated[float, Field(ge=0, le=1e9)]


class Parameters(TypedDict, total=False):
    """Those of LightGBM that shape what is learnt; none that names a file or takes more of the machine."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]  # pydantic's own way to say it

    learning_rate: Share
    num_leaves: Annotated[int, Field(ge=2, le=4096)]
    max_depth: Annotated[int, Field(ge=-1, le=64)]
    max_bin: Annotated[int, Field(ge=2, le=1023)]
    min_data_in_leaf: Annotated[int, Field(ge=0, le=10_000_000)]
    min_sum_hessian_in_leaf: Weight
    min_gain_to_split: Weight
    feature_fraction: Share
    bagging_fraction: Share
    bagging_freq: Annotated[int, Field(ge=0, le=1000)]
    lambda_l1: Weight
    lambda_l2: Weight
    path_smooth: Weight
    cat_smooth: Weight
    cat_l2: Weight
    scale_pos_weight: Annotated[float, Field(gt=0, le=1e9)]
    is_unbalance: bool
    extra_trees: bool
    alpha: Annotated[float, Field(gt=0, le=1e9)]
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]


@job("train", timeout=24 * 3600, max_attempts=3, process=True)
def train(
    ctx: Context,
    *,
    data: Annotated[Input, Field(description="A table: Parquet, CSV or JSON.")],
    target: Annotated[str, Field(min_length=1, max_length=200, description="The column to learn.")],
    objective: Annotated[Objective, Field(description="What sort of value the target is.")] = "regression",
    rounds: Annotated[int, Field(ge=1, le=100_000, description="Trees to grow, for each class.")] = 200,
    validation_share: Annotated[float, Field(ge=0, le=0.9, description="Of the rows: held back, to judge by.")] = 0.2,
    early_stopping_rounds: Annotated[
        int | None, Field(ge=1, le=100_000, description="Stop when so many rounds brought nothing.")
    ] = None,
    parameters: Annotated[Parameters | None, Field(description="Of LightGBM, as learning_rate, num_leaves.")] = None,
) -> dict[str, Any]:
    """Learn to tell one column of a table from the others."""
    from workers.handlers.tables.plan import Plan  # noqa: PLC0415  see above
    from workers.handlers.tables.training import Training  # noqa: PLC0415

    plan = Plan(target, objective, rounds, validation_share, early_stopping_rounds, dict(parameters or {}))
    return Training(ctx, plan, data).result()
