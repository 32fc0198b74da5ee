// The studio: what is where, and what happens when.
import { api, busy, key } from "./api.js";
import { Composer } from "./composer.js";
import { showDetails } from "./details.js";
import { at, h } from "./dom.js";
import { editFile, editPicture } from "./editor.js";
import { History, showRecent } from "./history.js";
import { icon } from "./icons.js";
import { askKey } from "./keys.js";
import { showModel } from "./model.js";
import { banner, clearBanner, problem, sentence, toast } from "./notices.js";
import { showRows } from "./rows.js";
import { cancelLast, draw } from "./stage.js";
import { showText } from "./text.js";
import { showUsage } from "./usage.js";
import { frame, showHelp } from "./frame.js";

const VIEWS = ["create", "text", "rows", "history", "model", "usage"];
const MAKES = { create: "pictures", text: "texts", rows: "rows" }; // views that need a model of something
const AGAIN = 3000; // milliseconds between looks at a server that is away or loading
const history = new History(at("history"));
const composer = new Composer(at("composer"), { submit: generate, bring });
let model = null, served = []; // the model of pictures, and all models

async function start(name = null) {
  try {
    const [me, models] = await Promise.all([api.me(), api.models()]);
    showKey(me);
    if (!models.length) return away("away", "The server is loading its models.");
    const pictures = models.filter(({ makes }) => makes === "pictures");
    const chosen = pictures.find(({ id }) => id === (name ?? composer.kept().model)) ?? pictures[0];
    const [facts, samplers] = chosen ? await Promise.all([api.model(chosen.id), api.samplers(chosen.id)]) : [null, []];
    [served, model] = [models, facts]; // all is known: until then the server counts as away
    for (const link of document.querySelectorAll("[data-makes]")) link.hidden = !making(link.dataset.makes).length;
    if (!chosen) return route();
    composer.show(pictures, model, samplers, start);
    if (!at("stage").querySelector(".set")) welcome();
    route();
  } catch (error) {
    if (error.status === 401 || error.status === 503 || error.status === 0) return; // the banner or the box tells
    at("stage").replaceChildren(problem(error, () => start(name)));
  }
}

const making = (what) => served.filter(({ makes }) => makes === what);

function welcome() {
  const examples = (model.classes.length ? model.classes : model.examples).slice(0, 6).map((prompt) => h("button", { type: "button", onclick: () => example(prompt) }, prompt));
  at("stage").replaceChildren(
    h("div.empty", {}, h("h2", {}, "What shall we draw?"), h("p", {}, "Say it in the box, choose a style, and watch the pictures come out of noise."), h("div.row", {}, examples)),
  );
}

function example(prompt) {
  at("prompt").value = prompt;
  composer.keep();
  at("composer").requestSubmit();
}

// What can be done ------------------------------------------------------------------------------

function generate(values) {
  const { model: _, prompt, n, ...settings } = values;
  return run({ entry: { kind: "generation", prompt, model: model.id, settings }, count: n, start: (signal) => api.generate(values, signal) });
}

function edit(fields) {
  const { prompt, n, strength, style } = fields;
  return run({ entry: { kind: "edit", prompt, model: model.id, settings: { strength, style } }, count: n, start: (signal) => api.edit(fields, signal) });
}

async function vary({ picture, entry }) {
  try {
    const fields = { model: entry.model, image: picture.blob ?? (await api.content(picture.id)), n: 4 }; // the file says what it shows
    await run({ entry: { kind: "variation", prompt: entry.prompt, model: entry.model, settings: {} }, count: 4, start: (signal) => api.vary(fields, signal) });
  } catch (error) {
    toast(`The picture cannot be varied: ${error.message}`);
  }
}

function reuse({ picture, entry }) {
  composer.fill(entry, picture.seed);
  location.hash = "#/";
  start(entry.model).then(() => at("prompt").focus());
  toast("Settings and seed taken over");
}

function bring(file) {
  if (model) editFile(file, at("prompt").value.trim(), model, edit);
}

async function run(job) {
  if (location.hash !== "#/") location.hash = "#/";
  const pictures = await draw({ ...job, again: () => run(job) });
  if (pictures?.length) composer.last = pictures[0].seed;
  if (location.hash === "#/history") history.load();
  else showRecent();
}

function act({ action, picture, entry }) {
  if (action === "details") showDetails({ picture, entry }, { act, gone });
  else if (action === "edit") editPicture({ picture, entry }, model, edit);
  else ({ vary, reuse })[action]({ picture, entry });
}

function gone(id) {
  for (const element of document.querySelectorAll(`[data-id="${CSS.escape(id)}"]`)) element.remove();
  showRecent();
}

// What is shown ---------------------------------------------------------------------------------

function route() {
  const name = location.hash.slice(2) || "create", known = VIEWS.includes(name) ? name : "create";
  const lacks = served.length && MAKES[known] && !making(MAKES[known]).length;
  const view = lacks ? Object.keys(MAKES).find((one) => making(MAKES[one]).length) : known;
  for (const each of VIEWS) at(each).hidden = each !== view;
  for (const link of document.querySelectorAll(".views a")) {
    if ((link.hash.slice(2) || "create") === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = view === "create" ? "Ornstein Studio" : `${view[0].toUpperCase()}${view.slice(1)} – Ornstein Studio`;
  if (!served.length) return;
  if (view === "create") showRecent();
  else if (view === "text") showText(at("text"), making("texts")).catch((error) => at("text").replaceChildren(problem(error, route)));
  else if (view === "rows") showRows(at("rows"), making("rows")).catch((error) => at("rows").replaceChildren(problem(error, route)));
  else if (view === "history") history.load();
  else if (view === "model") showModel(at("model"), (model ?? served[0]).id);
  else showUsage(at("usage"));
}

function showKey(me) {
  const button = at("key-button");
  button.hidden = false;
  button.replaceChildren(icon("key"), h("span.name", {}, me.name ?? me.id));
  button.ariaLabel = `Key ${me.name ?? me.id}: ${key.get() ? "sign out" : "use another key"}`;
  button.title = button.ariaLabel;
  button.onclick = () => (key.get() ? signOut() : askKey(() => location.reload()));
}

function signOut() {
  key.set("");
  sessionStorage.clear();
  location.reload();
}

// What comes from outside -----------------------------------------------------------------------

function pressed(event) {
  const open = document.querySelector("dialog[open]"), typing = event.target.closest?.("input, textarea, select");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !open) document.querySelector(".view:not([hidden]) form")?.requestSubmit();
  else if (event.key === "Escape" && !open && cancelLast()) event.preventDefault();
  else if (typing || open || event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "/") { location.hash = "#/history"; setTimeout(() => at("search").focus()); event.preventDefault(); }
  else if (event.key === "n") { location.hash = "#/"; setTimeout(() => at("prompt")?.focus()); event.preventDefault(); }
  else if (event.key === "?") showHelp();
}

function listen() {
  addEventListener("hashchange", route);
  addEventListener("keydown", pressed);
  document.addEventListener("act", (event) => act(event.detail));
  addEventListener("paste", (event) => event.clipboardData?.files[0] && bring(event.clipboardData.files[0]));
  addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.toggle("dropping", event.dataTransfer.types.includes("Files")); });
  addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files[0]) bring(event.dataTransfer.files[0]);
  });
  busy.addEventListener("key", () => askKey(() => (served.length ? route() : start())));
  busy.addEventListener("offline", () => away("offline", "The server cannot be reached."));
  busy.addEventListener("away", ({ detail }) => away("away", sentence(detail)));
  busy.addEventListener("online", () => clearBanner("offline"));
}

/** Say so, and look again until it is there. */
function away(kind, text) {
  banner(kind, text);
  clearTimeout(away.timer);
  away.timer = setTimeout(async () => {
    if (!(await api.ready().catch(() => false))) return away(kind, text);
    clearBanner("offline");
    clearBanner("away");
    if (!served.length) start();
  }, AGAIN);
}

frame();
listen();
start();
