"""What documents say in words: each fact as one answer, said the same way wherever a template asks for it."""

from __future__ import annotations

from ornstein.guard.documents.facts import Known
from ornstein.guard.documents.page import NOT_RECORDED, Answer, Missing, Table, not_measured, not_stated
from ornstein.limits import LARGEST
from ornstein.recipes.recipe import Recipe

MEANINGS = {
    "fdr": "Fréchet distance of generated pictures to those trained on, divided by that of unseen real ones; 1 is real",
    "fd": "the same distance, undivided; lower is better",
    "kid": "kernel distance with a polynomial kernel, in thousandths; lower is better",
    "mmd": "kernel distance with a Gaussian kernel, in thousandths; lower is better",
    "precision": "share of generated pictures that lie among real ones",
    "recall": "share of real pictures that lie among generated ones",
    "density": "precision, hardened against outliers",
    "coverage": "recall, hardened against outliers",
    "vendi": "how many really different pictures there are; best is what real ones have",
    "alignment": "likeness of picture and prompt",
    "prompt-r1": "share of pictures whose prompt is found first among all prompts",
    "prompt-r5": "share of pictures whose prompt is found among the first five",
    "style": "share of pictures nearest to the style that was asked for",
    "class": "share of pictures in which a classifier sees the class that was asked for",
    "tstr": "accuracy on real pictures of a classifier trained on generated ones",
    "tstr-both": "accuracy on real pictures of a classifier trained on generated and real ones",
    "colour": "share of pictures that have the colour that was asked for",
    "background": "share of pictures with clear corners",
}
MANIFEST_UNREAD = Missing("not read; run: pip install 'ornstein[data]', and build again")


def stated(value: object, key: str) -> Answer:
    """What the provider said, or which key would say it."""
    return not_stated(key) if value is None or value == () else str(value)


def several(values: tuple[str, ...], key: str) -> tuple[Answer, ...]:
    """A list that the provider gave."""
    return values or (not_stated(key),)


def provider(known: Known) -> tuple[Answer, ...]:
    """Name and contact details."""
    who = known.about.provider
    return (
        stated(who.name, "provider.name"), stated(who.contact, "provider.contact"),
        stated(who.address, "provider.address"),
    )  # fmt: skip


def identity(known: Known) -> str:
    """The model's name, version and fingerprint."""
    version = known.about.model.version
    return f"{known.name}{f' {version}' if version else ''}, fingerprint {known.bundle.fingerprint}"


def tasks(known: Known) -> tuple[Answer, ...]:
    """What it does, and what the provider means it for."""
    made = {
        "text to image": "It makes pictures from texts.",
        "class to image": "It makes pictures of named classes.",
    }
    what = made.get(known.task, "It makes pictures that nothing steers.")
    return (what, *several(known.about.model.intended, "model.intended"))


def acceptable_use(known: Known) -> tuple[Answer, ...]:
    """The provider's policy, and the one that Ornstein enforces."""
    return (
        stated(known.about.model.acceptable_use, "model.acceptable_use"),
        f"Enforced by Ornstein: the policy {known.policy.name}, sha256 {known.policy.hash}. Undressing, and sexual "
        "content with minors, are refused in code whatever a policy says.",
    )


def release(known: Known) -> tuple[Answer, ...]:
    """When and how."""
    model = known.about.model
    where = (f"Address: {model.url}",) if model.url else ()
    return stated(model.date, "model.date"), stated(model.distribution, "model.distribution"), *where


def licence(known: Known) -> tuple[Answer, ...]:
    """Of the model; of a published checkpoint what its folder says."""
    texts = known.published.source.licences.items() if known.published else ()
    said = tuple(f"{file} of the published folder says: {text}" for file, text in texts)
    own = known.about.model.licence
    return (own,) if own else said or (not_stated("model.licence"),)


def architecture(known: Known) -> str:
    """Network and number of weights."""
    facts = known.bundle.facts
    return f"A diffusion model: {known.recipe.network.summary}; {facts.parameters:,} weights, stored in {facts.dtype}."


def formats(known: Known) -> tuple[Answer, ...]:
    """Modality and format of inputs and outputs."""
    largest = known.published.network.largest if known.published else LARGEST
    return (
        f"Input: {known.input_format}.",
        f"Output: {known.output_format}; at most {largest} pixels a side.",
    )


def software(known: Known) -> tuple[Answer, ...]:
    """What runs it."""
    needs, encoder = ", ".join(known.requirements), known.bundle.facts.encoder
    return (
        f"Ornstein {known.bundle.facts.ornstein} wrote the bundle, of format {known.bundle.facts.format}.",
        *((f"It needs: {needs}.",) if needs else ()),
        *((f"Texts are encoded by all-MiniLM-L6-v2, sha256 {encoder}.",) if encoder else ()),
    )


def operations(count: float) -> str:
    """Floating-point operations, as people write large numbers: 6.93 x 10^15."""
    mantissa, exponent = f"{count:.2e}".split("e")
    return f"{mantissa} x 10^{int(exponent)}"


def compute(known: Known) -> tuple[Answer, ...]:
    """Operations, time, samples and hardware of the training."""
    flops, seconds, seen = (known.effort(name) for name in ("flops", "seconds", "seen"))
    if flops is None and seconds is None and seen is None:
        said: tuple[Answer, ...] = (NOT_RECORDED,)
    else:
        said = (
            NOT_RECORDED if flops is None
            else f"{operations(flops)} floating-point operations, counted as 6 x weights x tokens.",
            NOT_RECORDED if seconds is None else f"{seconds / 3600:.2f} hours of working time.",
            NOT_RECORDED if seen is None else f"{seen:,.0f} samples seen.",
        )  # fmt: skip
    start = (
        (f"Started from the bundle {known.started_from}; its share is counted in.",)
        if known.started_from
        else ()
    )
    return *said, *start, stated(known.about.training.hardware, "training.hardware")


def energy(known: Known) -> tuple[Answer, ...]:
    """Of the training as the provider knows it, and of generating as it was measured."""
    effort, flops = known.about.training, known.effort("flops")
    if effort.kilowatt_hours is not None:
        how = effort.how or "how this is known is not stated"
        training: tuple[Answer, ...] = (f"Training: {effort.kilowatt_hours:g} kWh ({how}).",)
    else:
        based = (
            f"It may be based on the {operations(flops)} floating-point operations that are recorded."
            if flops
            else ""
        )
        training = (not_stated("training.kilowatt_hours"), *((based,) if based else ()))
    watt_hours = known.measured("cost of a thousand", "watt_hours")
    if not isinstance(watt_hours, int | float):
        return *training, not_measured(f"ornstein evaluate {known.argument}")
    way = "measured" if known.measured("cost of a thousand", "energy_is_measured") else "estimated from time"
    return *training, f"Generating a thousand pictures: {watt_hours:.3g} Wh, {way}."


def origins(known: Known) -> Answer:
    """Whose pictures were learned from, under which licences."""
    if not known.origins:
        return NOT_RECORDED
    rows = tuple(
        (o.style or "-", o.holder or "-", o.licence or "none named", o.source, f"{o.trained:,}",
         f"{o.pictures - o.trained:,}")
        for o in known.origins
    )  # fmt: skip
    return Table(("set", "holder", "licence", "source", "trained on", "held out"), rows)


def data(known: Known) -> tuple[Answer, ...]:
    """Number, provenance and curation of training, testing and validation data."""
    told = known.bundle.facts.data
    if told is None:
        return (NOT_RECORDED,)
    splits = ", ".join(f"{count:,} {name}" for name, count in sorted(told.splits.items()))
    return (
        f"{told.pictures:,} pictures: {splits}. Held-out pictures were never trained on; the measurements use them.",
        f"Every picture stands in manifest.parquet with sha256, licence, holder and source; root hash {told.root}.",
        *curation(known),
        origins(known),
    )


def curation(known: Known) -> tuple[Answer, ...]:
    """What the recipe and the manifest record of choosing and cleaning."""
    said: list[Answer] = []
    if isinstance(known.recipe, Recipe):
        section = known.recipe.data
        said.append(f"Training refuses pictures of any licence but: {', '.join(section.licences)}.")
        if section.augment:
            said.append(
                f"Pictures were moved and scaled at random, by up to {section.augment:g} of their side."
            )
    return *said, *copies(known)


def copies(known: Known) -> tuple[Answer, ...]:
    """How many training pictures are there twice."""
    if known.manifest is None:
        return (MANIFEST_UNREAD if known.origins else NOT_RECORDED,)
    if known.manifest.copies:
        return (f"{known.manifest.copies:,} training pictures are byte for byte the same as another.",)
    return ("No two training pictures are byte for byte the same.",)


def bias(known: Known) -> tuple[Answer, ...]:
    """What is known of shares in the data; shares in outputs come from an audit."""
    if known.manifest is None:
        return (MANIFEST_UNREAD,) if known.origins else (NOT_RECORDED,)
    genders = ", ".join(f"{name} {count:,}" for name, count in known.manifest.genders.items())
    return (f"Training pictures with a recorded gender: {genders or 'none'}.",)


def measurements(known: Known) -> tuple[Answer, ...]:
    """The figures of the evaluation, as a table."""
    if not known.figures:
        return (not_measured(f"ornstein evaluate {known.argument}"),)
    rows = tuple(
        (f.name, f.features, f"{f.value:.3f}", f"{f.low:.3f} to {f.high:.3f}",
         "-" if f.real is None else f"{f.real:.3f}", f"{f.count:,}")
        for f in known.figures
    )  # fmt: skip
    return (
        f"Pictures were generated for the prompts of unseen real ones and compared with them ({known.evaluated_with}).",
        Table(("figure", "measured in", "generated", "95% interval", "unseen real", "pictures"), rows),
        *(
            f"{name}: {what}."
            for name, what in MEANINGS.items()
            if any(f.name == name for f in known.figures)
        ),
    )


def copying(known: Known) -> tuple[Answer, ...]:
    """How many generated pictures look like copies, beside how many unseen real ones do."""
    found = known.measured("copying")
    if not isinstance(found, dict) or not found:
        return (not_measured(f"ornstein evaluate {known.argument}"),)
    shares = {name: [_share(known, name, side) for side in ("flagged", "expected")] for name in found}
    rows = tuple((name, *both) for name, both in shares.items())
    return (Table(("features", "generated flagged as likely copies", "unseen real flagged"), rows),)


def _share(known: Known, features: str, side: str) -> str:
    value, low, high = (known.measured("copying", features, side, key) for key in ("value", "low", "high"))
    if not all(isinstance(number, int | float) for number in (value, low, high)):
        return "-"
    return f"{value:.2%} ({low:.2%} to {high:.2%})"


def limits(known: Known) -> tuple[str, ...]:
    """Of what was trained."""
    if not isinstance(known.recipe, Recipe):
        return ("What it learned from is not recorded in the published folder.",)
    sizes = sorted({stage.size for stage in known.recipe.training.stages})
    asked = (
        f"Prompts are read in English and cut to {known.recipe.condition.length} tokens."
        if known.recipe.condition.kind == "text"
        else f"It knows {len(known.recipe.condition.names)} classes and nothing else."
    )
    return f"Trained at {' and '.join(map(str, sizes))} pixels; other sizes are untested.", asked
