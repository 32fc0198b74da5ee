// Texts: a prompt, with holes or without, and what was written, copied runs marked.
import { api } from "./api.js";
import { at, field, h, slider } from "./dom.js";
import { problem } from "./notices.js";
import { download } from "./tiles.js";
import { count, span } from "./words.js";

const HOLE = "[MASK*12]";
const OWN = 48; // tokens, unless the model's own length is less

/** Fill the view for models of text; the first of them is chosen. */
export async function showText(view, models) {
  if (view.querySelector("form")) return;
  const model = await api.model(models[0].id);
  const prompt = h("textarea", { id: "text-prompt", maxLength: 20000, required: true, placeholder: "How the text begins" });
  const hole = h("button.quiet", { type: "button", onclick: () => insert(prompt) }, "Insert a hole");
  const chosen = h("select", { id: "text-model", onchange: () => seed.focus() }, models.map(({ id }) => h("option", { value: id }, id)));
  const length = slider("New tokens", "text-length", { min: 1, max: model.context - 1, step: 1, value: Math.min(OWN, model.length) });
  const seed = h("input", { type: "number", id: "text-seed", min: 0, step: 1, placeholder: "any" });
  const results = h("div.stack", { id: "texts" }, h("div.empty", {}, h("h2", {}, "What shall we write?"), h("p", {}, "Begin a text, or leave holes in one."), examples(model, prompt)));
  const go = h("button.primary", { type: "submit" }, "Write");
  const form = h(
    "form.panel.stack", { ariaLabel: "What to write", onsubmit: (event) => { event.preventDefault(); write(form, go, results); } },
    field("Text", prompt, { hint: `${HOLE} is a hole of twelve tokens.` }), hole,
    models.length > 1 && field("Model of text", chosen), length, field("Seed", seed, { hint: "The same seed writes the same text." }), go,
  );
  form.values = () => ({
    model: models.length > 1 ? chosen.value : model.id, prompt: prompt.value, echo: true, n: 1,
    ...(!prompt.value.includes("[MASK") && { max_tokens: Number(at("text-length").value) }),
    ...(seed.value !== "" && { seed: Number(seed.value) }),
  });
  view.replaceChildren(h("h1.hidden-label", {}, "Write text"), form, results);
}

const examples = ({ examples }, prompt) =>
  h("div.row", {}, examples.slice(0, 4).map((text) => h("button", { type: "button", onclick: () => { prompt.value = text; prompt.focus(); } }, text)));

function insert(prompt) {
  prompt.setRangeText(HOLE, prompt.selectionStart, prompt.selectionEnd, "end");
  prompt.focus();
}

async function write(form, go, results) {
  go.disabled = true;
  try {
    const values = form.values(), reply = await api.complete(values);
    results.querySelector(".empty")?.remove();
    results.prepend(...reply.choices.map((choice) => written(choice, reply)));
  } catch (error) {
    results.prepend(problem(error));
  } finally {
    go.disabled = false;
  }
}

function written(choice, reply) {
  const file = h("button", { type: "button", onclick: () => download(choice.id, "txt") }, "Download");
  return h(
    "article.panel.stack", { ariaLabel: "Text", dataset: { id: choice.id } },
    h("p.written", {}, marked(choice)),
    choice.copied.length > 0 && h("p.small.soft", {}, `Marked: ${count(choice.copied.length, "run")} of eight words or more that stand in the training text.`),
    choice.told.length > 0 && h("p.small.warn", {}, choice.told.join(" · ")),
    h("div.between", {}, h("span.soft.small", {}, `${reply.model} · seed ${choice.seed} · ${span(reply.spent.computed)}`), file),
  );
}

/** The text with its copied runs in marks. The server counts characters, JavaScript halves of some. */
function marked({ text, copied }) {
  const letters = [...text], parts = [];
  let end = 0;
  for (const run of copied) {
    parts.push(letters.slice(end, run.start).join(""), h("mark", {}, letters.slice(run.start, run.end).join("")));
    end = run.end;
  }
  return [...parts, letters.slice(end).join("")];
}
