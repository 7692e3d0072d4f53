// Small pictures of what was chosen, made one after the other: phones have little memory.

const MOST = 120, LARGEST = 40 * 1024 * 1024; // pictures; bytes of one
const waiting = [];
let made = 0, busy = false;

/** Paint `file` on `canvas`, soon. What no browser can open keeps what stands there. */
export function thumbnail(file, canvas) {
  if (made >= MOST || !file.type.startsWith("image/") || file.size > LARGEST) return;
  made++;
  waiting.push({ file, canvas });
  if (!busy) work();
}

async function work() {
  busy = true;
  for (let next; (next = waiting.shift()); ) await paint(next);
  busy = false;
}

async function paint({ file, canvas }) {
  try {
    const image = await createImageBitmap(file, { resizeWidth: 192, resizeQuality: "medium" });
    const side = Math.min(image.width, image.height);
    canvas.getContext("2d").drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side, 0, 0, 96, 96);
    image.close();
    canvas.parentElement.replaceChildren(canvas);
    canvas.hidden = false;
  } catch {
    // HEIC, or no picture: its ending stands there
  }
}
