// The frame's own buttons: theme, backdrop, help.
import { at, h, openDialog } from "./dom.js";
import { icon } from "./icons.js";

const root = document.documentElement;
const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

export function frame() {
  at("help-button").replaceChildren(icon("help"));
  at("help-button").onclick = showHelp;
  at("theme-button").onclick = () => setTheme(isDark() ? "light" : "dark");
  showTheme();
  document.querySelector(".stage").prepend(backdrops());
}

function setTheme(name) {
  root.dataset.theme = name;
  localStorage.setItem("ornstein.theme", name);
  showTheme();
}

function showTheme() {
  const button = at("theme-button");
  button.replaceChildren(icon(isDark() ? "sun" : "moon"));
  button.ariaLabel = button.title = isDark() ? "Light colours" : "Dark colours";
}

/** What shows behind transparent parts here, and in files that are downloaded. */
function backdrops() {
  const custom = h("input", { type: "color", value: "#ffd166", ariaLabel: "Backdrop: a colour of your own", title: "A colour of your own", oninput: () => choose(custom.value) });
  const buttons = [["", "Backdrop: none, transparent"], ["#ffffff", "Backdrop: white"], ["#000000", "Backdrop: black"]].map(([colour, label]) =>
    h(colour ? "button" : "button.checked", { type: "button", ariaLabel: label, title: label.replace("Backdrop: ", ""), dataset: { backdrop: colour }, onclick: () => choose(colour) }),
  );
  const show = (colour) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.backdrop === colour)));
  const choose = (colour) => {
    root.dataset.backdrop = colour && "colour";
    root.style.setProperty("--backdrop", colour);
    if (colour) localStorage.setItem("ornstein.backdrop", colour);
    else localStorage.removeItem("ornstein.backdrop");
    show(colour);
  };
  show(localStorage.getItem("ornstein.backdrop") ?? "");
  return h("div.swatches", { role: "group", ariaLabel: "Behind transparent parts" }, h("span.soft.small", {}, "Backdrop"), buttons, custom);
}

const KEYS = [
  ["Ctrl Enter", "Generate, from anywhere"], ["Esc", "Cancel what is being drawn; close what is open"], ["N", "To the prompt"],
  ["/", "Search the history"], ["?", "This help"], ["Tab", "Through everything; arrows within choices and menus"],
];

export function showHelp() {
  openDialog(
    at("help"), "Keyboard",
    h("div.shortcuts", {}, KEYS.map(([keys, text]) => [h("span", {}, keys.split(" ").map((key, place) => [place ? " " : "", h("kbd", {}, key)])), h("span", {}, text)])),
    h("p.small.soft", {}, "Bring a picture by dropping it on the page or by pasting it."),
  );
}
