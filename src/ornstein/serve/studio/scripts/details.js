// All that is known of one picture: its credential, what it is similar to, how it was made, what it cost.
import { api } from "./api.js";
import { at, h, openDialog } from "./dom.js";
import { icon } from "./icons.js";
import { problem, toast } from "./notices.js";
import { DOWNLOADS, download, image } from "./tiles.js";
import { day, energy, hour, money, number, settingsOf, span, titleOf } from "./words.js";

const STATES = {
  trusted: ["good", "shield", "Credential verified"],
  valid: ["warn", "warning", "Whole, but signed by somebody this server does not know"],
  invalid: ["bad", "warning", "Credential does not hold"],
  none: ["soft", "warning", "No credential"],
};

/** Open the drawer on a picture. `act` does what the other buttons of a tile do; `gone` is told of a picture deleted. */
export async function showDetails({ picture, entry }, { act, gone }) {
  const dialog = at("details");
  const shown = h("div.picture.checked", {}, image(picture, entry.prompt ?? "picture"));
  const rest = h("div.stack", { ariaBusy: "true" }, h("p.soft", {}, "Looking it up…"));
  openDialog(dialog, titleOf(entry), shown, actions(picture, entry, dialog, act, gone), rest);
  try {
    rest.replaceChildren(...sections(await api.output(picture.id)));
  } catch (error) {
    rest.replaceChildren(problem(error));
  }
  rest.removeAttribute("aria-busy");
}

function actions(picture, entry, dialog, act, gone) {
  const then = (action) => () => { dialog.close(); act({ action, picture, entry }); };
  const remove = h("button.danger.quiet", { type: "button" }, icon("trash"), "Delete");
  remove.onclick = () => confirm(remove, () => erase(picture, dialog, gone));
  return h(
    "div.stack", {},
    h("div.row", {}, [["vary", "Vary"], ["edit", "Edit"], ["reuse", "Reuse"]].map(([name, text]) => h("button", { type: "button", onclick: then(name) }, icon(name), text))),
    h("div.row", {}, DOWNLOADS.map(([text, format]) => h("button", { type: "button", ariaLabel: `Download ${text}`, onclick: () => download(picture.id, format) }, icon("download"), text)), remove),
  );
}

/** A second press does it. */
function confirm(button, then) {
  const before = [...button.childNodes];
  button.replaceChildren("Delete for good?");
  button.onclick = then;
  button.onblur = () => {
    button.replaceChildren(...before);
    button.onclick = () => confirm(button, then);
  };
}

async function erase(picture, dialog, gone) {
  try {
    await api.remove(picture.id);
    dialog.close();
    toast("Deleted");
    gone(picture.id);
  } catch (error) {
    toast(`It could not be deleted: ${error.message}`);
  }
}

function sections(facts) {
  return [
    section("Origin", credential(facts.credential)),
    section("Most similar licensed pictures", sources(facts.sources, facts.similarity)),
    facts.told.length > 0 && section("What the policy did", h("ul", {}, facts.told.map((line) => h("li", {}, line)))),
    section("Settings", list([
      ["model", facts.model], ["seed", facts.seed], ...settingsOf(facts.settings), ["made", `${day(facts.created)}, ${hour(facts.created)}`],
    ])),
    section("Cost of the whole request", cost(facts.spent)),
  ].filter(Boolean);
}

const section = (title, ...content) => h("section", {}, h("h3", {}, title), ...content);
const list = (rows) => h("dl.facts", {}, rows.filter(([, value]) => value != null && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));

function credential(verdict) {
  const [kind, shape, title] = STATES[verdict?.state ?? "none"];
  const lines = list([
    ["signed by", verdict?.signer], ["certified by", verdict?.issuer], ["signed on", verdict?.time?.slice(0, 16).replace("T", " ")],
    ["training", { notAllowed: "others may not train on it", allowed: "others may train on it", constrained: "ask before training on it" }[verdict?.training]],
  ]);
  const development = verdict?.development && "Signed with this machine's own development certificate, which proves nothing to others.";
  return h(
    "div.stack", { dataset: { credential: verdict?.state ?? "none" } },
    h(`div.row.${kind}`, {}, icon(shape), h("strong", {}, title)),
    lines,
    [development, ...(verdict?.reasons ?? [])].filter(Boolean).map((reason) => h("p.small.soft", {}, reason)),
  );
}

function sources(found, p) {
  if (!found?.length) return h("p.soft", {}, "Not known for this model.");
  return h(
    "div", {},
    h("p.small.soft", {}, "Similar is not derived: these are the training pictures nearest to this one."),
    found.map((source) =>
      h(
        "div.source", {},
        h("span", {}, source.caption || source.id),
        h("span.badge", { title: "SPDX licence" }, source.licence),
        h("span.soft", {}, source.holder),
        h("span.soft", { title: "distance, 0 to 2" }, number(source.distance, 2)),
      ),
    ),
    p != null && h("p.small.soft", {}, `${number(100 * p, 1)}% of honest pictures are as near to a training picture.`),
  );
}

function cost(spent) {
  return list([
    ["evaluations", number(spent.evaluations)], ["waited", span(spent.waited)], ["computed", span(spent.computed)], ["checked", span(spent.guarded)],
    ["energy", spent.joules ? `${energy(spent.joules)}, ${spent.energy_source}` : null], ["price", spent.price ? money(spent.price, spent.currency) : null],
  ]);
}
