"use strict";
const byId = id => document.getElementById(id);
const shown = new Map();

function add(stream) {
  const part = document.createElement("section");
  const title = document.createElement("h3");
  title.textContent = `${stream.codec || "stream"} from the ${stream.side}`;
  const listen = document.createElement("button");
  listen.textContent = "Listen";
  const heard = document.createElement("output");
  listen.addEventListener("click", () => play(stream.id, listen, heard));
  const url = document.createElement("p");
  url.append("For a player with pictures, such as ffplay or VLC: ");
  const code = document.createElement("code");
  code.textContent = stream.url;
  url.append(code);
  part.append(title, listen, " ", heard, url);
  byId("streams").append(part);
  shown.set(stream.id, part);
}

function show(status) {
  byId("room").textContent = status.room;
  byId("screens").textContent = status.screens.join(", ") || "none has joined";
  byId("call").textContent = status.sid ? `${status.call} (${status.sid})` : status.call;
  byId("none").hidden = status.streams.length > 0;
  const ids = new Set(status.streams.map(stream => stream.id));
  for (const [id, part] of shown) {
    if (!ids.has(id)) {
      part.remove();
      shown.delete(id);
    }
  }
  for (const stream of status.streams) {
    if (!shown.has(stream.id)) add(stream);
  }
}

// RFC 2361's formats 6 and 7: a byte is a sample of A-law or mu-law.
function linear(format, code) {
  if (format === 7) {
    const c = ~code & 0xFF;
    const t = (((c & 0x0F) << 3) + 0x84) << ((c & 0x70) >> 4);
    return (c & 0x80 ? 0x84 - t : t - 0x84) / 32768;
  }
  const c = code ^ 0x55;
  const exponent = (c & 0x70) >> 4;
  const t = ((c & 0x0F) << 4) + 8;
  const level = exponent > 0 ? (t + 0x100) << (exponent - 1) : t;
  return (c & 0x80 ? level : -level) / 32768;
}

// The WAV grows as the call goes on: <audio> would wait for seconds of it before it plays.
async function play(id, button, heard) {
  button.disabled = true;
  const context = new AudioContext();
  const response = await fetch(`/sound/${encodeURIComponent(id)}.wav`);
  const reader = response.body.getReader();
  const HEADER = 46;
  let head = [], format = 0, at = 0, samples = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    let codes = [...value];
    if (!format) {
      head = head.concat(codes);
      if (head.length <= HEADER) continue;
      format = head[20];
      codes = head.slice(HEADER);
    }
    const buffer = context.createBuffer(1, codes.length, 8000);
    buffer.getChannelData(0).set(codes.map(code => linear(format, code)));
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(context.destination);
    at = Math.max(at, context.currentTime + 0.1);
    source.start(at);
    at += buffer.duration;
    samples += codes.length;
    heard.textContent = `${(samples / 8000).toFixed(1)} s`;
  }
  context.close();
  button.disabled = false;
}

async function look() {
  try {
    show(await (await fetch("/status")).json());
  } catch {
    byId("call").textContent = "the box does not answer";
  }
  setTimeout(look, 1000);
}

byId("open").addEventListener("submit", async event => {
  event.preventDefault();
  const headers = { Authorization: `Bearer ${byId("token").value.trim()}` };
  try {
    const answer = await fetch("/open", { method: "POST", headers });
    byId("opened").textContent = (await answer.json()).message;
  } catch {
    byId("opened").textContent = "the box does not answer";
  }
});
look();
