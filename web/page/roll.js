/* The keyboard and what rises from it. Melody, bridge, accompaniment and unknown differ in fill as well as in colour. */
import { WORDS } from './words.js';

const SECONDS = 8;
const PIANO = [21, 108];
const NARROW = 700; /* px: below, the keyboard shows only the octaves that were played */
const IS_BLACK = [false, true, false, true, false, false, true, false, true, false, true, false];

export const noteName = (pitch) => `${WORDS.notes[pitch % 12]}${Math.floor(pitch / 12) - 1}`;

/* Left edge and width of every key, white ones side by side. */
function keysOf(low, high, width) {
  let whites = 0;
  for (let pitch = low; pitch <= high; pitch++) whites += !IS_BLACK[pitch % 12];
  const white = width / whites;
  const keys = new Map();
  let at = 0;
  for (let pitch = low; pitch <= high; pitch++) {
    const black = IS_BLACK[pitch % 12];
    keys.set(pitch, black ? { black, x: at - white * 0.3, w: white * 0.6 } : { black, x: at, w: white });
    if (!black) at += white;
  }
  return keys;
}

export function newRoll(canvas, colours) {
  const context = canvas.getContext('2d');
  let range = [48, 83]; /* of narrow screens; grows */
  let stripes = null;

  function widen(pitch) {
    while (pitch < range[0] && range[0] > 0) range[0] -= 12;
    while (pitch > range[1] && range[1] < 119) range[1] += 12;
  }

  /* Lines for bridges, in their colour. */
  function pattern() {
    const tile = document.createElement('canvas');
    tile.width = tile.height = 8;
    const brush = tile.getContext('2d');
    brush.strokeStyle = colours().bridge;
    brush.lineWidth = 2.5;
    brush.beginPath();
    for (const x of [-8, 0, 8]) {
      brush.moveTo(x, 8);
      brush.lineTo(x + 8, 0);
    }
    brush.stroke();
    return context.createPattern(tile, 'repeat');
  }

  function box(x, y, w, h, radius) {
    context.beginPath();
    context.roundRect(x, y, w, h, Math.min(radius, w / 2, h / 2));
  }

  function fillBox(label, palette) {
    context.setLineDash(label === 0 || label === 1 || label === 2 ? [] : [3, 3]);
    context.lineWidth = 2;
    if (label === 0) {
      context.fillStyle = palette.melody;
      context.fill();
      context.strokeStyle = palette.edge;
      context.stroke();
    } else if (label === 1) {
      context.fillStyle = stripes;
      context.fill();
      context.strokeStyle = palette.bridge;
      context.stroke();
    } else if (label === 2) {
      context.globalAlpha *= 0.28;
      context.fillStyle = palette.accompaniment;
      context.fill();
      context.globalAlpha = 1;
      context.strokeStyle = palette.accompaniment;
      context.stroke();
    } else {
      context.strokeStyle = palette.unknown;
      context.stroke();
    }
    context.setLineDash([]);
  }

  function drawNotes(state, now, keys, floor, palette) {
    const speed = floor / (SECONDS * 1000);
    for (const melody of [false, true]) {
      for (const note of state.notes.values()) {
        if ((note.label === 0) !== melody) continue;
        const bottom = floor - (now - (note.off ?? now)) * speed;
        const top = floor - (now - note.on) * speed;
        const key = keys.get(note.pitch);
        if (bottom < 0 || !key) continue;
        const inset = key.black ? 0 : key.w * 0.12;
        box(key.x + inset, top, Math.max(key.w - 2 * inset, 3), Math.max(bottom - top, 3), 4);
        fillBox(note.label, palette);
      }
    }
    for (const [id, note] of state.notes) if (note.off !== null && now - note.off > SECONDS * 1000) state.notes.delete(id);
  }

  function drawGrid(keys, floor, palette) {
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    for (const [pitch, key] of keys) {
      if (pitch % 12 !== 0) continue;
      context.beginPath();
      context.moveTo(key.x, 0);
      context.lineTo(key.x, floor);
      context.stroke();
    }
  }

  function drawKey(pitch, key, floor, height, note, palette) {
    const deep = key.black ? height * 0.62 : height;
    context.fillStyle = key.black ? palette.blackKey : palette.whiteKey;
    context.strokeStyle = palette.keyEdge;
    context.lineWidth = 1;
    context.fillRect(key.x, floor, key.w, deep);
    context.strokeRect(key.x, floor, key.w, deep);
    if (note) {
      box(key.x + 1, floor + 1, key.w - 2, deep - 2, 3);
      context.fillStyle = key.black ? palette.blackKey : palette.whiteKey;
      context.fill();
      fillBox(note.label, palette);
    }
    if (pitch % 12 === 0 && key.w > 9) {
      context.fillStyle = note?.label === 0 ? palette.onMelody : palette.keyText;
      context.font = `${Math.min(14, key.w * 0.62)}px system-ui, sans-serif`;
      context.textAlign = 'center';
      context.fillText(noteName(pitch), key.x + key.w / 2, floor + height - 6);
    }
  }

  return {
    repaint() {
      stripes = null;
    },
    draw(state, now) {
      const ratio = window.devicePixelRatio || 1;
      const { clientWidth: width, clientHeight: height } = canvas;
      if (!width || !height) return;
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, width, height);
      const palette = colours();
      stripes ??= pattern();
      for (const note of state.notes.values()) widen(note.pitch);
      const [low, high] = width < NARROW ? range : [Math.min(PIANO[0], range[0]), Math.max(PIANO[1], range[1])];
      const keys = keysOf(low, high, width);
      const deep = Math.max(44, Math.min(120, height * 0.2));
      const floor = height - deep;
      drawGrid(keys, floor, palette);
      drawNotes(state, now, keys, floor, palette);
      const sounding = new Map();
      for (const note of state.notes.values()) if (note.off === null) sounding.set(note.pitch, note);
      for (const black of [false, true])
        for (const [pitch, key] of keys)
          if (key.black === black) drawKey(pitch, key, floor, deep, sounding.get(pitch), palette);
    },
  };
}
