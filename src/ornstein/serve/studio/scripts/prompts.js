// Prompts of this tab's own requests, by request: a policy may keep the server from keeping them, and a reload should
// not lose them. They go when the tab is closed.
const NAME = "ornstein.prompts", KEPT = 300;

const read = () => {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
};

export function remember(request, prompt) {
  if (request && prompt) sessionStorage.setItem(NAME, JSON.stringify([[request, prompt], ...read().filter(([id]) => id !== request)].slice(0, KEPT)));
}

export const recall = (request) => read().find(([id]) => id === request)?.[1] ?? null;
