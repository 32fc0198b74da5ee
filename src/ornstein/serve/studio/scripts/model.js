// What a model is: its card, and what was measured.
import { api } from "./api.js";
import { h } from "./dom.js";
import { markdown } from "./markdown.js";
import { problem } from "./notices.js";
import { number } from "./words.js";

export async function showModel(view, name) {
  view.replaceChildren(h("h1", {}, "Model"), h("p.soft", {}, "Looking it up…"));
  try {
    const [model, card] = await Promise.all([api.model(name), api.card(name)]);
    const samplers = model.makes === "pictures" ? await api.samplers(name) : [];
    view.replaceChildren(
      h("h1", {}, model.id),
      figures(model),
      h("section.panel.stack", {}, cardOf(card)),
      samplers.length ? h("section.panel.stack", {}, h("h2", {}, "Samplers"), methods(samplers)) : "",
      await report(name),
    );
  } catch (error) {
    view.replaceChildren(h("h1", {}, "Model"), problem(error, () => showModel(view, name)));
  }
}

/** The card, a section after the other; measurements, which are long, are folded. */
function cardOf(text) {
  const [about, ...sections] = text.replace(/^# .*\n+/, "").split(/^## /m);
  return [
    markdown(about),
    sections.map((section) => {
      const [title] = section.split("\n", 1), rest = markdown(section.slice(title.length));
      return title === "Measurements" ? h("details.more", {}, h("summary", {}, title), rest) : [h("h2", {}, title), rest];
    }),
  ];
}

function figures(model) {
  const facts = [
    [model.sizes?.map((side) => `${side} px`).join(", "), "trained at"],
    [model.styles?.length, "styles"], [model.classes?.length, "classes"],
    [model.context, "tokens of a text"], [model.columns?.length, "columns"],
    [model.parameters && `${number(model.parameters / 1e6, 1)} M`, "weights"],
    [model.training_pictures && number(model.training_pictures), `training pictures under ${Object.keys(model.licences).join(", ")}`],
    [model.policy, "policy in force"],
  ];
  return h("div.figures", {}, facts.filter(([value]) => value).map(([value, text]) => h("div.figure", {}, h("b", {}, value), h("span", {}, text))));
}

const methods = (samplers) =>
  h(
    "div.scroll", { tabIndex: 0, role: "region", ariaLabel: "Samplers" },
    h(
      "table", {},
      h("thead", {}, h("tr", {}, ["name", "what it is", "evaluations a step"].map((text, place) => h(place === 2 ? "th.number" : "th", { scope: "col" }, text)))),
      h("tbody", {}, samplers.map((one) => h("tr", {}, h("td", {}, h("code", {}, one.id)), h("td", {}, one.summary), h("td.number", {}, number(one.evaluations))))),
    ),
  );

/** The bundle's measurements, as they are nested. */
async function report(name) {
  try {
    return h("section.panel.stack", {}, h("h2", {}, "Report"), h("div.prose", {}, nested(await api.report(name))));
  } catch (error) {
    return error.status === 404 ? "" : problem(error);
  }
}

function nested(value) {
  return h(
    "ul", {},
    Object.entries(value).map(([name, inner]) =>
      inner !== null && typeof inner === "object"
        ? h("li", {}, h("details.more", {}, h("summary", {}, name), nested(inner)))
        : h("li", {}, `${name}: `, h("strong", {}, typeof inner === "number" ? number(inner, 4) : String(inner))),
    ),
  );
}
