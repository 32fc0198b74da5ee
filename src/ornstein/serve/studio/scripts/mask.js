// A mask painted on a picture, pixel by pixel of the picture: what is painted may change.
const UNDONE = 40; // strokes that can be taken back

export class Mask {
  constructor(width, height) {
    [this.width, this.height] = [width, height];
    this.painted = new Uint8Array(width * height);
    this.before = [];
  }

  /** What comes now can be taken back in one go. */
  begin() {
    this.before.push(this.painted.slice());
    if (this.before.length > UNDONE) this.before.shift();
  }

  undo() {
    const last = this.before.pop();
    if (last) this.painted = last;
    return Boolean(last);
  }

  /** A round dab at (x, y) in pixels; `on` paints, else it erases. */
  dab(x, y, radius, on) {
    const reach = Math.max(radius, 0.5);
    for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(this.height - 1, y + reach); row++)
      for (let column = Math.max(0, Math.floor(x - reach)); column <= Math.min(this.width - 1, x + reach); column++)
        if ((column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2 <= reach ** 2) this.painted[row * this.width + column] = Number(on);
  }

  /** Dabs along a line, so that a quick hand leaves no gaps. */
  stroke(from, to, radius, on) {
    const steps = Math.max(1, Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / Math.max(radius / 2, 0.5)));
    for (let step = 0; step <= steps; step++) {
      const share = step / steps;
      this.dab(from.x + share * (to.x - from.x), from.y + share * (to.y - from.y), radius, on);
    }
  }

  fill(on) {
    this.begin();
    this.painted.fill(Number(on));
  }

  invert() {
    this.begin();
    this.painted = this.painted.map((value) => 1 - value);
  }

  get share() {
    return this.painted.reduce((sum, value) => sum + value, 0) / this.painted.length;
  }

  /** Show it on a canvas of the picture's size: a tint over what may change. */
  show(canvas) {
    this.#write(canvas, (on) => (on ? [99, 91, 255, 140] : [0, 0, 0, 0]));
  }

  /** A PNG as the API reads masks: transparent where the picture may change. */
  png() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.width, this.height];
    this.#write(canvas, (on) => [0, 0, 0, on ? 0 : 255]);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  #write(canvas, colour) {
    const context = canvas.getContext("2d"), picture = context.createImageData(this.width, this.height);
    this.painted.forEach((on, place) => picture.data.set(colour(on), 4 * place));
    context.putImageData(picture, 0, 0);
  }
}
