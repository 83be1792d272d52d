// Strokes as numbers from 0 to 1, so that they can be put on a canvas of any size, and sent as a picture.

const SENT = 280;
const PEN = 1 / 12;

function trace(context, stroke, side) {
  const [first] = stroke;
  context.beginPath();
  context.moveTo(first.x * side, first.y * side);
  for (let index = 1; index < stroke.length - 1; index += 1) {
    const here = stroke[index];
    const next = stroke[index + 1];
    context.quadraticCurveTo(
      here.x * side,
      here.y * side,
      ((here.x + next.x) / 2) * side,
      ((here.y + next.y) / 2) * side,
    );
  }
  const last = stroke[stroke.length - 1];
  context.lineTo(last.x * side, last.y * side);
  context.stroke();
}

export function paint(context, strokes, side) {
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.strokeStyle = "#fff";
  context.lineWidth = side * PEN;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const stroke of strokes) trace(context, stroke, side);
}

const sheet = document.createElement("canvas");
sheet.width = SENT;
sheet.height = SENT;
const sheetContext = sheet.getContext("2d", { alpha: false, willReadFrequently: true });

// At once: what `toBlob` makes comes when the browser has nothing else to do, and somebody waits for the answer.
export function toPng(strokes) {
  paint(sheetContext, strokes, SENT);
  const text = atob(sheet.toDataURL("image/png").split(",")[1]);
  return new Blob([Uint8Array.from(text, (letter) => letter.charCodeAt(0))], { type: "image/png" });
}
