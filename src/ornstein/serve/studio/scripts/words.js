// Numbers and settings in words.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** The API's times are ISO 8601 or Unix seconds. */
const moment = (time) => new Date(typeof time === "number" ? time * 1000 : time);
export const hour = (time) => clock.format(moment(time));

export function day(time) {
  const then = moment(time), now = new Date(), one = 86_400_000;
  if (then.toDateString() === now.toDateString()) return "Today";
  if (then.toDateString() === new Date(now - one).toDateString()) return "Yesterday";
  return date.format(then);
}

export const number = (value, digits = 0) =>
  value == null ? "–" : Number(value).toLocaleString(undefined, { maximumFractionDigits: digits });

/** Seconds as people say them. */
export function span(seconds) {
  if (seconds == null) return "–";
  if (seconds < 1) return `${number(seconds * 1000)} ms`;
  if (seconds < 120) return `${number(seconds, 1)} s`;
  if (seconds < 7200) return `${number(seconds / 60, 1)} min`;
  return `${number(seconds / 3600, 1)} h`;
}

/** Joules as people say them. */
export function energy(joules) {
  if (joules == null) return "–";
  return joules < 3600 ? `${number(joules, 1)} J` : `${number(joules / 3600, 2)} Wh`;
}

export const money = (amount, currency) => (amount == null ? "–" : `${amount.toLocaleString(undefined, { maximumSignificantDigits: 3 })} ${currency ?? ""}`.trim());

export const count = (amount, what) => `${number(amount)} ${what}${amount === 1 ? "" : "s"}`;

const NAMES = {
  style: "style", negative_prompt: "without", size: "size", num_inference_steps: "steps", sampler: "sampler",
  guidance_scale: "guidance", strength: "strength",
};

/** A request's settings as [name, value], those that people choose. */
export const settingsOf = (settings = {}) =>
  Object.entries(NAMES).filter(([name]) => settings[name] != null && settings[name] !== "").map(([name, text]) => [text, String(settings[name]).replace(/^(\d+)x(\d+)$/, "$1 × $2")]);

/** The same in one word or two each: "3D style", "14 steps". */
export const shortly = (settings) =>
  settingsOf(settings).map(([name, value]) => (["style", "size"].includes(name) ? value : name === "steps" ? `${value} steps` : `${name} ${value}`));

/** The prompt of a request; a policy may say that prompts are not kept. */
export const titleOf = (entry) => entry.prompt ?? "Prompt not kept";
