// Draws the pictures its server sends, and says that it does. Decides nothing, knows no texts.
"use strict";

const ICONS = {
  idle: "M6 11V8a6 6 0 0 1 12 0v3M5 11h14v10H5zM12 15v3",
  typing: "M5 5h2M11 5h2M17 5h2M5 11h2M11 11h2M17 11h2M5 17h2M11 17h2M17 17h2",
  granted: "M3 13l6 6L21 5",
  refused: "M5 5l14 14M19 5L5 19",
  wait: "M6 3h12M6 21h12M7 3c0 6 10 12 10 18M17 3c0 6-10 12-10 18",
  help: "M8 8a4 4 0 1 1 6 4c-1.500 1-2 2-2 3.500M12 20v.1",
  leave: "M10 4H4v16h6M9 12h12M16 7l5 5-5 5",
  fault: "M12 3L2 21h20zM12 10v5M12 18v.1",
  lost: "M12 3L2 21h20zM12 10v5M12 18v.1",
};
const PAGE_S = 2.5; // how long one sheet of a text that is too long stays: an answer of 5 s shows two
const ALIVE_S = 3;
const LOST_S = 12; // the server sends something every 5 s
const CHOICE_S = 20; // after this long without anybody, the policy's languages again

const at = (id) => document.getElementById(id);
let sounds = {};
let moment = null;
let chosen = "";
let forgetChoice = null;
let stream = null;
let heardAt = Date.now();
let audio = null;

function play(name) {
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
  let start = audio.currentTime + 0.02;
  for (const [hertz, seconds] of sounds[name] ?? []) {
    if (hertz) {
      const tone = audio.createOscillator();
      const loudness = audio.createGain();
      tone.frequency.value = hertz;
      loudness.gain.setValueAtTime(0.25, start);
      loudness.gain.setTargetAtTime(0, start + seconds - 0.02, 0.006); // no click at the end
      tone.connect(loudness).connect(audio.destination);
      tone.start(start);
      tone.stop(start + seconds + 0.05);
    }
    start += seconds;
  }
}

function lines(parent, tag, said) {
  parent.replaceChildren(
    ...said.map(([language, text]) => {
      const line = document.createElement(tag);
      if (language) line.lang = language;
      line.textContent = text;
      return line;
    }),
  );
}

function languageButtons(screen) {
  at("languages").hidden = !screen.languages.length;
  const keys = document.createElement("span");
  keys.textContent = screen.switch;
  at("languages").replaceChildren(
    ...(screen.switch ? [keys] : []),
    ...screen.languages.map(([code, name]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.lang = code;
      button.textContent = code;
      button.setAttribute("aria-label", name);
      button.setAttribute("aria-pressed", String(screen.chosen === code));
      button.addEventListener("click", () => choose(code));
      return button;
    }),
  );
}

function choose(code) {
  chosen = chosen === code ? "" : code;
  connect();
}

function draw(screen) {
  const before = document.body.dataset.drawn;
  const { moment: now, ...seen } = screen;
  const text = JSON.stringify(seen);
  if (screen.sound && now !== moment) play(screen.sound);
  moment = now;
  if (screen.state === "idle" && chosen) forgetChoice ??= setTimeout(() => choose(chosen), CHOICE_S * 1000);
  else if (screen.state !== "idle") forgetChoice = clearTimeout(forgetChoice) ?? null;
  if (text === before) return;
  document.body.dataset.drawn = text;
  document.body.dataset.state = screen.state;
  document.documentElement.lang = screen.spoken;
  at("icon").firstElementChild.setAttribute("d", ICONS[screen.state]);
  lines(at("headings"), "span", screen.headings);
  at("dots").hidden = !screen.dots;
  at("dots").textContent = "●".repeat(screen.dots);
  lines(at("sheet"), "p", screen.body);
  lines(at("footer"), "p", screen.footer);
  languageButtons(screen);
  firstSheet();
}

// A text longer than its place is shown sheet after sheet, whole lines each, without moving in between.
let sheet = 0;
let turning = null;
function firstSheet() {
  clearInterval(turning);
  sheet = -1;
  nextSheet();
  turning = setInterval(nextSheet, PAGE_S * 1000);
}
function nextSheet() {
  const line = parseFloat(getComputedStyle(at("sheet")).lineHeight);
  at("body").style.maxHeight = "";
  const fit = Math.floor((at("body").clientHeight + 1) / line);
  const all = Math.round(at("sheet").scrollHeight / line);
  at("body").style.maxHeight = `${fit * line}px`;
  sheet = fit ? (sheet + 1) % Math.max(1, Math.ceil(all / fit)) : 0;
  at("sheet").style.transform = `translateY(${-sheet * fit * line}px)`;
  if (all <= fit) clearInterval(turning);
}

function connect() {
  stream?.close();
  stream = new EventSource(`screens?language=${chosen}`);
  stream.onmessage = (event) => {
    heardAt = Date.now();
    draw(JSON.parse(event.data));
  };
}

// Drawn, not only loaded: a tab that hangs never gets here, and the door then knows it has no screen.
function alive() {
  requestAnimationFrame(() => fetch("alive", { method: "POST" }).catch(() => undefined));
  if (Date.now() - heardAt > LOST_S * 1000) {
    document.body.dataset.state = "lost";
    document.body.dataset.drawn = "";
    at("icon").firstElementChild.setAttribute("d", ICONS.lost);
    for (const part of ["headings", "sheet", "footer"]) lines(at(part), "p", []);
    at("dots").hidden = at("languages").hidden = true;
    connect();
    heardAt = Date.now();
  }
}

fetch("sounds.json").then((answer) => answer.json()).then((table) => (sounds = table)).finally(connect);
setInterval(alive, ALIVE_S * 1000);
alive();
addEventListener("resize", firstSheet);
