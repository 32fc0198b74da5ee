"""Technical documentation on the headings of Annex XI, and information for downstream providers on those of Annex XII.

Regulation (EU) 2024/1689, Article 53(1), points (a) and (b).
"""

from __future__ import annotations

import shlex

from ornstein.guard.documents import answers as say
from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import Answer, Item, Page, Section, Table, not_stated
from ornstein.recipes.recipe import Recipe

LAW = "Regulation (EU) 2024/1689 (AI Act)"
INDICATION = "10^23"
"""Floating-point operations of training from which a model that generates language, or images or video from text, is
indicated to be of general purpose: Commission guidelines of 18 July 2025, C(2025) 5045."""


def documentation(known: Known) -> Page:
    """Annex XI."""
    return Page(
        f"Technical documentation of {known.name}",
        (f"On the headings of Annex XI, {LAW}, Article 53(1), point (a).", _scope(known)),
        (
            Section("Section 1. Information to be provided by all providers of general-purpose AI models"),
            Section("1. General description", _general(known), level=3),
            Section(
                "2. Elements of the model and process of its development",
                (
                    _item("(a) technical means required for integration in AI systems", *_means(known)),
                    _item("(b) design specifications of the model and training process", *_design(known)),
                    _item("(c) data used for training, testing and validation", *say.data(known)),
                    _item("(c) methods to detect identifiable biases", *say.bias(known)),
                    _item("(d) computational resources used to train the model", *say.compute(known)),
                    _item("(e) known or estimated energy consumption", *say.energy(known)),
                ),
                level=3,
            ),
            Section(
                "Section 2. Additional information to be provided by providers of general-purpose AI models with "
                "systemic risk",
                (
                    _item("1. evaluation strategies and results", *say.measurements(known)),
                    _item("1. likely copies of training pictures", *say.copying(known)),
                    *(
                        _item(f"1. audit: {e.kind} ({e.file}, sha256 {e.sha256})", e.table())
                        for e in known.evidence
                    ),
                    _item("1. limitations identified", *say.limits(known)),
                    _item(
                        "2. adversarial testing",
                        say.stated(known.about.training.adversarial, "training.adversarial"),
                    ),
                    _item("2. model adaptations", *_adaptations(known)),
                    _item("3. system architecture", *_system(known)),
                ),
            ),
        ),
    )


def downstream(known: Known) -> Page:
    """Annex XII."""
    return Page(
        f"Information on {known.name} for downstream providers",
        (f"On the headings of Annex XII, {LAW}, Article 53(1), point (b).", _scope(known)),
        (
            Section(
                "1. General description",
                (
                    _item("(a) tasks, and AI systems into which it can be integrated", *say.tasks(known)),
                    _item("(b) acceptable use policies applicable", *say.acceptable_use(known)),
                    _item("(c) date of release and methods of distribution", *say.release(known)),
                    _item(
                        "(d) interaction with hardware or software that is not part of the model",
                        *_hosts(known),
                    ),
                    _item("(e) versions of relevant software", *say.software(known)),
                    _item("(f) architecture and number of parameters", say.architecture(known)),
                    _item("(g) modality and format of inputs and outputs", *say.formats(known)),
                    _item("(h) licence for the model", *say.licence(known)),
                ),
            ),
            Section(
                "2. Elements of the model and process of its development",
                (
                    _item("(a) technical means required for integration into AI systems", *_means(known)),
                    _item("(b) modality, format and maximum size of inputs and outputs", *say.formats(known)),
                    _item("(c) data used for training, testing and validation", *say.data(known)),
                ),
            ),
        ),
    )


def _item(label: str, *answers: Answer) -> Item:
    return Item(label, answers)


def _scope(known: Known) -> str:
    flops = known.effort("flops")
    recorded = say.operations(flops) if flops is not None else "not recorded in this bundle"
    return (
        "Whether this is a general-purpose AI model is for its provider to judge. The Commission's guidelines of 18 "
        f"July 2025 take more than {INDICATION} floating-point operations of training as an indication; here they are: "
        f"{recorded}. Fields that neither the bundle nor the provider answers are marked as missing."
    )


def _general(known: Known) -> tuple[Item, ...]:
    return (
        _item("(a) tasks, and AI systems in which it can be integrated", *say.tasks(known)),
        _item("(b) acceptable use policies applicable", *say.acceptable_use(known)),
        _item("(c) date of release and methods of distribution", *say.release(known)),
        _item("(d) architecture and number of parameters", say.architecture(known)),
        _item("(e) modality and format of inputs and outputs", *say.formats(known)),
        _item("(f) licence", *say.licence(known)),
    )


def _means(known: Known) -> tuple[Answer, ...]:
    classes = known.recipe.condition.names if known.recipe.condition.kind == "classes" else ("WHAT TO DRAW",)
    prompt = "" if known.recipe.condition.kind == "nothing" else classes[0]
    return (
        f"From a command line: ornstein generate {shlex.quote(prompt)} --model {known.argument}. From Python: "
        f"ornstein.load({known.name!r}). Where it has no such name, its folder stands in for it.",
        *say.software(known),
    )


def _hosts(known: Known) -> tuple[Answer, ...]:
    peak = known.measured("cost of a thousand", "peak_megabytes")
    machine = known.measured("cost of a thousand", "machine")
    used = (
        (f"Generating took at most {peak:,.0f} MB of memory on: {machine}.",)
        if isinstance(peak, int | float)
        else ()
    )
    return "PyTorch computes it, on a processor or a GPU; nothing is fetched while it runs.", *used


def _design(known: Known) -> tuple[Answer, ...]:
    recipe = known.recipe
    if not isinstance(recipe, Recipe):
        return (
            f"Published elsewhere as a {recipe.source.pipeline}; its training is not recorded in the folder.",
            not_stated("training.rationale") if known.about.training.rationale is None
            else known.about.training.rationale,
        )  # fmt: skip
    training, objective = recipe.training, recipe.objective
    stages = "; ".join(
        f"{s.size} pixels, {s.batch} pictures a step, share {s.share:g}" for s in training.stages
    )
    rows = (
        ("path from data to noise", recipe.process.path.kind),
        ("the network is asked for", recipe.process.target),
        ("optimised", f"squared error of {objective.weight}, weight at most {objective.cap:g}"),
        ("noise levels of training", objective.times.kind),
        ("rows trained without a condition", f"{objective.dropout:g}"),
        ("learning rate of hidden matrices (Muon)", f"{recipe.optimiser.muon:g}"),
        ("learning rate of other weights (AdamW)", f"{recipe.optimiser.adamw:g}"),
        ("stages", stages),
        ("samples planned", f"{training.samples:,}"),
        ("averaging of weights, half-life in samples", f"{training.ema[0]:,}"),
        ("seed", str(training.seed)),
        ("sampler", f"{recipe.sampling.sampler}, {recipe.sampling.steps} steps"),
        ("guidance", f"{recipe.sampling.guidance:g}"),
    )
    return (
        "Denoising diffusion: the network learns to restore pictures from known amounts of noise. The whole resolved "
        "recipe stands in model.json.",
        Table(("choice", "value"), rows),
        say.stated(known.about.training.rationale, "training.rationale"),
    )


def _adaptations(known: Known) -> tuple[Answer, ...]:
    if known.published:
        return (f"Imported without change from {known.published.source.name}.",)
    if known.started_from:
        return (f"Training continued from the bundle {known.started_from}.",)
    return ("None recorded: training began with fresh weights.",)


def _system(known: Known) -> tuple[Answer, ...]:
    steps = ["the policy's rules on the prompt"]
    steps += ["the encoder of the condition"] if known.recipe.condition.kind != "nothing" else []
    steps += ["the network, once or twice a step of the sampler", "the codec, from samples to pixels"]
    steps += ["the policy's checks of the picture"]
    publish = known.policy.publish
    steps += ["signed Content Credentials"] if publish.credentials else []
    return (f"In order: {'; '.join(steps)}. Any part that is missing or fails refuses the request.",)
