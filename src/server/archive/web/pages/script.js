"use strict";
// The days of the pages are the browser's: the server learns its zone.
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = document.cookie.split("; ").find((pair) => pair.startsWith("tz="));
  if (zone && (!known || decodeURIComponent(known.slice(3)) !== zone)) {
    document.cookie = `tz=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
    if (!known && document.querySelector("time, table, .lead")) location.reload();
  }
})();

// The player of a call: the cursor in its waveform, and keys.
(() => {
  const player = document.getElementById("player");
  const wave = document.getElementById("wave");
  if (!player || !wave) return;
  const cursor = document.getElementById("cursor");
  const speed = document.getElementById("speed");
  // The waveform's place in its picture, in the picture's units (svg.rs).
  const left = 30 / 1260, width = 1200 / 1260;
  const show = () => {
    if (!(player.duration > 0)) return;
    cursor.style.display = "block";
    cursor.style.left = `${(left + width * player.currentTime / player.duration) * 100}%`;
  };
  player.addEventListener("timeupdate", show);
  player.addEventListener("seeked", show);
  const seek = (time) => { player.currentTime = Math.max(0, Math.min(player.duration || 0, time)); };
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width - left) / width * player.duration);
  });
  const rate = (step) => {
    speed.selectedIndex = Math.max(0, Math.min(speed.options.length - 1, speed.selectedIndex + step));
    player.playbackRate = Number(speed.value);
  };
  speed.addEventListener("change", () => rate(0));
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, textarea, select, button, audio, summary, a") || event.ctrlKey || event.altKey || event.metaKey) return;
    const keys = {
      " ": () => player.paused ? player.play() : player.pause(),
      ArrowLeft: () => seek(player.currentTime - 5), ArrowRight: () => seek(player.currentTime + 5),
      Home: () => seek(0), End: () => seek(player.duration), "<": () => rate(-1), ">": () => rate(1),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
})();

// A running call: its WAV grows while it is read; what has come is played half a second later.
(() => {
  const button = document.getElementById("live");
  if (!button) return;
  const time = document.getElementById("live-time");
  const label = button.textContent;
  let stop = null;
  const listen = async () => {
    const abort = new AbortController();
    const context = new AudioContext();
    stop = () => { abort.abort(); context.close(); stop = null; button.textContent = label; };
    button.textContent = button.dataset.stop;
    // From the edge on: what is older can be heard once the call has ended.
    const head = await fetch(button.dataset.src, { headers: { Range: "bytes=0-" }, signal: abort.signal });
    const range = /bytes 0-(\d+)/.exec(head.headers.get("Content-Range") || "");
    await head.body?.cancel();
    let at = range ? Number(range[1]) + 1 : 44;
    let due = 0, heard = 0, rest = new Uint8Array(0);
    const play = (bytes) => {
      const all = new Uint8Array(rest.length + bytes.length);
      all.set(rest); all.set(bytes, rest.length);
      const samples = all.length >> 1;
      rest = all.slice(samples * 2);
      if (!samples) return;
      const view = new DataView(all.buffer);
      const buffer = context.createBuffer(1, samples, 8000);
      const data = buffer.getChannelData(0);
      for (let i = 0; i < samples; i++) data[i] = view.getInt16(i * 2, true) / 32768;
      const source = context.createBufferSource();
      source.buffer = buffer;
      source.connect(context.destination);
      if (due < context.currentTime) due = context.currentTime + 0.5;
      source.start(due);
      due += buffer.duration;
      heard += buffer.duration;
      time.textContent = `${heard.toFixed(1)} s`;
      button.dataset.heard = heard.toFixed(2);
    };
    while (stop) {
      const part = await fetch(button.dataset.src, { headers: { Range: `bytes=${at}-` }, signal: abort.signal });
      if (part.status === 503) continue;
      if (part.status !== 206 || !/\/\*$/.test(part.headers.get("Content-Range") || "")) break;
      const bytes = new Uint8Array(await part.arrayBuffer());
      at += bytes.length;
      button.dataset.at = at;
      play(bytes);
    }
    // The call has ended: its page has the player.
    if (stop) { stop(); location.reload(); }
  };
  button.addEventListener("click", () => {
    if (stop) stop(); else listen().catch(() => { if (stop) stop(); });
  });
})();
