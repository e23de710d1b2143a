/* What is known, from messages alone. Nothing here draws. */
const NOTES_KEPT = 800;
const LOUDNESS_KEPT = 60;
const CLOCK_SLACK_MS = 3000;

export function newState() {
  return {
    notes: new Map(), /* id: { id, pitch, velocity, on, off, label, confidence, stage } in page time */
    melody: null, /* the last note that was judged melody */
    loudness: [], /* { id, played, expected, spread, difference } */
    causal: false, /* a causal answer has come: the hidden ones step back */
    offset: null, /* page time minus daemon time, ms */
    status: null,
    tempo: null,
    latency: null,
    style: { labels: null, label: -1, confidence: 0, probabilities: null },
    emotion: { labels: null, label: -1, confidence: 0, probabilities: null },
    source: '',
    model: '',
    session: '',
    inputs: new Map(),
    receivers: [],
    counting: [],
    notice: '',
    lostHere: 0,
    changed: new Set(), /* what has to be drawn anew */
  };
}

/* Daemon time in page time: the quickest message tells the offset best. */
function pageTime(state, ms, now) {
  const offset = now - ms;
  if (state.offset === null || offset < state.offset || offset > state.offset + CLOCK_SLACK_MS) state.offset = offset;
  return ms + state.offset;
}

export function release(state, now) {
  for (const note of state.notes.values()) if (note.off === null) note.off = now;
}

function forget(state) {
  state.notes.clear();
  state.loudness = [];
  state.melody = null;
  state.offset = null;
}

function keep(state, note) {
  state.notes.set(note.id, note);
  if (state.notes.size > NOTES_KEPT) state.notes.delete(state.notes.keys().next().value);
}

function takeLoudness(state, values, causal) {
  const [id, , played, expected, spread, difference] = values;
  if (causal && !state.causal) {
    state.causal = true;
    state.loudness = [];
  }
  if (causal !== state.causal) return;
  const known = state.loudness.find((row) => row.id === id);
  if (known) Object.assign(known, { played, expected, spread, difference });
  else state.loudness.push({ id, played, expected, spread, difference });
  if (state.loudness.length > LOUDNESS_KEPT) state.loudness.shift();
  state.changed.add('loudness');
}

const TAKERS = {
  '/midibert/note': (state, [id, pitch, velocity, , onset], now) => {
    keep(state, { id, pitch, velocity, on: pageTime(state, onset, now), off: null, label: null, confidence: 0, stage: 0 });
  },
  '/midibert/note/off': (state, [id, , duration], now) => {
    const note = state.notes.get(id);
    if (note) note.off = Math.min(now, note.on + duration);
  },
  '/midibert/melody': (state, [id, , label, confidence, stage]) => {
    const note = state.notes.get(id);
    if (note) Object.assign(note, { label, confidence, stage });
  },
  '/midibert/melody/on': (state, [id, pitch, , confidence]) => {
    state.melody = { id, pitch, confidence };
    state.changed.add('melody');
  },
  '/midibert/velocity': (state, values) => takeLoudness(state, values, true),
  '/midibert/velocity/hidden': (state, values) => takeLoudness(state, values, false),
  '/midibert/panic': (state, _, now) => release(state, now),
  '/midibert/status': (state, [playing, , dropped, fill, xruns, subscribers, bad]) => {
    state.status = { playing, dropped, fill, xruns, subscribers, bad };
    state.changed.add('status').add('receivers');
  },
  '/midibert/status/session': (state, [session]) => {
    if (state.session && state.session !== session) {
      forget(state);
      state.inputs.clear();
      state.causal = false;
      state.changed.add('melody').add('loudness');
    }
    state.session = session;
    state.changed.add('names');
  },
  '/midibert/status/model': (state, [model]) => {
    state.model = model;
    state.changed.add('names');
  },
  '/midibert/status/source': (state, [source]) => {
    state.source = source;
    state.changed.add('names');
  },
  '/midibert/input': (state, [input, present, name]) => {
    if (present) state.inputs.set(input, name);
    else state.inputs.delete(input);
    state.changed.add('names');
  },
  '/midibert/tempo': (state, [bpm, confidence, source]) => {
    state.tempo = { bpm, confidence, source };
    state.changed.add('tempo');
  },
  '/midibert/latency': (state, values) => {
    state.latency = values;
    state.changed.add('latency');
  },
  '/midibert/error': (state, [code, text]) => {
    const lost = code === 'dropped' && /^(\d+) messages were lost on the way/.exec(text);
    if (lost) state.lostHere += Number(lost[1]);
    state.notice = `${code}: ${text}`;
    state.changed.add('names').add('receivers');
  },
  '/midibert/stats/total': (state) => {
    state.receivers = state.counting;
    state.counting = [];
    state.changed.add('receivers');
  },
  '/midibert/stats/receiver': (state, [host, port, sent, failed]) => {
    state.counting.push({ host, port, sent, failed });
  },
};
for (const kind of ['style', 'emotion']) {
  TAKERS[`/midibert/${kind}`] = (state, [label, confidence]) => {
    Object.assign(state[kind], { label, confidence });
    state.changed.add(kind);
  };
  TAKERS[`/midibert/${kind}/probs`] = (state, values) => {
    state[kind].probabilities = values;
    state.changed.add(kind);
  };
  TAKERS[`/midibert/${kind}/labels`] = (state, values) => {
    state[kind].labels = values;
    state.changed.add(kind);
  };
}

/* Of what was sent before this page came, only states are of use: a note of then is over. */
const PASSING = /^\/midibert\/(note|pedal|melody|velocity|panic|error|beat|stats)/;

export function take(state, address, values, before) {
  if (before && PASSING.test(address)) return;
  TAKERS[address]?.(state, values, performance.now());
}
