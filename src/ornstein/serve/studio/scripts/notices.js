// What the page tells on its own: toasts, the banner, an error in words.
import { ApiError } from "./api.js";
import { at, h } from "./dom.js";

const SHOWN = 5000; // milliseconds

export function toast(text) {
  const note = h("div.toast", {}, text);
  at("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN);
}

/** Says something above the page until `clearBanner`; `action` is [text, function]. */
export function banner(kind, text, action = null) {
  const bar = at("banner");
  if (bar.dataset.kind === kind && !bar.hidden) return;
  bar.dataset.kind = kind;
  bar.replaceChildren(text, ...(action ? [h("button", { type: "button", onclick: action[1] }, action[0])] : []));
  bar.hidden = false;
}

export function clearBanner(kind) {
  if (at("banner").dataset.kind === kind) at("banner").hidden = true;
}

export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?…]$/.test(text) ? "" : ".") : "");

/** An error as a notice; where it says when to try again, it counts down to a button that does. */
export function problem(error, again = null) {
  if (!(error instanceof ApiError)) console.error(error);
  const refused = error.refused;
  const title = refused ? "The policy of this server does not allow this." : titles[error.status] ?? "That did not work.";
  const box = h(`div.notice.${refused ? "warn" : "bad"}`, { role: "alert" }, h("strong", {}, title), h("p", {}, sentence(error.message)));
  const held = error.details?.case;
  if (held) box.append(h("p.small", {}, "A person will decide. Case ", h("code", {}, held), "."));
  if (again && !refused && error.status !== 400) box.append(h("p", {}, countdown(error.wait ?? 0, again)));
  return box;
}

const titles = {
  0: "There is no connection.",
  400: "The server cannot do this.",
  401: "This server wants a key.",
  403: "This key may not do that.",
  404: "That is not there any more.",
  413: "That is too large.",
  429: "That is more than your limit allows right now.",
  503: "The server is not ready.",
  504: "That took too long.",
};

function countdown(seconds, again) {
  const button = h("button", { type: "button", onclick: again }, "Try again");
  let left = Math.ceil(seconds);
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left-- > 0 && (button.isConnected || left > seconds - 3)) setTimeout(tick, 1000);
  };
  tick();
  return button;
}
