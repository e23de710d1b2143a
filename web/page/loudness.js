/* The last notes: a bar for what was expected and its spread, a mark for what was played. */
import { WORDS } from './words.js';

const BOUNDS = [32, 48, 64, 80, 96];
const LEFT = 30; /* px for the names of dynamics */
const STEP = 15; /* px a note, about */

function mark(context, x, y, difference, spread, palette) {
  const size = 6;
  const sign = Math.abs(difference) <= spread ? 0 : Math.sign(difference);
  context.fillStyle = sign > 0 ? palette.melody : sign < 0 ? palette.accompaniment : palette.ink;
  context.beginPath();
  if (sign === 0) {
    context.arc(x, y, size * 0.7, 0, 7);
  } else {
    context.moveTo(x - size, y + sign * size * 0.7);
    context.lineTo(x + size, y + sign * size * 0.7);
    context.lineTo(x, y - sign * size);
  }
  context.fill();
}

export function drawLoudness(canvas, rows, palette) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const y = (velocity) => height - (Math.max(0, Math.min(127, velocity)) / 127) * (height - 12) - 6;
  context.font = '13px system-ui, sans-serif';
  context.textBaseline = 'middle';
  context.strokeStyle = palette.line;
  context.fillStyle = palette.muted;
  context.lineWidth = 1;
  for (const bound of BOUNDS) {
    context.beginPath();
    context.moveTo(LEFT, y(bound));
    context.lineTo(width, y(bound));
    context.stroke();
  }
  [16, 40, 56, 72, 88, 112].forEach((at, i) => context.fillText(WORDS.dynamics[i], 2, y(at)));
  const count = Math.max(1, Math.floor((width - LEFT) / STEP));
  const step = (width - LEFT) / count;
  rows.slice(-count).forEach((row, i) => {
    const x = LEFT + (i + 0.5) * step;
    context.fillStyle = palette.band;
    context.fillRect(x - step * 0.4, y(row.expected + row.spread), step * 0.8, y(row.expected - row.spread) - y(row.expected + row.spread));
    context.fillStyle = palette.muted;
    context.fillRect(x - step * 0.4, y(row.expected) - 1, step * 0.8, 2);
    mark(context, x, y(row.played), row.difference, row.spread, palette);
  });
}
