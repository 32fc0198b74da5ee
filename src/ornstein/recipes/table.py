"""The recipe of tables: numbers on a Gaussian path, categories on a masked one, each column in its own clock."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ornstein.codec.table import TableCodec
from ornstein.config import Config, changes
from ornstein.denoise.algebra import TargetName
from ornstein.net.columns import ColumnsConfig
from ornstein.process.gaussian import Flow, GaussianPath
from ornstein.process.masked import Masked
from ornstein.recipes.recipe import OptimiserSection, Stage, TrainedRecipe, TrainingSection


class TableData(Config):
    """What is known of the training table besides how it is coded.

    Attributes:
        rows: it had. salt: of the hashes of rows in the bundle's manifest, in hexadecimal;
            itself a hash of the whole table.
        repeats: share of rows that have an equal one before them.
        licence: SPDX identifier, or a LicenseRef. holder: of the rights.
    """

    rows: int = Field(default=0, ge=0)
    salt: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    repeats: float = Field(default=0.0, ge=0, le=1)
    licence: str = "LicenseRef-Own"
    holder: str = ""


class TableProcess(Config):
    """How each field is destroyed.

    Attributes:
        numbers, kinds: paths of the two fields. target: what the network is asked of numbers.
        clocks: "learned" gives each column a schedule of its own, so that it is lost evenly; "shared" does not.
    """

    numbers: GaussianPath = Flow()
    kinds: Masked = Masked()
    target: TargetName = "v"
    clocks: Literal["learned", "shared"] = "learned"


class TableObjective(Config):
    """What is minimised.

    Attributes:
        weight: in which quantity the squared error of numbers counts. cap: largest weight.
        given: share of rows of which a random part of the columns is given, as conditions and imputation give it.
        earliest: time nearest to data that is trained at.
    """

    weight: Literal["x", "eps", "v", "flow"] = "v"
    cap: float = Field(default=400.0, gt=0)
    given: float = Field(default=0.25, ge=0, le=1)
    earliest: float = Field(default=0.01, gt=0, lt=1)


class TableSampling(Config):
    """Defaults of ``generate``: methods of numbers and of categories, and steps of both."""

    numbers: str = "dpmpp-2m"
    kinds: str = "unmask"
    steps: int = Field(default=50, ge=1, le=1000)


class TableRecipe(TrainedRecipe):
    """Everything that makes a model of a table the model it is."""

    kind: Literal["table"] = "table"
    data: TableData = TableData()
    codec: TableCodec = TableCodec()
    network: ColumnsConfig = ColumnsConfig()
    process: TableProcess = TableProcess()
    objective: TableObjective = TableObjective()
    optimiser: OptimiserSection = OptimiserSection(
        muon=0.0, adamw=2e-3, warmup=10_000, decay=0.7, weight_decay=0.01
    )
    training: TrainingSection = TrainingSection(
        samples=1_000_000,
        stages=(Stage(batch=512),),
        ema=(40_000, 120_000),
        compile=False,
        sample_samples=10**12,
    )
    sampling: TableSampling = TableSampling()

    @property
    def identity(self) -> list[Any]:
        codec = self.codec.model_dump(mode="json")
        return [codec, changes(self.network), changes(self.process), changes(self.sampling)]

    @property
    def items(self) -> str:
        return "rows"

    @property
    def extent(self) -> str:
        return f"{len(self.codec.columns)} columns"

    @property
    def summary(self) -> str:
        names = ", ".join(column.name for column in self.codec.columns[:8])
        return f"makes rows of a table with {self.extent} ({names} …)"

    @property
    def use(self) -> str:
        return (
            "Rows like those of the training table, for developing and testing where the table itself may not be "
            "shared, for filling gaps, and for more rows of rare kinds. Not for decisions on single people, and not as "
            "a release that is anonymous by itself: measure it first (ornstein evaluate)."
        )

    @property
    def limits(self) -> tuple[str, ...]:
        dropped = f"Left out of the table: {', '.join(self.codec.dropped)}. " if self.codec.dropped else ""
        return (
            f"{dropped}Rows are generated independently: links between rows, and order in time, are not kept.",
            "This file holds quantiles and category names of the training table, its smallest and largest values among "
            "them, and a salted hash of every row: whoever has the file can test whether a row they know was in it.",
        )


def table() -> TableRecipe:
    """The recipe of a table; its name, data and codec are filled in from the file."""
    return TableRecipe(name="table")
