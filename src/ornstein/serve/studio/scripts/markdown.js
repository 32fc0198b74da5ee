// The little Markdown that a model's card uses, as elements: headings, lists, tables, paragraphs, bold, code, links.
import { h } from "./dom.js";

/** Elements of a text; nothing in it is ever read as HTML. */
export function markdown(text) {
  const out = h("div.prose");
  const blocks = text.replace(/\r/g, "").split(/\n{2,}/).filter((block) => block.trim());
  for (const block of blocks) out.append(element(block.replace(/\n+$/, "")));
  return out;
}

function element(block) {
  const heading = /^(#{1,4}) (.*)$/.exec(block);
  if (heading) return h(`h${Math.min(Math.max(heading[1].length, 2), 4)}`, {}, inline(heading[2]));
  const lines = block.split("\n");
  if (lines.length > 1 && /^\|?[\s:|-]+\|[\s:|-]*$/.test(lines[1])) return table(lines);
  if (/^\s*[-*] /.test(block)) return list(lines);
  if (block.startsWith("```")) return h("pre.scroll", {}, h("code", {}, lines.slice(1, -1).join("\n")));
  return h("p", {}, inline(lines.join(" ")));
}

function list(lines) {
  const root = h("ul"), open = [{ depth: -1, list: root }];
  for (const line of lines) {
    const [, space, text] = /^(\s*)[-*] (.*)$/.exec(line) ?? [null, "", line.trim()];
    while (open.length > 1 && open.at(-1).depth >= space.length) open.pop();
    const item = h("li", {}, inline(text)), parent = open.at(-1);
    if (parent.item && !parent.list) parent.item.append((parent.list = h("ul")));
    parent.list.append(item);
    open.push({ depth: space.length, item, list: null });
  }
  return root;
}

function table(lines) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  const right = cells(lines[1]).map((cell) => cell.endsWith(":"));
  const row = (line, tag) => h("tr", {}, cells(line).map((cell, place) => h(right[place] ? `${tag}.number` : tag, tag === "th" ? { scope: "col" } : {}, inline(cell))));
  return h("div.scroll", { tabIndex: 0 }, h("table", {}, h("thead", {}, row(lines[0], "th")), h("tbody", {}, lines.slice(2).map((line) => row(line, "td")))));
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\(https?:[^)\s]+\))/).map((part) => {
    const link = /^\[(.+)\]\((.+)\)$/.exec(part);
    if (link) return h("a", { href: link[2], rel: "noreferrer", target: "_blank" }, link[1]);
    if (part.startsWith("`") && part.length > 2) return h("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return h("strong", {}, part.slice(2, -2));
    return part;
  });
}
