// Everything that this key asked for, from the server's database: searched, and read on as one scrolls.
import { api } from "./api.js";
import { at, calmly, h, whenNear } from "./dom.js";
import { icon } from "./icons.js";
import { problem } from "./notices.js";
import { download, pictureButton, tile } from "./tiles.js";
import { day, hour, shortly, titleOf } from "./words.js";

const PAGE = 20, RECENT = 12; // entries
const KINDS = { generation: "", edit: "edited", variation: "varied", completion: "text", rows: "rows", imputation: "gaps filled" };
const DRAWN = ["png", "webp", "jpeg"]; // formats of pictures; others are files
const OUTCOMES = {
  refused: "refused by the policy", held: "held for review", cancelled: "cancelled", failed: "failed", lost: "lost when the server stopped",
  running: "being drawn", accepted: "being drawn",
};

export class History {
  constructor(view) {
    this.search = h("input", { type: "search", id: "search", placeholder: "Search what you made", ariaLabel: "Search the history", autocomplete: "off", oninput: calmly(250, () => this.load()) });
    this.list = h("div.entries");
    this.told = h("p.soft.small", { role: "status" });
    this.end = h("div");
    view.replaceChildren(h("div.between", {}, h("h1", {}, "History"), h("div.search", {}, icon("search"), this.search)), this.told, this.list, this.end);
  }

  /** From the newest on. */
  async load() {
    this.stop?.();
    this.before = null;
    this.day = null;
    this.turn = Symbol("load"); // answers to an older search are dropped
    this.list.replaceChildren();
    await this.more();
    if (this.before) this.stop = whenNear(this.end, () => this.more());
  }

  async more() {
    if (this.reading === this.turn) return;
    const turn = (this.reading = this.turn);
    try {
      const page = await api.history({ search: this.search.value.trim(), before: this.before, limit: PAGE });
      if (turn !== this.turn) return;
      this.before = page.next ?? null;
      this.#add(page.data);
      if (!this.before) this.stop?.();
    } catch (error) {
      if (turn === this.turn) this.list.append(problem(error, () => this.load()));
      this.stop?.();
    } finally {
      if (this.reading === turn) this.reading = null;
    }
  }

  #add(entries) {
    for (const entry of entries) {
      if (day(entry.created) !== this.day) this.list.append(h("h2.day", {}, (this.day = day(entry.created))));
      this.list.append(element(entry));
    }
    const none = !this.list.querySelector(".entry");
    this.told.hidden = none || !this.search.value.trim();
    this.told.textContent = this.search.value && !none ? `Found for “${this.search.value.trim()}”` : "";
    if (none) this.list.replaceChildren(this.#empty());
  }

  #empty() {
    return this.search.value.trim()
      ? h("div.empty", {}, h("h2", {}, "Nothing found"), h("p", {}, "Prompts, styles, samplers, models and seeds are searched."))
      : h("div.empty", {}, h("h2", {}, "No pictures yet"), h("p", {}, "What you draw is kept here until you delete it or the server's policy does."), h("a.button", { href: "#/" }, "Draw the first"));
  }
}

const isDrawn = ({ format }) => DRAWN.includes(format);

function element(entry) {
  const count = entry.outputs.length, drawn = entry.outputs.filter(isDrawn), files = entry.outputs.filter((one) => !isDrawn(one)), outcome = OUTCOMES[entry.outcome];
  const common = entry.outputs[0]?.told.filter((line) => entry.outputs.every(({ told }) => told.includes(line))) ?? [];
  const told = [...new Set([...entry.told, ...common])];
  const facts = [hour(entry.created), KINDS[entry.kind], outcome, ...shortly(entry.settings)];
  return h(
    "article.entry", { ariaLabel: titleOf(entry), dataset: { entry: entry.id } },
    h("div", {}, h("div.title", {}, titleOf(entry)), h("div.soft.small", {}, facts.filter(Boolean).join(" · "))),
    files.length > 0 && h("div.row", {}, files.map(({ id, format }) => h("button", { type: "button", onclick: () => download(id, format) }, `Download ${format}`))),
    drawn.length > 0 && h("div.tiles", {}, drawn.map((picture, place) => tile({ ...picture, told: picture.told.filter((line) => !common.includes(line)) }, entry, place + 1, count))),
    told.length > 0 && h("p.small.warn", {}, told.join(" · ")),
  );
}

/** The last pictures below the stage. */
export async function showRecent() {
  const box = at("recent");
  try {
    const { data } = await api.history({ limit: RECENT });
    const pictures = data.flatMap((entry) => entry.outputs.filter(isDrawn).map((picture) => [picture, entry])).slice(0, RECENT);
    box.hidden = !pictures.length;
    box.replaceChildren(h("div.stack", {}, h("h2.soft", {}, "Recent"), h("div.strip", {}, pictures.map(([picture, entry]) => pictureButton(picture, entry, titleOf(entry))))));
  } catch {
    box.hidden = true; // the stage matters more; the history view says what is wrong
  }
}
