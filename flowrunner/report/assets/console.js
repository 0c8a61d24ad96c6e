
// Consoles: the log is unpacked when it is looked at; only the lines in view are drawn.
(() => {
  const view = document.getElementById("console-view");
  if (!view) return;
  const ROW = 18, TALLEST = 12e6, WIDEST = 4000, MOST = 100000;
  const sizer = view.querySelector(".sizer"), rows = view.querySelector(".rows");
  const search = document.getElementById("console-search"), only = document.getElementById("console-only");
  const counter = document.getElementById("console-hits"), jump = document.getElementById("console-steps");
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const decoder = new TextDecoder(), loaded = new Map();
  let log = null, hits = [], hit = -1, words = "", here = -1, scan = 0;

  async function unpack(id) {
    const text = atob(document.getElementById(id).textContent);
    if (!text) return new Uint8Array();
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // `starts` are where lines begin in `bytes`; a line of a later segment has another offset and number in the file.
  function index(bytes, segments) {
    let count = 0;
    const starts = new Uint32Array(segments.reduce((n, s) => n + newlines(bytes, s) + 1, 0) + 1);
    let at = 0;
    for (const segment of segments) {
      segment.at = at;
      segment.first = count;
      const end = at + segment.length;
      while (at < end) {
        starts[count++] = at;
        const next = bytes.indexOf(10, at);
        at = next < 0 || next >= end ? end : next + 1;
      }
    }
    starts[count] = at;
    return { starts, count };
  }

  function newlines(bytes, segment) {
    let count = 0;
    for (let at = segment.offset0, end = at + segment.length; (at = bytes.indexOf(10, at)) >= 0 && at < end; at++) count++;
    return count;
  }

  async function load(number) {
    const facts = JSON.parse(document.getElementById(`console-${number}`).textContent);
    const [bytes, times] = await Promise.all([unpack(`console-${number}-log`), unpack(`console-${number}-times`)]);
    let at = 0;
    const segments = facts.segments.map(([offset, line, length]) => {
      const segment = { offset, line, length, offset0: at };
      at += length;
      return segment;
    });
    const made = { ...facts, bytes, segments, ...index(bytes, segments), ...stamps(times) };
    made.inserts = inserts(made);
    return made;
  }

  function stamps(raw) {
    const steps = new Uint32Array(raw.buffer, 0, raw.length >> 2);
    const offsets = new Float64Array(steps.length / 2), times = new Float64Array(steps.length / 2);
    for (let i = 0, offset = 0, time = 0; i < offsets.length; i++) {
      offsets[i] = offset += steps[2 * i];
      times[i] = time += steps[2 * i + 1];
    }
    return { offsets, times };
  }

  // Rows that are not lines of the log: where a step began, and where something was left out.
  function inserts(made) {
    const found = made.marks.map(mark => ({ line: lineAt(made, mark.offset), mark }));
    made.segments.forEach((segment, i) => {
      const before = i ? made.segments[i - 1].offset + made.segments[i - 1].length : 0;
      if (segment.offset > before) found.push({ line: segment.first, gap: segment.offset - before });
    });
    return found.sort((a, b) => a.line - b.line || (a.gap ? -1 : 0) - (b.gap ? -1 : 0));
  }

  function last(count, below) {  // the last index for which `below` holds, -1 when there is none
    let low = -1, high = count;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (below(middle)) low = middle; else high = middle;
    }
    return low;
  }

  function lineAt(made, offset) {
    const s = made.segments[Math.max(0, last(made.segments.length, i => made.segments[i].offset <= offset))];
    if (!s) return 0;
    const at = s.at + Math.min(Math.max(offset - s.offset, 0), s.length);
    const line = last(made.count, i => made.starts[i] <= at);
    return at >= made.starts[made.count] && made.bytes[at - 1] === 10 ? made.count : Math.max(line, 0);
  }

  function segmentOf(line) {
    return log.segments[last(log.segments.length, i => log.segments[i].first <= line)];
  }

  const fileOffset = line => { const s = segmentOf(line); return s.offset + log.starts[line] - s.at; };

  function timeOf(offset) {
    const i = last(log.offsets.length, n => log.offsets[n] <= offset);
    return i < 0 ? "" : (log.times[i] / 1000).toFixed(3);
  }

  const filtered = () => only.checked && words;
  const total = () => filtered() ? hits.length : log.count + log.inserts.length;
  const rowOfLine = line => filtered() ? last(hits.length, i => hits[i] <= line) : line + 1 + last(log.inserts.length, i => log.inserts[i].line <= line);

  function item(row) {
    if (filtered()) return { line: hits[row] };
    const i = last(log.inserts.length, n => log.inserts[n].line + n <= row);
    if (i >= 0 && log.inserts[i].line + i === row) return { insert: log.inserts[i] };
    return { line: row - i - 1 };
  }

  // Drawing. Beyond the height that browsers bear, the scroll bar stands for proportions.
  const height = () => Math.min(total() * ROW + 8, TALLEST);
  const page = () => Math.max(1, Math.floor(view.clientHeight / ROW));
  const scaled = () => total() * ROW + 8 > TALLEST;
  const topRow = () => scaled()
    ? Math.round(view.scrollTop / Math.max(1, TALLEST - view.clientHeight) * Math.max(0, total() - page()))
    : Math.floor(view.scrollTop / ROW);

  function draw() {
    if (!log) return;
    sizer.style.height = `${height()}px`;
    const first = Math.max(0, topRow() - 2), end = Math.min(total(), first + page() + 6);
    const fragment = document.createDocumentFragment();
    for (let row = first; row < end; row++) {
      const what = item(row);
      fragment.append(what.insert ? insertRow(what.insert) : lineRow(what.line));
    }
    rows.replaceChildren(fragment);
    rows.style.transform = `translateY(${scaled() ? view.scrollTop : first * ROW}px)`;
  }

  function element(name, kind, text) {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function insertRow({ mark, gap }) {
    if (gap) return element("div", "row gap", `${(gap / 1048576).toFixed(1)} MiB are left out here; the whole log is ${log.log}`);
    const row = element("div", `row step-mark ${mark.outcome}`);
    row.append(element("span", "no", "▸"), element("span", "at", mark.time === null ? "" : mark.time.toFixed(3)));
    const link = element(mark.step ? "a" : "span", "", mark.label);
    if (mark.step) link.href = `#${mark.step}`;
    row.append(link);
    return row;
  }

  function lineRow(line) {
    const offset = fileOffset(line), length = log.starts[line + 1] - log.starts[line];
    const row = element("div", line === here ? "row here" : "row");
    const segment = segmentOf(line);
    const number = element("a", "no", segment.line + line - segment.first);
    number.href = `#${encodeURIComponent(log.name)}@${offset}`;
    row.append(number, element("span", "at", timeOf(offset)));
    const inside = log.hits.filter(h => h.start < offset + length && h.end > offset);
    if (inside.some(h => h.kind !== "match")) row.classList.add("failed-here");
    paint(row, log.bytes.subarray(log.starts[line], log.starts[line] + Math.min(length, WIDEST)), inside.filter(h => h.kind === "match"), offset);
    if (length > WIDEST) row.append(element("small", "", ` … ${length - WIDEST} bytes more`));
    return row;
  }

  // Colours (SGR) are shown, other control sequences are left out, other control characters become pictures.
  const SEQUENCE = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?/g;
  const picture = text => text.replace(/\x08+/g, "\u232b").replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, c => c < "\x20" ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : "\ufffd")
    .replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

  function paint(row, bytes, matches, offset) {
    const cuts = [0, ...matches.flatMap(m => [m.start - offset, m.end - offset]).map(n => Math.min(Math.max(n, 0), bytes.length)), bytes.length];
    let style = "";
    for (let i = 0; i + 1 < cuts.length; i++) {
      const text = decoder.decode(bytes.subarray(cuts[i], cuts[i + 1])).replace(/[\r\n]+$/, "");
      const parent = i % 2 ? element("mark", "match") : row;
      let at = 0;
      for (const found of text.matchAll(SEQUENCE)) {
        put(parent, text.slice(at, found.index), style);
        if (found[2] === "m") style = colour(style, found[1]);
        at = found.index + found[0].length;
      }
      put(parent, text.slice(at), style);
      if (parent !== row) row.append(parent);
    }
  }

  function colour(style, codes) {
    for (const code of codes.split(";").map(Number)) {
      if (code === 0) style = "";
      else if (code === 1) style = style.replace(/ ?cb/, "") + " cb";
      else if (code === 39) style = style.replace(/c[0-7]/, "");
      else if (code >= 30 && code <= 37) style = style.replace(/c[0-7]/, "") + ` c${code - 30}`;
      else if (code >= 90 && code <= 97) style = style.replace(/c[0-7]/, "") + ` c${code - 90}`;
    }
    return style;
  }

  function put(parent, text, style) {
    if (!text) return;
    text = picture(text);
    const target = style.trim() ? parent.appendChild(element("span", style.trim())) : parent;
    const low = words ? text.toLowerCase() : "";
    let at = 0;
    for (let found; words && (found = low.indexOf(words, at)) >= 0; at = found + words.length) {
      target.append(text.slice(at, found), element("mark", "", text.slice(found, found + words.length)));
    }
    target.append(text.slice(at));
  }

  function show(line) {
    here = line;
    const row = rowOfLine(line), top = Math.max(0, row - Math.floor(page() / 3));
    view.scrollTop = scaled() ? top / Math.max(1, total() - page()) * (TALLEST - view.clientHeight) : top * ROW;
    view.scrollLeft = 0;
    draw();
  }

  // Searching goes through the log in blocks of whole lines and lets the page breathe in between.
  async function find() {
    const mine = ++scan;
    words = search.value.toLowerCase();
    [hits, hit] = [[], -1];
    for (let line = 0; words && line < log.count && hits.length < MOST;) {
      const end = Math.max(line + 1, last(log.count, i => log.starts[i] < log.starts[line] + (1 << 19)));
      const text = decoder.decode(log.bytes.subarray(log.starts[line], log.starts[end])).toLowerCase();
      let at = 0, found = 0, number = line;
      while ((found = text.indexOf(words, at)) >= 0) {
        for (let next = at; (next = text.indexOf("\n", next)) >= 0 && next < found; next++) number++;
        hits.push(number);
        const newline = text.indexOf("\n", found);
        if (newline < 0) break;
        at = newline + 1;
        number++;
      }
      line = end;
      await new Promise(done => setTimeout(done));
      if (mine !== scan) return;
      counter.textContent = `${hits.length} lines`;
    }
    counter.textContent = words ? (hits.length ? `${hits.length}${hits.length >= MOST ? "+" : ""} lines` : "no line") : "";
    if (hits.length) go(0); else draw();
  }

  function go(number) {
    if (!hits.length) return;
    hit = (number + hits.length) % hits.length;
    counter.textContent = `${hit + 1} of ${hits.length}${hits.length >= MOST ? "+" : ""}`;
    show(hits[hit]);
  }

  async function choose(number) {
    for (const tab of tabs) tab.setAttribute("aria-selected", String(Number(tab.dataset.index) === number));
    for (const tab of tabs) tab.tabIndex = Number(tab.dataset.index) === number ? 0 : -1;
    if (!loaded.has(number)) loaded.set(number, load(number));
    log = await loaded.get(number);
    here = -1;
    jump.replaceChildren(new Option("Go to a step", ""), ...log.marks.map(m => new Option("\u00a0".repeat(2 * m.depth) + m.label, m.offset)));
    view.dataset.lines = log.count;
    view.scrollTop = 0;
    draw();
    if (search.value) await find();
  }

  async function open(name, offset) {
    await choose(tabs.findIndex(tab => tab.firstChild.textContent === name));
    document.getElementById("consoles").scrollIntoView();
    if (!search.value) show(lineAt(log, offset));
    view.focus({ preventScroll: true });
  }

  // `#dut.console@1234` leads to an offset of the log, `#dut.console/text` to the first line with the text.
  async function follow() {
    const [, name, offset, text] = /^#(.+?)(?:@(\d+)|\/(.+))$/.exec(decodeURIComponent(location.hash)) ?? [];
    if (!tabs.some(tab => tab.firstChild.textContent === name)) return;
    if (text) search.value = text;
    await open(name, Number(offset ?? 0));
  }

  for (const tab of tabs) tab.addEventListener("click", () => choose(Number(tab.dataset.index)));
  document.querySelector("[role=tablist]").addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = (tabs.findIndex(tab => tab.tabIndex === 0) + step + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  });
  for (const button of document.querySelectorAll("[data-console]")) {
    button.addEventListener("click", () => { search.value = ""; open(button.dataset.console, Number(button.dataset.offset)); });
  }
  let typing = 0;
  search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(find, 150); });
  search.addEventListener("keydown", event => { if (event.key === "Enter") go(hit + (event.shiftKey ? -1 : 1)); });
  document.getElementById("console-next").addEventListener("click", () => go(hit + 1));
  document.getElementById("console-previous").addEventListener("click", () => go(hit - 1));
  only.addEventListener("change", () => hits.length ? show(hits[Math.max(hit, 0)]) : draw());
  jump.addEventListener("change", () => { if (jump.value) show(lineAt(log, Number(jump.value))); });
  view.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  addEventListener("resize", draw);
  document.querySelector(".noscript").hidden = true;

  addEventListener("hashchange", follow);
  follow();

  const fail = error => rows.replaceChildren(element("div", "row gap", `the log could not be unpacked: ${error.message}`));
  const start = () => { if (!log) choose(0).catch(fail); };
  if (location.hash === "#consoles" || document.getElementById("console-0-log").textContent.length < 1e6) start();
  new IntersectionObserver((entries, observer) => {
    if (!entries.some(entry => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { rootMargin: "1500px" }).observe(view);
})();
