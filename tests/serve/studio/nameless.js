// What can be used or seen and has no name for who cannot see it.
() => {
  const labelled = (e) => [...(e.labels ?? [])].map((label) => label.textContent).join(" ");
  const name = (e) => (e.getAttribute("aria-label") || labelled(e) || e.getAttribute("alt") || e.textContent || "").trim();
  const used = "button, a, input:not([type=hidden]), select, textarea, img, canvas[tabindex], dialog[open]";
  return [...document.querySelectorAll(used)]
    .filter((e) => e.checkVisibility() && !(e.tagName === "IMG" && e.hasAttribute("alt")) && !name(e))
    .map((e) => e.outerHTML.slice(0, 120));
}
