// A picture on the page, with what can be done with it. What is clicked is told as an event "act" to whoever listens.
import { api, blobOf } from "./api.js";
import { h, whenNear } from "./dom.js";
import { icon } from "./icons.js";
import { menu } from "./menu.js";
import { noise } from "./noise.js";
import { toast } from "./notices.js";

export const DOWNLOADS = [["PNG", "png"], ["WebP", "webp"], ["SVG", "svg"]];

const act = (element, action, picture, entry) =>
  element.dispatchEvent(new CustomEvent("act", { bubbles: true, detail: { action, picture, entry } }));

/** A tile of a picture that is there. `picture`: {id, seed, …} and perhaps its `blob`; `entry`: the request it came of. */
export function tile(picture, entry, place = 1, of = 1) {
  const box = h("figure.tile", { dataset: { id: picture.id, shown: "" } });
  const name = `${entry.prompt ?? "picture"}${of > 1 ? `, ${place} of ${of}` : ""}`;
  const button = (icon_, label, action) =>
    h("button", { type: "button", ariaLabel: `${label}: ${name}`, title: label, onclick: () => act(box, action, picture, entry) }, icon(icon_));
  box.append(
    pictureButton(picture, entry, name),
    h(
      "div.actions", {},
      button("vary", "Vary", "vary"),
      button("edit", "Edit", "edit"),
      button("reuse", "Reuse settings", "reuse"),
      menu(icon("download"), `Download: ${name}`, DOWNLOADS.map(([text, format]) => [text, () => download(picture.id, format)])),
      button("details", "Details", "details"),
    ),
  );
  if (picture.told?.length) box.append(h("figcaption.said", {}, picture.told.join(" · ")));
  return box;
}

/** The picture alone; a click opens its details. */
export function pictureButton(picture, entry, name = entry.prompt ?? "picture") {
  const box = h("button.picture", { type: "button", ariaLabel: `Details: ${name}`, dataset: { shown: "" }, onclick: () => act(box, "details", picture, entry) });
  box.append(image(picture, name));
  return box;
}

/** An image element that is filled when it comes near the window. */
export function image(picture, name) {
  const element = h("img", { alt: name, decoding: "async", width: picture.width ?? 64, height: picture.height ?? 64 });
  const fill = (blob) => {
    element.onload = () => URL.revokeObjectURL(element.src);
    element.src = URL.createObjectURL(blob);
  };
  if (picture.blob) fill(picture.blob);
  else {
    const stop = whenNear(element, async () => {
      stop();
      try {
        fill(await api.content(picture.id));
      } catch {
        element.alt = `${name} (cannot be shown)`;
      }
    });
  }
  return element;
}

/** A tile of a picture that is waited for: noise, then previews, then the picture. */
export class Waiting {
  constructor() {
    this.bar = h("i");
    this.picture = h("div.picture", {}, noise(), h("div.bar", {}, this.bar));
    this.element = h("figure.tile", { ariaBusy: "true" }, this.picture);
  }

  /** Preview number `index` from 0, of `count`. */
  preview(b64, format, index, count) {
    const shown = image({ blob: blobOf(b64, format) }, "preview");
    this.picture.replaceChildren(shown, h("div.bar", {}, this.bar));
    this.element.dataset.shown = "";
    this.bar.style.width = `${(100 * (index + 1)) / (count + 1)}%`;
  }

  done(picture, entry, place, of) {
    this.element.replaceWith((this.element = tile(picture, entry, place, of)));
  }

  /** There will be no picture, and why. */
  held(why, name = "shield") {
    delete this.element.dataset.shown;
    this.element.removeAttribute("aria-busy");
    this.picture.replaceChildren(h("div.held", {}, icon(name), h("span", {}, why)));
  }
}

/** Save a picture as a file of a format, on the colour that is chosen behind pictures. */
export async function download(id, format) {
  const root = document.documentElement;
  const drawn = DOWNLOADS.some(([, one]) => one === format); // texts and tables have no background
  const background = drawn && root.dataset.backdrop === "colour" ? root.style.getPropertyValue("--backdrop") : "";
  try {
    const link = h("a", { href: URL.createObjectURL(await api.content(id, { format, background })), download: `ornstein-${id.slice(-12)}.${format}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    toast(`The file could not be had: ${error.message}`);
  }
}
