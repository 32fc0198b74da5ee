// The key that a server may want. It stays in this tab, and goes when the tab is closed.
import { api, key } from "./api.js";
import { at, field, h, openDialog } from "./dom.js";
import { problem } from "./notices.js";

/** Ask for a key; `then` goes on with it. */
export function askKey(then) {
  if (at("keys").open) return;
  const input = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: false, required: true, placeholder: "orn_…" });
  const errors = h("div");
  const form = h(
    "form.stack", { noValidate: true },
    h("p", {}, "This server wants a key. It is kept in this tab alone and forgotten when you close it."),
    field("API key", input),
    errors,
    h("button.primary", { type: "submit" }, "Continue"),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    const before = key.get();
    key.set(input.value.trim());
    try {
      await api.me();
      at("keys").close();
      then();
    } catch (error) {
      key.set(before);
      errors.replaceChildren(problem(error));
      input.focus();
    }
  };
  openDialog(at("keys"), "API key", form);
  input.focus();
}
