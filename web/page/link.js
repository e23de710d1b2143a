/* The connection to the daemon: an OSCQuery client. It listens first and then asks for what was sent before; whatever
 * breaks, it tries again. */
import { decode } from './osc.js';

const SILENT_MS = 4000; /* the daemon sends its status once a second */
const GIVE_UP_MS = 12000;
const DELAYS_MS = [300, 700, 1500, 3000, 5000];

/* take(address, values) for every message; show(state) for 'connecting', 'open', 'silent', 'lost', 'refused'. */
export function connect(take, show) {
  const token = new URLSearchParams(location.search).get('token');
  const query = token ? `?token=${encodeURIComponent(token)}` : '';
  let socket = null;
  let attempts = 0;
  let heard = 0;
  let timer = 0;
  let state = '';

  const tell = (next) => {
    if (next !== state) show((state = next));
  };

  async function snapshot(fresh) {
    const answer = await fetch(`/midibert${query}`, { cache: 'no-store' });
    if (!answer.ok) return;
    const walk = (node) => {
      if (node.VALUE && !fresh.has(node.FULL_PATH)) take(node.FULL_PATH, node.VALUE, true);
      for (const child of Object.values(node.CONTENTS || {})) walk(child);
    };
    walk(await answer.json());
  }

  async function again() {
    socket = null;
    tell('lost');
    /* A browser does not say why a WebSocket failed; a request does. */
    try {
      if ((await fetch(`/${query}${query ? '&' : '?'}VALUE`, { cache: 'no-store' })).status === 403) tell('refused');
    } catch {
      /* nobody there: try again */
    }
    clearTimeout(timer);
    timer = setTimeout(open, DELAYS_MS[Math.min(attempts++, DELAYS_MS.length - 1)]);
  }

  function open() {
    const mine = new WebSocket(`ws://${location.host}/${query}`);
    const fresh = new Set();
    socket = mine;
    mine.binaryType = 'arraybuffer';
    mine.onopen = () => {
      attempts = 0;
      heard = performance.now();
      mine.send(JSON.stringify({ COMMAND: 'LISTEN', DATA: '/midibert' }));
      snapshot(fresh).catch(() => {});
      tell('open');
    };
    mine.onmessage = (event) => {
      if (typeof event.data === 'string') return;
      const message = decode(event.data);
      heard = performance.now();
      fresh.add(message.address);
      tell('open');
      take(message.address, message.values, false);
    };
    mine.onclose = () => {
      if (socket === mine) again();
    };
  }

  setInterval(() => {
    if (!socket || socket.readyState !== WebSocket.OPEN) return;
    const quiet = performance.now() - heard;
    if (quiet > GIVE_UP_MS) {
      socket.onclose = null;
      socket.close();
      again();
    } else if (quiet > SILENT_MS) {
      tell('silent');
    }
  }, 500);

  tell('connecting');
  open();
}
