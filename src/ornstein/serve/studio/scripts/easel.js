// The picture with its mask: painted with pen, mouse, finger or keys.
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { Mask } from "./mask.js";

const KEYS = "Arrow keys move the brush, Space paints, E switches to the eraser, [ and ] change its size, Ctrl Z takes back.";

export class Easel {
  /** `picture` is a loaded image; `changed` is told after every stroke. */
  constructor(picture, changed) {
    this.mask = new Mask(picture.naturalWidth, picture.naturalHeight);
    this.changed = changed;
    this.erasing = false;
    this.size = Math.max(1, Math.round(this.mask.width / 6)); // diameter in pixels of the picture
    this.cursor = { x: this.mask.width / 2, y: this.mask.height / 2 };
    this.canvas = h("canvas", { width: this.mask.width, height: this.mask.height, tabIndex: 0, role: "application", ariaLabel: `Paint what may change. ${KEYS}` });
    this.ring = h("div.brush");
    this.board = h("div.board.checked", { dataset: { shown: "" } }, picture, this.canvas, this.ring);
    this.element = h("div.easel", {}, this.board, this.#tools(), h("p.small.soft", {}, KEYS));
    this.#listen();
    new ResizeObserver(() => this.#moveRing()).observe(this.board);
  }

  #tools() {
    const tool = (name, label, action, pressed = null) =>
      h("button", { type: "button", ariaLabel: label, title: label, onclick: action, "aria-pressed": pressed }, icon(name));
    this.brushButton = tool("brush", "Brush", () => this.#erase(false), "true");
    this.eraserButton = tool("eraser", "Eraser (E)", () => this.#erase(true), "false");
    this.slider = h("input", { type: "range", min: 1, max: Math.max(2, Math.round(this.mask.width / 2)), value: this.size, ariaLabel: "Brush size", oninput: () => this.#resize(Number(this.slider.value)) });
    return h(
      "div.row", {},
      this.brushButton, this.eraserButton, this.slider,
      tool("undo", "Undo (Ctrl Z)", () => this.#then(this.mask.undo())),
      h("button", { type: "button", onclick: () => this.#then(this.mask.fill(true)) }, "All"),
      h("button", { type: "button", onclick: () => this.#then(this.mask.invert()) }, "Invert"),
      h("button", { type: "button", onclick: () => this.#then(this.mask.fill(false)) }, "Clear"),
    );
  }

  /** Whether the mask can be painted now; otherwise only the picture shows. */
  enable(on) {
    this.canvas.hidden = this.ring.hidden = !on;
    this.board.nextElementSibling.hidden = this.element.lastElementChild.hidden = !on;
    this.#moveRing();
  }

  #listen() {
    let from = null;
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * this.mask.width, y: ((event.clientY - box.top) / box.height) * this.mask.height };
    };
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.mask.begin();
      from = place(event);
      this.#paint(from, from);
    };
    this.canvas.onpointermove = (event) => {
      this.cursor = place(event);
      this.#moveRing();
      if (from) this.#paint(from, (from = this.cursor));
    };
    this.canvas.onpointerup = this.canvas.onpointercancel = () => (from = null);
    this.canvas.onkeydown = (event) => this.#key(event);
  }

  #paint(from, to) {
    this.mask.stroke(from, to, this.size / 2, !this.erasing);
    this.#then();
  }

  #key(event) {
    const step = event.shiftKey ? this.mask.width / 8 : Math.max(1, this.mask.width / 64);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const name = event.key.toLowerCase();
    if (moves[event.key]) this.#move(...moves[event.key]);
    else if (event.key === " ") {
      if (!event.repeat) this.mask.begin();
      this.#paint(this.cursor, this.cursor);
    } else if (name === "e") this.#erase(!this.erasing);
    else if (name === "[" || name === "]") this.#resize(this.size + (name === "]" ? 1 : -1) * Math.max(1, Math.round(this.mask.width / 32)));
    else if (name === "z" && (event.ctrlKey || event.metaKey)) this.#then(this.mask.undo());
    else return;
    event.preventDefault();
  }

  #move(x, y) {
    this.cursor = { x: Math.min(this.mask.width, Math.max(0, this.cursor.x + x)), y: Math.min(this.mask.height, Math.max(0, this.cursor.y + y)) };
    this.#moveRing();
  }

  #resize(size) {
    this.size = Math.min(Number(this.slider.max), Math.max(1, size));
    this.slider.value = this.size;
    this.#moveRing();
  }

  #erase(on) {
    this.erasing = on;
    this.brushButton.setAttribute("aria-pressed", String(!on));
    this.eraserButton.setAttribute("aria-pressed", String(on));
  }

  #then() {
    this.mask.show(this.canvas);
    this.changed();
  }

  #moveRing() {
    const scale = this.board.clientWidth / this.mask.width;
    const style = { left: this.cursor.x * scale, top: this.cursor.y * scale, width: this.size * scale, height: this.size * scale };
    for (const [name, value] of Object.entries(style)) this.ring.style[name] = `${value}px`;
  }
}
