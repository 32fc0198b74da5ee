// What every picture starts as: Gaussian noise, drawn while it is waited for.
const SIDE = 48, FRAMES = 9; // pixels, frames a second

/** A canvas of noise that moves until it leaves the page; still where motion is not wanted. */
export function noise() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d"), picture = context.createImageData(SIDE, SIDE);
  const draw = () => {
    for (let place = 0; place < picture.data.length; place += 4) {
      for (let colour = 0; colour < 3; colour++) picture.data[place + colour] = 128 + 52 * gaussian();
      picture.data[place + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
  };
  draw();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
    let shown = false;
    const timer = setInterval(() => {
      if (canvas.isConnected) shown = true;
      else if (shown) return clearInterval(timer);
      draw();
    }, 1000 / FRAMES);
  }
  return canvas;
}

function gaussian() {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()); // Box and Muller 1958
}
