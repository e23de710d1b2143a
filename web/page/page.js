/* Starts the page: words into the document, messages into the state, the state onto the screen once a frame. */
import { connect } from './link.js';
import { drawLoudness } from './loudness.js';
import { newRoll, noteName } from './roll.js';
import { newState, release, take } from './state.js';
import { WORDS } from './words.js';

const ROWS = 12;
const BARS = 5;
const STILL_MS = 500; /* between two pictures for those who want less motion */
const $ = (id) => document.getElementById(id);
const state = newState();
const dark = matchMedia('(prefers-color-scheme: dark)');
const still = matchMedia('(prefers-reduced-motion: reduce)');
let connection = 'connecting';
let palette = null;

/* ---- words and colours ---- */

for (const element of document.querySelectorAll('[data-word]')) element.textContent = WORDS[element.dataset.word];
for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', WORDS[element.dataset.label]);
$('roll-canvas').setAttribute('aria-label', WORDS.rollText);
$('loudness-canvas').setAttribute('aria-label', WORDS.loudnessText);

function colours() {
  if (palette) return palette;
  const style = getComputedStyle(document.documentElement);
  palette = {};
  for (const name of ['melody', 'on-melody', 'bridge', 'accompaniment', 'unknown', 'edge', 'ink', 'muted', 'line', 'band', 'white-key',
    'black-key', 'key-edge', 'key-text'])
    palette[name.replace(/-(.)/g, (_, letter) => letter.toUpperCase())] = style.getPropertyValue(`--${name}`).trim();
  return palette;
}

const roll = newRoll($('roll-canvas'), colours);
const THEMES = ['auto', 'light', 'dark'];

function remember(theme) {
  try {
    localStorage.setItem('theme', theme);
  } catch {
    /* then it is forgotten */
  }
}

function recall() {
  try {
    return localStorage.getItem('theme');
  } catch {
    return null;
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme !== 'auto' ? theme : dark.matches ? 'dark' : 'light';
  $('theme').textContent = WORDS.theme[theme];
  $('theme').dataset.theme = theme;
  repaint();
}

function repaint() {
  palette = null;
  roll.repaint();
  state.changed.add('loudness');
}

$('theme').onclick = () => {
  const next = THEMES[(THEMES.indexOf($('theme').dataset.theme) + 1) % THEMES.length];
  remember(next);
  setTheme(next);
};
setTheme(THEMES.includes(recall()) ? recall() : 'auto');
dark.addEventListener('change', () => setTheme($('theme').dataset.theme));

if (!document.documentElement.requestFullscreen) $('full').hidden = true;
$('full').onclick = () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen());
document.addEventListener('fullscreenchange', () => {
  $('full').textContent = document.fullscreenElement ? WORDS.fullOff : WORDS.full;
});

/* ---- one function a part ---- */

const percent = (share) => Math.round(share * 100);

function setText(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function list(id, pairs) {
  $(id).replaceChildren(
    ...pairs.flatMap(([term, value]) => {
      const dt = document.createElement('dt');
      const dd = document.createElement('dd');
      dt.textContent = term;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}

function showClasses(kind) {
  const { labels, label, confidence, probabilities } = state[kind];
  const known = Boolean(labels?.length);
  $(`now-${kind}`).hidden = !known;
  $(kind).hidden = !known || !probabilities;
  if (!known) return;
  setText(`${kind}-name`, label >= 0 ? (labels[label] ?? String(label)) : WORDS.unknown);
  const rows = (probabilities ?? []).map((share, i) => [labels[i] ?? String(i), share]).sort((a, b) => b[1] - a[1]);
  const guess = rows.length > 0 ? WORDS.guess(rows[0][0], percent(rows[0][1])) : '';
  setText(`${kind}-confidence`, label >= 0 ? WORDS.sure(percent(confidence)) : guess);
  $(`${kind}-bars`).replaceChildren(
    ...rows.slice(0, BARS).map(([name, share]) => {
      const item = document.createElement('li');
      const bar = document.createElement('span');
      const value = document.createElement('b');
      bar.className = 'bar';
      bar.style.width = `${share * 100}%`;
      value.textContent = `${percent(share)} %`;
      item.append(name, value, bar);
      return item;
    }),
  );
}

const PARTS = {
  melody() {
    setText('melody-note', state.melody ? noteName(state.melody.pitch) : '–');
    setText('melody-confidence', state.melody ? WORDS.sure(percent(state.melody.confidence)) : '');
  },
  loudness() {
    drawLoudness($('loudness-canvas'), state.loudness, colours());
    setText('loudness-setting', state.causal ? WORDS.causal : WORDS.hidden);
    const last = state.loudness.at(-1);
    if (!last) {
      setText('loudness-difference', '–');
      setText('loudness-words', '');
      return;
    }
    const difference = Math.round(last.difference);
    const within = Math.abs(last.difference) <= last.spread;
    const words = within ? WORDS.asExpected : difference > 0 ? WORDS.louder : WORDS.softer;
    $('now-loudness').dataset.sign = within ? '0' : String(Math.sign(difference));
    setText('loudness-difference', `${difference > 0 ? '+' : difference < 0 ? '−' : '±'}${Math.abs(difference)}`);
    setText('loudness-words', `${words}: ${WORDS.playedExpected(last.played, Math.round(last.expected))}`);
  },
  tempo() {
    const { bpm, confidence, source } = state.tempo;
    $('now-tempo').hidden = false;
    setText('tempo-bpm', bpm.toFixed(bpm % 1 < 0.05 || bpm % 1 > 0.95 ? 0 : 1));
    const where = WORDS.tempoSources[source] ?? '';
    setText('tempo-source', confidence < 0.995 ? `${where}, ${WORDS.sure(percent(confidence))}` : where);
  },
  style: () => showClasses('style'),
  emotion: () => showClasses('emotion'),
  latency() {
    const [p50, p95, p99, period] = state.latency ?? [];
    const values = [p50, p95, p99, period].map((ms, i) => [WORDS.latencies[i], ms]);
    list('latency-list', values.filter(([, ms], i) => ms !== undefined && (i < 3 || ms > 0)).map(([term, ms]) => [term, WORDS.ms(ms)]));
    if (!state.latency) list('latency-list', [[WORDS.noLatency, '']]);
  },
  receivers() {
    const { subscribers = 0, dropped = 0, xruns = 0, bad = 0 } = state.status ?? {};
    const words = WORDS.counts;
    list('losses', [[words.subscribers, subscribers], [words.dropped, dropped], [words.xruns, xruns], [words.bad, bad], [words.here, state.lostHere]]);
    const rows = state.receivers.slice(0, ROWS).map(({ host, port, sent, failed }) => [`${host.includes(':') ? `[${host}]` : host}:${port}`, sent, failed]);
    if (state.receivers.length > ROWS) rows.push([WORDS.more(state.receivers.length - ROWS), '', '']);
    $('receiver-rows').replaceChildren(
      ...rows.map((cells) => {
        const row = document.createElement('tr');
        row.append(...cells.map((text) => Object.assign(document.createElement('td'), { textContent: text })));
        return row;
      }),
    );
  },
  names() {
    const since = state.session ? new Date(Number(state.session) * 1000).toLocaleString() : '';
    const inputs = [...state.inputs.values()].join(', ');
    list('name-list', [[WORDS.name.source, state.source], [WORDS.name.inputs, inputs || WORDS.none], [WORDS.name.model, state.model.replace(/^.*\/(?=\S)/, '')], [WORDS.name.session, since]]);
    setText('source', inputs || state.source);
    setText('notice', state.notice);
  },
  status() {
    const lives = connection === 'open' && state.status;
    const kind = lives ? ['waiting', 'playing', 'paused', 'input-lost'][state.status.playing] : connection;
    $('state').dataset.state = kind ?? 'waiting';
    setText('state-text', lives ? (WORDS.states[state.status.playing] ?? '') : (WORDS.links[connection] ?? WORDS.links.connecting));
    document.body.classList.toggle('away', connection !== 'open');
    document.title = `${$('state-text').textContent} · ${WORDS.title}`;
  },
};

/* ---- running ---- */

let drawn = 0;
function frame(now) {
  if (!still.matches || now - drawn >= STILL_MS) {
    roll.draw(state, now);
    drawn = now;
  }
  for (const part of state.changed) PARTS[part]();
  state.changed.clear();
  requestAnimationFrame(frame);
}

for (const part of ['status', 'latency', 'receivers', 'names', 'loudness']) state.changed.add(part);
new ResizeObserver(() => state.changed.add('loudness')).observe($('loudness-canvas'));
requestAnimationFrame(frame);
connect(
  (address, values, before) => take(state, address, values, before),
  (next) => {
    connection = next;
    if (next !== 'open') release(state, performance.now());
    state.changed.add('status');
  },
);
