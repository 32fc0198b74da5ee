// Words of this tab's own requests: a policy may keep the server from keeping them, and a reload should not lose them.
// They go when the tab is closed.
const NAME = "ornstein.prompts", KEPT = 300;

const read = () => {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
};

/** Keep the words of a request: its prompt, style and what it was to be without. */
export function remember(request, { prompt, settings: { style, negative_prompt } }) {
  const others = read().filter(([id]) => id !== request);
  sessionStorage.setItem(NAME, JSON.stringify([[request, { prompt, style, negative_prompt }], ...others].slice(0, KEPT)));
}

/** An entry of the history with the words that the server did not keep, where this tab knows them. */
export function completed(entry) {
  const { prompt = null, ...settings } = read().find(([id]) => id === entry.id)?.[1] ?? {};
  return { ...entry, prompt: entry.prompt ?? prompt, settings: { ...settings, ...entry.settings } };
}
