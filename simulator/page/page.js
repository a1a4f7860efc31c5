// The visitor's hands and eyes. Everything goes through the page's own server; nothing here knows how a door decides.
"use strict";

const SIGHT_MS = 250; // between two frames of the visitor's own camera
const EXPLAIN_MS = 12_000; // how long a hint stays that explains what was just done
const GOOD = new Set(["granted", "in", "access.granted", "access.in"]);
const BAD = new Set(["refused", "forced", "held_open", "fault_raised", "loss", "access.refused", "access.forced"]);

const at = (id) => document.getElementById(id);
let news = {};
let chosen = null; // ref of the reservation in hand
let entered = false;
let forcedAt = 0;

async function send(path, body) {
  const raw = body instanceof Blob;
  const answer = await fetch(path, {
    method: "POST",
    headers: { "X-Virtual-Door": "1" },
    body: raw ? body : JSON.stringify(body ?? {}),
  });
  const told = await answer.json();
  at("oops").hidden = answer.ok;
  at("oops").textContent = answer.ok ? "" : told.error;
  if (!answer.ok) throw new Error(told.error);
  return told;
}
const hardware = (verb, more) => send("/hardware", { do: verb, ...more });
const on = (id, event, act) => at(id).addEventListener(event, (e) => Promise.resolve(act(e)).catch(console.warn));

// ---- hands

for (const key of "123456789*0#") {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.setAttribute("aria-label", { "*": "star, clears", "#": "hash, ends" }[key] ?? key);
  button.addEventListener("click", () => hardware("keys", { keys: key }).catch(console.warn));
  at("keypad").append(button);
}
addEventListener("keydown", (event) => {
  const busy = event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("select, input");
  if (!busy && /^[0-9*#]$/.test(event.key)) hardware("keys", { keys: event.key }).catch(console.warn);
});
on("reserve", "submit", async (event) => {
  event.preventDefault();
  const asked = new FormData(at("reserve"));
  const made = await send("/reserve", { start_min: +asked.get("start_min"), minutes: +asked.get("minutes") });
  chosen = made.ref;
  entered = false;
});
on("type-pin", "click", () => hardware("keys", { keys: inHand().pin, interval_s: 0.15 }));
on("hold-qr", "click", () => send("/hold", { ref: chosen }));
on("cancel", "click", () => send("/cancel", { ref: chosen }));
on("which", "change", () => (chosen = at("which").value));
on("leaf", "click", async () => {
  if (news.hardware?.leaf === "open") return hardware("close_leaf");
  const { result } = await hardware("push", { wait_s: news.hardware?.relay ? 0 : 0.4 });
  if (result === "opened") entered = true;
  if (result !== "locked") return;
  at("leaf").classList.remove("shaking");
  requestAnimationFrame(() => at("leaf").classList.add("shaking"));
});
on("handle", "click", () => hardware("pull_inside"));
on("exit", "click", () => hardware("exit_button", { seconds: 0.3 }));
on("close", "click", () => hardware("close_leaf"));
on("force", "click", async () => {
  await hardware("push", { force: true });
  forcedAt = Date.now();
});
on("picture", "change", async () => {
  const [file] = at("picture").files;
  at("picture").value = "";
  if (file) await send("/frame", file);
});

// ---- the visitor's own camera

let sight = null;
on("webcam", "click", async () => {
  if (sight) return stopSight();
  const video = at("video");
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } }).catch(() => {
    at("oops").hidden = false;
    at("oops").textContent = "This browser gives no camera.";
    throw new Error("no camera");
  });
  video.hidden = false;
  at("webcam").textContent = "Stop my camera";
  await video.play();
  const canvas = document.createElement("canvas");
  sight = setInterval(() => {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    canvas.toBlob((frame) => frame && send("/frame?live", frame).catch(console.warn), "image/jpeg", 0.85);
  }, SIGHT_MS);
});
function stopSight() {
  clearInterval(sight);
  sight = null;
  for (const track of at("video").srcObject?.getTracks() ?? []) track.stop();
  at("video").hidden = true;
  at("webcam").textContent = "My camera";
}

// ---- plugs: what each is called when in and when out, how its state is seen, how it is moved

const SWITCHES = {
  cable: ["in", "cut", () => news.hardware?.cable, (whole) => hardware(whole ? "mend" : "cut")],
  power: ["on", "out", () => news.power, (on) => send("/power", { on })],
  "keypad-plug": ["in", "out", () => news.hardware?.keypad, (plugged) => hardware("plug_keypad", { plugged })],
  "camera-plug": ["in", "out", () => news.hardware?.camera, (plugged) => hardware("plug_camera", { plugged })],
  card: ["has room", "full", () => !news.card_full, (free) => send("/card", { full: !free })],
  housing: ["free", "held", () => !moved("housing_button", false), (away) => line("housing_button", !away)],
  tamper: ["closed", "open", () => moved("tamper", true), (closed) => line("tamper", closed)],
};
const moved = (name, atRest) => news.hardware?.switches[name] ?? atRest;
const line = (name, closed) => hardware("switch", { name, closed });
for (const [id, [yes, no, seen, move]] of Object.entries(SWITCHES)) {
  Object.assign(at(id).dataset, { on: yes, off: no });
  on(id, "click", () => move(!seen()));
}
for (const id of ["ahead", "drift"]) {
  on(id, "change", () => send("/clock", { ahead_s: +at("ahead").value, drift_ppm: +at("drift").value }));
}

// ---- eyes

const inHand = () => news.reservations?.find((made) => made.ref === chosen);
// As the door's own screen tells it: the room's time, not the browser's.
const clock = (ms, more) =>
  new Date(ms).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: news.time_zone, ...more });

// Flashes and clicks shorter than the time between two looks are still told: the line has risen since.
const FLASH_MS = 120;
const risen = {};
function blink(id, name) {
  const { lines, rises } = news.hardware;
  if (risen[name] !== undefined && rises[name] > risen[name]) {
    at(id).classList.add("flash");
    setTimeout(() => at(id).classList.remove("flash"), FLASH_MS);
  }
  risen[name] = rises[name];
  at(id).classList.toggle("on", Boolean(lines[name]));
}

function drawDoor() {
  const { leaf, relay, showing } = news.hardware;
  at("leaf").classList.toggle("open", leaf === "open");
  at("leaf-word").textContent = leaf === "open" ? "close" : "push";
  at("leaf").setAttribute("aria-label", leaf === "open" ? "Close the door" : "Push the door");
  at("bolt").classList.toggle("released", relay);
  blink("led", "led");
  blink("buzzer", "sound");
  at("led-word").textContent = relay ? "unlocked" : "locked";
  at("lens").classList.toggle("seeing", showing);
}

function drawTicket() {
  if (chosen && !inHand()) return; // just made, and the news does not have it yet
  const made = inHand() ?? news.reservations?.at(-1);
  at("ticket").hidden = !made;
  if (!made) return;
  chosen = made.ref;
  at("pin").textContent = made.pin;
  if (at("qr").dataset.ref !== made.ref) {
    at("qr").dataset.ref = made.ref;
    at("qr").innerHTML = made.qr; // from our own server, drawn by it
  }
  const when = `${clock(made.start * 1000)}–${clock(made.end * 1000)} in ${news.time_zone.split("/").at(-1)}`;
  const how = { queued: "on its way to the door", applied: "the door has it", cancelled: "cancelled" }[made.state];
  at("delivery").textContent = `${when}, ${how}`;
  at("others").hidden = news.reservations.length < 2;
  const refs = news.reservations.map((each) => each.ref).join();
  if (at("which").dataset.refs !== refs) {
    at("which").dataset.refs = refs;
    at("which").replaceChildren(...news.reservations.map((each) => new Option(`${each.pin}, ${clock(each.start * 1000)}`, each.ref)));
  }
  at("which").value = chosen;
}

function hint(made, step) {
  const open = news.hardware?.leaf === "open";
  if (!news.power) return "The unit has no power: it is locked, and the inside handle still opens. Plug it in again at “Power”.";
  if (Date.now() - forcedAt < EXPLAIN_MS)
    return "Forced: nothing tells this unit the inside handle from a crowbar, so it records “out”. With a switch at the handle (handle_sensed) it is “forced”, an alarm.";
  if (step === "reserve") return "Start with the blue button. The hub gives a PIN and a QR code, and tells the door.";
  if (entered && open) return "You are in. Click the door to close it; the inside handle lets you out whenever you like.";
  if (step === "push" && !entered) return "Unlocked for a few seconds: click the door.";
  if (entered) return "Again, with something broken: cut the network cable, fill the card, pull the power.";
  if (made.state === "cancelled") return "Cancelled: its PIN and QR are refused now. Try.";
  if (made.state === "queued") return "The door does not have it yet: the QR opens already, the PIN in a moment.";
  return "Click the digits on the keypad, or let “Type it” do so. “Hold up the QR” shows it to the camera.";
}

function drawSteps() {
  const made = inHand();
  const released = news.hardware?.relay;
  const step = !made ? "reserve" : released || entered ? "push" : "code";
  const order = ["reserve", "code", "push"];
  for (const item of at("steps").children) {
    const place = order.indexOf(item.dataset.step) - order.indexOf(step);
    item.classList.toggle("now", place === 0 && !entered);
    item.classList.toggle("done", place < 0 || entered);
  }
  const told = news.hardware ? hint(made, step) : "";
  if (at("hint").textContent !== told) at("hint").textContent = told; // said aloud once, not at every look
  at("keypad").classList.toggle("next", step === "code");
  at("leaf").classList.toggle("next", step === "push" && !entered);
  at("type-pin").classList.toggle("next", step === "code");
}

function drawStatus() {
  const told = news.status;
  const rows = told
    ? [
        ["clock", told.clock],
        ["list", told.grants === 1 ? "1 grant" : `${told.grants} grants`],
        ["records to send", told.unsent],
        ["PIN tries left", told.tries],
        ["inside", told.inside],
        ["broker", told.linked ? "linked" : "not linked"],
        ["faults", told.faults.join(", ") || "none"],
      ]
    : [["unit", news.power ? "does not answer" : "no power"]];
  at("status").replaceChildren(
    ...rows.flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [name, value];
      return [dt, dd];
    }),
  );
}

function drawLog(id, records) {
  const list = at(id);
  const text = JSON.stringify(records);
  if (list.dataset.text === text) return;
  list.dataset.text = text;
  list.replaceChildren(
    ...records.map(({ time, what, more, waiting }) => {
      const item = document.createElement("li");
      const [when, word, rest] = [document.createElement("time"), document.createElement("b"), document.createElement("span")];
      when.textContent = clock(time, { second: "2-digit" });
      word.textContent = what;
      rest.textContent = more;
      word.className = GOOD.has(what) ? "good" : BAD.has(what) ? "bad" : "";
      item.classList.toggle("waiting", Boolean(waiting));
      item.append(when, word, rest);
      return item;
    }),
  );
  list.scrollTop = list.scrollHeight;
}

function drawLogs() {
  const receipt = news.status?.receipt_seq ?? Infinity;
  const log = news.status?.log;
  const kept = news.door_log ?? [];
  drawLog("door-log", kept.map((record) => ({
    time: record.at,
    what: record.kind,
    more: [record.reason, record.credential].filter(Boolean).join(", "),
    waiting: record.log === log && record.seq > receipt,
  })));
  drawLog("hub-log", (news.hub_log ?? []).map((record) => ({
    time: record.time,
    what: record.type,
    more: [record.reason, record.reservation].filter(Boolean).join(", "),
  })));
  at("door-count").textContent = news.status ? `${news.status.seq} in all` : "";
  at("hub-count").textContent = news.status ? `${news.status.seq - news.status.unsent} signed for` : "";
}

function draw() {
  if (news.hardware) drawDoor();
  drawTicket();
  drawSteps();
  drawStatus();
  drawLogs();
  for (const [id, [, , seen]] of Object.entries(SWITCHES)) at(id).setAttribute("aria-checked", String(Boolean(seen())));
  if (news.display && at("display").getAttribute("src") !== news.display) at("display").src = news.display;
}

const stream = new EventSource("/news");
stream.onmessage = (event) => {
  news = JSON.parse(event.data);
  draw();
};
stream.onerror = () => {
  at("oops").hidden = false;
  at("oops").textContent = "The demo has ended.";
};
stream.onopen = () => (at("oops").hidden = true);
