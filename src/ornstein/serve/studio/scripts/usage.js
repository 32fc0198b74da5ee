// The queue as it is now, and what pictures cost by day.
import { api } from "./api.js";
import { h } from "./dom.js";
import { problem } from "./notices.js";
import { energy, money, number, span } from "./words.js";

const EVERY = 2000; // milliseconds between looks at the queue
const DAYS = 30;

export async function showUsage(view) {
  const queue = h("div.figures"), costs = h("div.panel.stack", {}, h("p.soft", {}, "Adding up…"));
  view.replaceChildren(
    h("h1", {}, "Usage"),
    h("section.stack", { ariaLabel: "Queue" }, h("h2", {}, "Right now"), queue),
    h("section.stack", { ariaLabel: "Costs" }, h("h2", {}, `The last ${DAYS} days`), costs),
  );
  watch(view, queue);
  try {
    const since = new Date(Date.now() - DAYS * 86_400_000).toISOString().slice(0, 10);
    costs.replaceChildren(...sums(await api.costs({ since, by: "day" })));
  } catch (error) {
    costs.replaceChildren(problem(error, () => showUsage(view)));
  }
}

/** Look at the queue for as long as it is seen. */
async function watch(view, box) {
  while (box.isConnected && !view.hidden) {
    try {
      const load = await api.queue();
      box.replaceChildren(
        ...[
          [number(load.waiting), "pictures waiting"], [number(load.running), "being drawn"], [span(load.ahead), "of work ahead"],
          [number(load.evaluations_per_second), "evaluations a second"],
        ].map(([value, text]) => h("div.figure", {}, h("b", {}, value), h("span", {}, text))),
      );
    } catch (error) {
      box.replaceChildren(problem(error));
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

const COLUMNS = [
  ["day", (line) => line.day], ["pictures", (line) => number(line.pictures)], ["evaluations", (line) => number(line.evaluations)],
  ["computing", (line) => span(line.computed)], ["energy", (line) => energy(line.joules)], ["price", (line) => money(line.price, line.currency)],
];

function sums(unsorted) {
  const lines = unsorted.toSorted((a, b) => b.day.localeCompare(a.day));
  if (!lines.length) return [h("p.soft", {}, "Nothing was drawn yet.")];
  const most = Math.max(...lines.map((line) => line.pictures), 1);
  const bars = lines.toReversed().map((line) => {
    const bar = h("div", { title: `${line.day}: ${line.pictures} pictures` });
    bar.style.height = `${(100 * line.pictures) / most}%`;
    return bar;
  });
  return [
    h("div.bars", { role: "img", ariaLabel: `Pictures a day; the most was ${most}` }, bars),
    h(
      "div.scroll", { tabIndex: 0, role: "region", ariaLabel: "Costs by day" },
      h(
        "table", {},
        h("thead", {}, h("tr", {}, COLUMNS.map(([name], place) => h(place ? "th.number" : "th", { scope: "col" }, name)))),
        h("tbody", {}, lines.map((line) => h("tr", {}, COLUMNS.map(([, told], place) => h(place ? "td.number" : "td", {}, told(line)))))),
      ),
    ),
  ];
}
