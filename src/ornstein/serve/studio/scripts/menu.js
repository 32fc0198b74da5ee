// A button with a small menu, as the ARIA practices describe it.
import { h } from "./dom.js";

/** menu(button content, label, [[text, action]]) */
export function menu(content, label, items) {
  const list = h(
    "div", { role: "menu", hidden: true, ariaLabel: label },
    items.map(([text, action]) => h("button", { type: "button", role: "menuitem", tabIndex: -1, onclick: () => { show(false, true); action(); } }, text)),
  );
  const button = h("button", { type: "button", ariaLabel: label, title: label, "aria-haspopup": "menu", "aria-expanded": "false", onclick: () => show(list.hidden) }, content);
  const away = (event) => box.contains(event.target) || show(false);

  function show(open, back = false) {
    list.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
    document[open ? "addEventListener" : "removeEventListener"]("pointerdown", away);
    if (open) list.firstElementChild.focus();
    else if (back) button.focus();
  }

  const box = h("div.menu", {}, button, list);
  box.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const all = [...list.children], here = all.indexOf(document.activeElement);
    const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next !== undefined) {
      all[(next + all.length) % all.length].focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      show(false, true);
      event.preventDefault();
      event.stopPropagation();
    } else if (event.key === "Tab") show(false);
  });
  return box;
}
