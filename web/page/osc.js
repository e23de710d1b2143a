/* OSC messages as they come over the WebSocket: one binary message each, of types i, f and s. */
export function decode(buffer) {
  const view = new DataView(buffer);
  let at = 0;
  const text = () => {
    let end = at;
    while (view.getUint8(end) !== 0) end++;
    const bytes = new Uint8Array(buffer, at, end - at);
    at = (end + 4) & ~3;
    return new TextDecoder().decode(bytes);
  };
  const address = text();
  const values = [];
  for (const type of text().slice(1)) {
    if (type === 's') {
      values.push(text());
    } else {
      values.push(type === 'i' ? view.getInt32(at) : view.getFloat32(at));
      at += 4;
    }
  }
  return { address, values };
}
