// Rows of a table: how many, under which conditions; a look at the first, and the file.
import { api } from "./api.js";
import { field, h } from "./dom.js";
import { problem } from "./notices.js";
import { download } from "./tiles.js";
import { count, number, span } from "./words.js";

const SHOWN = 20; // rows

/** Fill the view for models of tables; the first of them is chosen. */
export async function showRows(view, models) {
  if (view.querySelector("form")) return;
  const model = await api.model(models[0].id);
  const rows = h("input", { type: "number", id: "rows-count", min: 1, max: model.most, step: 1, value: 100, required: true });
  const where = h("input", { type: "text", id: "rows-where", autocomplete: "off", placeholder: "age>60, sex=F" });
  const seed = h("input", { type: "number", id: "rows-seed", min: 0, step: 1, placeholder: "any" });
  const balance = h("select", { id: "rows-balance" }, h("option", { value: "" }, "none"), model.columns.filter(({ type }) => ["category", "boolean"].includes(type)).map(({ name }) => h("option", { value: name }, name)));
  const chosen = h("select", { id: "rows-model" }, models.map(({ id }) => h("option", { value: id }, id)));
  const results = h("div.stack", { id: "tables" }, h("div.empty", {}, h("h2", {}, "How many rows?"), h("p", {}, `${model.id} has ${count(model.columns.length, "column")}: ${model.columns.map(({ name }) => name).join(", ")}.`)));
  const go = h("button.primary", { type: "submit" }, "Make rows");
  const form = h(
    "form.panel.stack", { ariaLabel: "What rows to make", onsubmit: (event) => { event.preventDefault(); make(form, go, results); } },
    field("Rows", rows), field("Where", where, { hint: "Conditions that every row meets, with commas between them." }),
    field("Balance", balance, { hint: "A column whose values are to be equally frequent." }),
    models.length > 1 && field("Model of a table", chosen), field("Seed of the rows", seed), go,
  );
  form.values = () => ({
    model: models.length > 1 ? chosen.value : model.id, rows: Number(rows.value),
    where: where.value.split(",").map((part) => part.trim()).filter(Boolean),
    ...(balance.value && { balance: balance.value }), ...(seed.value !== "" && { seed: Number(seed.value) }),
  });
  view.replaceChildren(h("h1.hidden-label", {}, "Make rows"), form, results);
}

async function make(form, go, results) {
  go.disabled = true;
  try {
    const reply = await api.rows(form.values());
    results.replaceChildren(made(reply));
  } catch (error) {
    results.prepend(problem(error));
  } finally {
    go.disabled = false;
  }
}

function made(reply) {
  const shown = reply.data.slice(0, SHOWN);
  const align = (name) => (reply.data.some((row) => typeof row[name] === "number") ? ".number" : "");
  return h(
    "article.panel.stack", { ariaLabel: "Rows", dataset: { id: reply.id } },
    h("div.between", {}, h("h2", {}, count(reply.data.length, "row")), h("button", { type: "button", onclick: () => download(reply.id, "csv") }, "Download CSV")),
    h(
      "div.scroll", { tabIndex: 0, role: "region", ariaLabel: `The first ${shown.length} rows` },
      h(
        "table", {},
        h("thead", {}, h("tr", {}, reply.columns.map((name) => h(`th${align(name)}`, { scope: "col" }, name)))),
        h("tbody", {}, shown.map((row) => h("tr", {}, reply.columns.map((name) => h(`td${align(name)}`, {}, cell(row[name])))))),
      ),
    ),
    reply.told.length > 0 && h("p.small.warn", {}, reply.told.join(" · ")),
    h("p.soft.small", {}, `${reply.model} · seed ${reply.seed} · ${number(reply.record.drawn)} drawn · ${span(reply.spent.computed)}`),
  );
}

const cell = (value) => (value === null ? "–" : String(value));
