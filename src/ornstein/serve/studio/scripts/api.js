// The public API, and nothing else of the server: every request of the studio goes through `call`.
import { events } from "./events.js";
import { completed } from "./prompts.js";

const KEY = "ornstein.key";
export const busy = new EventTarget(); // "key": one is wanted · "offline" · "online" · "away": the server says why it is not ready

export class ApiError extends Error {
  constructor(status, error = {}, headers = new Headers()) {
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.code = error.code ?? "";
    this.type = error.type ?? "";
    this.param = error.param ?? null;
    this.details = error;
    this.wait = Number(headers.get("retry-after")) || 0; // seconds
  }

  get refused() {
    return this.code === "content_policy_violation";
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (secret) => (secret ? sessionStorage.setItem(KEY, secret) : sessionStorage.removeItem(KEY)),
};

/** A response that is fine; an ApiError says why not. */
async function call(path, { method = "GET", json, form, signal, headers = {} } = {}) {
  const sent = { ...headers };
  if (key.get()) sent.Authorization = `Bearer ${key.get()}`;
  if (json) sent["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers: sent, body: json ? JSON.stringify(json) : form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    busy.dispatchEvent(new Event("offline"));
    throw new ApiError(0, { message: "the server cannot be reached", code: "offline" });
  }
  busy.dispatchEvent(new Event("online"));
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  const error = new ApiError(response.status, body.error, response.headers);
  if (error.status === 401) busy.dispatchEvent(new Event("key"));
  if (error.status === 503 && error.code !== "overloaded") busy.dispatchEvent(new CustomEvent("away", { detail: error.message }));
  throw error;
}

const read = async (path, options) => (await call(path, options)).json();
const query = (values) => new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value != null)).toString();
const part = encodeURIComponent;

/** Multipart form of fields that have a value. */
function formOf(fields) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === "" || value == null) continue;
    if (value instanceof Blob) form.append(name, value, `${name}.png`);
    else form.append(name, String(value));
  }
  return form;
}

async function* streamed(path, options) {
  const response = await call(path, { ...options, method: "POST" });
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    for await (const event of events(response)) {
      if (event.error) throw new ApiError(event.error.code === "content_policy_violation" ? 400 : 500, event.error);
      yield event;
    }
  } else {
    const { data, id, held = [], output_format } = await response.json();
    const lacking = new Set(held.map(({ index }) => index)), places = [...Array(data.length + held.length).keys()].filter((place) => !lacking.has(place));
    yield* data.map((picture, place) => ({ ...picture, type: "completed", index: places[place], request: id, output_format }));
    yield* held.map((one) => ({ ...one, type: "held_back" }));
  }
}

const STREAM = { stream: true, partial_images: 3 };

export const api = {
  me: () => read("v1/me"),
  models: async () => (await read("v1/models")).data,
  model: (name) => read(`v1/models/${part(name)}`),
  card: async (name) => (await call(`v1/models/${part(name)}/card`)).text(),
  report: (name) => read(`v1/models/${part(name)}/report`),
  samplers: async (name) => (await read(`v1/models/${part(name)}/samplers`)).data,
  queue: () => read("v1/queue"),
  costs: async (values) => (await read(`v1/costs?${query(values)}`)).data,
  ready: async () => (await fetch("health")).ok,

  /** A page of requests, latest first; `next` is what to ask for the one after with, null at the end. */
  async history(values) {
    const page = await read(`v1/history?${query(values)}`);
    return { ...page, data: page.data.map(completed) };
  },
  output: (id) => read(`v1/outputs/${part(id)}`),
  content: async (id, values = {}) => (await call(`v1/outputs/${part(id)}/content?${query(values)}`)).blob(),
  remove: (id) => call(`v1/outputs/${part(id)}`, { method: "DELETE" }),

  /** Each of these yields events: partial pictures, completed ones. Aborting `signal` cancels the work. */
  generate: (values, signal) => streamed("v1/images/generations", { json: { ...values, ...STREAM }, signal }),
  complete: (values) => read("v1/completions", { method: "POST", json: values }),
  rows: (values) => read("v1/rows", { method: "POST", json: values }),
  edit: (values, signal) => streamed("v1/images/edits", { form: formOf({ ...values, ...STREAM }), signal }),
  vary: (values, signal) => streamed("v1/images/variations", { form: formOf(values), signal }),
};

/** The picture in a base64 text. */
export function blobOf(b64, format = "png") {
  return new Blob([Uint8Array.from(atob(b64), (letter) => letter.charCodeAt(0))], { type: `image/${format}` });
}
