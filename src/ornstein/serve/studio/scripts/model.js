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
    view.replaceChildren(
      h("h1", {}, model.id),
      figures(model),
      h("section.panel", {}, markdown(card.replace(/^# .*\n+/, ""))),
      await report(name),
    );
  } catch (error) {
    view.replaceChildren(h("h1", {}, "Model"), problem(error, () => showModel(view, name)));
  }
}

function figures(model) {
  const pictures = Object.values(model.licences).reduce((sum, count) => sum + count, 0);
  const facts = [
    [model.sizes.map((side) => `${side} px`).join(", "), "trained at"],
    [model.styles.length, "styles"], [model.classes.length, "classes"],
    [model.parameters && `${number(model.parameters / 1e6, 1)} M`, "weights"],
    [pictures && number(pictures), `training pictures under ${Object.keys(model.licences).join(", ")}`],
    [model.policy, "policy in force"],
  ];
  return h("div.figures", {}, facts.filter(([value]) => value).map(([value, text]) => h("div.figure", {}, h("b", {}, value), h("span", {}, text))));
}

/** The bundle's measurements, as they are nested. */
async function report(name) {
  try {
    return h("section.panel.stack", {}, h("h2", {}, "Measurements"), h("div.prose", {}, nested(await api.report(name))));
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
