// Light or dark, before anything is painted: as the system says, unless the user chose. Not a module, so it blocks.
(() => {
  const root = document.documentElement;
  const chosen = localStorage.getItem("ornstein.theme");
  if (chosen) root.dataset.theme = chosen;
  const colour = localStorage.getItem("ornstein.backdrop");
  if (colour) {
    root.dataset.backdrop = "colour";
    root.style.setProperty("--backdrop", colour);
  }
})();
