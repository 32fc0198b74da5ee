// Elements without templates: text is always text, never HTML.

/**
 * An element. h("button.primary", { type: "button", onclick: run, ariaLabel: "Run" }, "Run")
 * Names that are properties of the element are set as such, all others as attributes; null and false are left out.
 */
export function h(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element && name !== "list" && name !== "form") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const at = (id) => document.getElementById(id);

/** Runs `then` at most every `milliseconds`, after the last call. */
export function calmly(milliseconds, then) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...values), milliseconds);
  };
}

/** Tells `seen` each time an element comes near the window; returns a function that stops. */
export function whenNear(element, seen) {
  const observer = new IntersectionObserver(
    (entries) => entries.some((entry) => entry.isIntersecting) && seen(),
    { rootMargin: "400px" },
  );
  observer.observe(element);
  return () => observer.disconnect();
}

/** A labelled field: field("Steps", input, { hint, around: the box that holds the input and its buttons }) */
export function field(label, control, { hint = null, around = control } = {}) {
  control.id ||= `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
  return h(
    "div.field", {},
    h("label", { htmlFor: control.id }, label),
    around,
    hint && h("span.hint", { id: `${control.id}-hint` }, hint),
  );
}

/** A slider that tells its value. */
export function slider(label, id, { min, max, step, value, hint = null }) {
  const input = h("input", { type: "range", id, min, max, step, value });
  const told = h("output.value", { htmlFor: id }, value);
  input.oninput = () => (told.value = input.value);
  const box = field(label, input, { hint });
  box.firstElementChild.replaceWith(h("div.between", {}, h("label.label", { htmlFor: id }, label), told));
  return box;
}

/** Radio buttons that look like chips or segments: name, [[value, text]], the value chosen. */
export function choice(kind, name, label, options, chosen, onchange) {
  return h(
    "fieldset.field", {},
    h("legend", {}, label),
    h(
      `div.${kind}`, {},
      options.map(([value, text]) =>
        h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange }), h("span", {}, text)),
      ),
    ),
  );
}

/** Opens a dialog with a heading and a way out; a click beside it closes it, too. */
export function openDialog(dialog, title, ...content) {
  const close = h("button.quiet.icon", { type: "button", ariaLabel: "Close", title: "Close (Esc)", onclick: () => dialog.close() }, "✕");
  dialog.replaceChildren(h("div.head", {}, h("h2", { tabIndex: -1 }, title), close), h("div.body", {}, ...content));
  dialog.onmousedown = (event) => { if (event.target === dialog) dialog.close(); };
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
