// Work in progress and what came of it: sets of pictures, the newest first.
import { api, blobOf } from "./api.js";
import { at, h } from "./dom.js";
import { icon } from "./icons.js";
import { problem } from "./notices.js";
import { remember } from "./prompts.js";
import { Waiting } from "./tiles.js";
import { shortly, span, titleOf } from "./words.js";

const KEPT = 8; // sets on the page; all others are in the history
const LOOK = 1500; // milliseconds between looks at the queue
const running = [];

/** Stop what was started last; whether there was anything. */
export function cancelLast() {
  running.at(-1)?.abort();
  return running.length > 0;
}

/**
 * Draw a set. `job`: {entry: {kind, prompt, model, settings}, count, start(signal): events of pictures}.
 * Returns the pictures that came, or null where it failed or was cancelled.
 */
export async function draw(job) {
  const control = new AbortController(), started = performance.now();
  const set = new PictureSet(job, control);
  running.push(control);
  at("stage").querySelector(".empty")?.remove();
  at("stage").prepend(set.element);
  while (at("stage").children.length > KEPT) at("stage").lastElementChild.remove();
  set.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
  const watching = setInterval(() => set.lookAtQueue(), LOOK);
  try {
    for await (const event of job.start(control.signal)) set.take(event);
    set.finish((performance.now() - started) / 1000);
    return set.pictures.filter(Boolean);
  } catch (error) {
    set.fail(error, job);
    return null;
  } finally {
    clearInterval(watching);
    running.splice(running.indexOf(control), 1);
  }
}

/** Why a picture was held back. */
const why = ({ told, case: review }) => [told.join(" · "), review && `A person will decide: case ${review}`].filter(Boolean).join(". ");

class PictureSet {
  constructor({ entry, count }, control) {
    this.entry = entry;
    this.pictures = Array(count).fill(null);
    this.tiles = this.pictures.map(() => new Waiting());
    this.status = h("span", { role: "status" }, "Waiting for its turn…");
    this.stop = h("button.quiet", { type: "button", onclick: () => control.abort() }, icon("stop"), "Cancel");
    this.grid = h("div.tiles", { dataset: { count } }, this.tiles.map((tile) => tile.element));
    this.element = h(
      "article.set", { ariaLabel: titleOf(entry) },
      h(
        "header", {},
        h("div.between", {}, h("h2", {}, titleOf(entry)), this.stop),
        h("div.row", {}, this.status, shortly(entry.settings).map((text) => h("span", {}, text))),
      ),
      this.grid,
    );
  }

  take(event) {
    const place = event.index;
    if (event.request) remember(event.request, this.entry);
    if (event.type.endsWith("partial_image")) {
      this.status.textContent = "Drawing…";
      this.tiles[place]?.preview(event.b64_json, event.output_format, event.partial_image_index, 3);
    } else if (event.type.endsWith("completed")) this.#complete(event, place);
    else if (event.type.endsWith("held_back")) this.tiles[place].held(why(event));
  }

  #complete(event, place) {
    const told = event.told.filter((line) => !event.revised_prompt || !line.endsWith(event.revised_prompt)); // said above
    const picture = { ...event, told, blob: blobOf(event.b64_json, event.output_format) };
    this.pictures[place] = picture;
    if (event.revised_prompt && event.revised_prompt !== this.entry.prompt) this.#revised(event.revised_prompt);
    this.tiles[place]?.done(picture, { ...this.entry, outputs: this.pictures }, place + 1, this.pictures.length);
  }

  #revised(prompt) {
    if (this.element.querySelector(".revised")) return;
    this.grid.before(h("p.notice.warn.revised", {}, "The policy changed the prompt. Drawn: ", h("em", {}, prompt)));
  }

  async lookAtQueue() {
    if (this.status.textContent === "Drawing…") return;
    try {
      const { waiting } = await api.queue();
      if (waiting > 0) this.status.textContent = `Waiting: ${waiting} in the queue`;
    } catch { /* the request itself will tell */ }
  }

  finish(seconds) {
    const came = this.pictures.filter(Boolean).length, of = this.pictures.length;
    this.stop.remove();
    this.status.textContent = came === of ? `Done in ${span(seconds)}` : `${came} of ${of} in ${span(seconds)}; the others were held back`;
  }

  fail(error, job) {
    this.stop.remove();
    const cancelled = error.name === "AbortError";
    this.tiles.forEach((tile, place) => this.pictures[place] || tile.element.remove());
    if (!this.pictures.some(Boolean)) this.grid.remove();
    this.status.textContent = cancelled ? "Cancelled" : "";
    const again = () => { this.element.remove(); job.again(); };
    if (!cancelled) this.element.append(problem(error, again));
  }
}
