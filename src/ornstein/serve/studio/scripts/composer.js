// What to draw: the form beside the stage.
import { choice, field, h, slider } from "./dom.js";
import { icon } from "./icons.js";

const DRAFT = "ornstein.draft";
const MOST_STEPS = 60, MOST_GUIDANCE = 12; // of the sliders; the API allows more
const SEEDS = 2 ** 32;
const TAKEN = ["style", "negative_prompt", "size", "num_inference_steps", "guidance_scale", "sampler", "output_format"];

export class Composer {
  /** `submit` is given the fields of a request; `bring` opens a picture file. */
  constructor(form, { submit, bring }) {
    this.form = form;
    this.bring = bring;
    this.locked = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.complete()) submit(this.values());
    });
    form.addEventListener("input", () => this.keep());
  }

  /** Show the fields of a model, of which the API tells what it can do. */
  show(models, model, samplers, choose) {
    const draft = this.kept();
    const settings = { ...model.defaults, sampler: "", ...(draft.model === model.id ? draft : { prompt: draft.prompt, negative_prompt: draft.negative_prompt }) };
    settings.size = parseInt(settings.size, 10); // "64x64" in a draft
    this.model = model;
    this.form.replaceChildren(
      ...(models.length > 1 ? [field("Model", this.#select("model", models.map((one) => [one.id, one.id]), model.id, (name) => choose(name)))] : []),
      this.#prompt(settings),
      ...(model.styles.length ? [choice("chips", "style", "Style", [["", "Any"], ...model.styles.map((name) => [name, name.replace(/ style$/, "")])], settings.style ?? "")] : []),
      h(
        "div.between", {},
        choice("segments", "n", "Pictures", ["1", "2", "4"].map((n) => [n, n]), String(settings.n ?? 4)),
        this.#size(model, settings),
      ),
      this.#more(samplers, settings),
      h("div.go", {}, h("button.primary", { type: "submit", id: "generate" }, icon("sparkle"), "Generate", h("kbd", { ariaHidden: "true" }, "Ctrl ↵"))),
    );
    this.#sync();
  }

  #prompt(settings) {
    const prompt = this.model.classes.length
      ? this.#select("prompt", this.model.classes.map((name) => [name, name]), settings.prompt)
      : h("textarea", { id: "prompt", name: "prompt", rows: 3, maxLength: 2000, value: settings.prompt ?? "", required: true, placeholder: "Say what to draw" });
    const file = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp", hidden: true, ariaLabel: "A picture to start from" });
    file.onchange = () => file.files[0] && (this.bring(file.files[0]), (file.value = ""));
    const bring = h("button.quiet.bring", { type: "button", id: "bring", onclick: () => file.click() }, icon("upload"), "Start from a picture");
    return h("div", {}, field("Prompt", prompt), h("div.row", {}, bring, file));
  }

  #size(model, settings) {
    const sizes = [...new Set([...(model.sizes ?? []), Number(settings.size)].filter(Boolean))].sort((a, b) => a - b);
    return sizes.length > 1 ? field("Size", this.#select("size", sizes.map((side) => [side, `${side} × ${side}`]), settings.size)) : h("span.soft.small.only", {}, `${sizes[0]} × ${sizes[0]} px`, h("input", { type: "hidden", name: "size", value: sizes[0] }));
  }

  #more(samplers, settings) {
    const negative = h("input", { type: "text", name: "negative_prompt", id: "negative", maxLength: 2000, value: settings.negative_prompt ?? "", placeholder: "what to keep out", autocomplete: "off" });
    const seed = h("input", { type: "text", name: "seed", id: "seed", inputMode: "numeric", pattern: "[0-9]*", maxLength: 16, value: settings.seed ?? "", placeholder: "another each time", autocomplete: "off" });
    const dice = h("button", { type: "button", id: "dice", ariaLabel: "Throw a new seed", title: "Throw a new seed", onclick: () => { seed.value = String(Math.floor(Math.random() * SEEDS)); this.#lock(true); } }, icon("dice"));
    this.lockButton = h("button", { type: "button", id: "lock", onclick: () => this.#lock(!this.locked) });
    seed.oninput = () => { seed.value = seed.value.replace(/\D/g, ""); this.#lock(seed.value !== ""); };
    this.locked = Boolean(settings.seed);
    return h(
      "details.more", { open: settings.more ?? false, ontoggle: () => this.keep() },
      h("summary", {}, "Settings"),
      h(
        "div.stack", {},
        field("Without", negative),
        field("Seed", seed, { around: h("div.with-buttons", {}, seed, dice, this.lockButton), hint: "The same seed and settings give the same picture." }),
        slider("Steps", "steps", { min: 1, max: Math.max(MOST_STEPS, settings.num_inference_steps), step: 1, value: settings.num_inference_steps, hint: "More is slower and finer." }),
        slider("Guidance", "guidance", { min: 1, max: Math.max(MOST_GUIDANCE, settings.guidance_scale), step: 0.25, value: settings.guidance_scale, hint: "How strongly the prompt steers; 1 is off." }),
        field("Sampler", this.#select("sampler", [["", "Best for these settings"], ...samplers.map(({ id, steps, summary }) => [id, steps.length ? `${id}, ${steps.join(" or ")} steps` : id, summary])], settings.sampler ?? "")),
        field("File", this.#select("output_format", [["png", "PNG"], ["webp", "WebP"], ["jpeg", "JPEG, no transparency"]], settings.output_format ?? "png")),
      ),
    );
  }

  #select(name, options, chosen, onchange = null) {
    return h(
      "select", { name, id: name === "model" ? "model-name" : name, onchange: onchange && ((event) => onchange(event.target.value)) },
      options.map(([value, text, title]) => h("option", { value, title, selected: String(value) === String(chosen) }, text)),
    );
  }

  #lock(locked) {
    const seed = this.form.elements.seed;
    if (locked && !seed.value) seed.value = String(this.last ?? Math.floor(Math.random() * SEEDS));
    if (!locked) seed.value = "";
    this.locked = locked;
    this.#sync();
    this.keep();
  }

  #sync() {
    this.lockButton.replaceChildren(icon(this.locked ? "lock" : "unlock"));
    this.lockButton.setAttribute("aria-pressed", String(this.locked));
    this.lockButton.ariaLabel = this.lockButton.title = this.locked ? "Seed kept: let it change" : "Keep the last seed";
  }

  /** Whether there is a prompt; else it says so and goes there. */
  complete() {
    const prompt = this.form.elements.prompt, empty = !prompt.value.trim();
    prompt.setAttribute("aria-invalid", String(empty));
    if (empty) prompt.focus();
    return !empty;
  }

  /** The fields of a generation, as the API names them. */
  values() {
    const { prompt, style, n, size, negative_prompt, seed, output_format, sampler } = this.form.elements;
    const values = {
      model: this.model.id, prompt: prompt.value.trim(), n: Number(n.value), size: `${size.value}x${size.value}`,
      num_inference_steps: Number(this.form.elements.steps.value), guidance_scale: Number(this.form.elements.guidance.value),
      output_format: output_format.value,
    };
    if (style?.value) values.style = style.value;
    if (negative_prompt.value.trim()) values.negative_prompt = negative_prompt.value.trim();
    if (seed.value) values.seed = Number(seed.value);
    if (sampler.value) values.sampler = sampler.value;
    return values;
  }

  /** Take over a picture's settings and seed. */
  fill({ model, prompt, settings }, seed) {
    const taken = Object.fromEntries(TAKEN.filter((name) => settings[name] != null).map((name) => [name, settings[name]]));
    const draft = { ...this.kept(), style: "", negative_prompt: "", sampler: "", ...taken, model, seed, more: true };
    sessionStorage.setItem(DRAFT, JSON.stringify({ ...draft, prompt: prompt ?? draft.prompt }));
  }

  kept() {
    try {
      return JSON.parse(sessionStorage.getItem(DRAFT)) ?? {};
    } catch {
      return {};
    }
  }

  keep() {
    const values = this.values();
    const draft = { ...values, more: this.form.querySelector("details").open };
    sessionStorage.setItem(DRAFT, JSON.stringify(draft));
  }
}
