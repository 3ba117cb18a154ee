// Keeps the phones fresh and turns taps into calls of the /sim API.
const phones = document.getElementById("phones");
const picker = document.getElementById("picker");
const trouble = document.getElementById("trouble");
const seen = new Map(); // person → number of the newest entry that was looked at
let seq = 0, epoch = 0, count = 0, pickingFor = null;

const say = (text) => { trouble.textContent = text; trouble.hidden = !text; };

async function call(path, body, method = "POST") {
  const answer = await fetch(path, {
    method,
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const told = await answer.json();
  say(answer.ok ? "" : told.error || (typeof told.detail === "string" ? told.detail : JSON.stringify(told.detail)));
  await refresh();
}

const find = (id) => [...phones.children].find((phone) => phone.dataset.id === id);
const base = (phone) => `/sim/${phone.classList.contains("line") ? "line" : "sms"}/${encodeURIComponent(phone.dataset.id)}`;

function markUnread(phone) {
  const rows = [...phone.querySelectorAll(".row.theirs:not(.unseen)")];
  const news = rows.filter((row) => Number(row.dataset.seq) > (seen.get(phone.dataset.id) || 0)).length;
  const badge = phone.querySelector(".badge");
  badge.textContent = news;
  badge.hidden = news === 0;
}

function look(phone) {
  const rows = phone.querySelectorAll(".row");
  if (rows.length) seen.set(phone.dataset.id, Number(rows[rows.length - 1].dataset.seq));
  markUnread(phone);
}

// Whoever works by keyboard goes on where they were, at what can be answered next, or waits for it in the chat.
function renew(phone, live) {
  const held = phone.querySelector(".live :focus");
  phone.querySelector(".live").replaceWith(live);
  if (!held) return;
  const controls = [...live.querySelectorAll("button, select, a")];
  const same = controls.find((one) => one.textContent === held.textContent && one.dataset.seq === held.dataset.seq);
  (same || live.querySelector(".chips button") || live.querySelector(".chat")).focus({ preventScroll: true });
}

function draw(id, html) {
  const box = document.createElement("div");
  box.innerHTML = html;
  const fresh = box.firstElementChild;
  let phone = find(id);
  if (phone) renew(phone, fresh.querySelector(".live"));
  else phones.append((phone = fresh));
  const chat = phone.querySelector(".chat");
  chat.scrollTop = chat.scrollHeight;
  if (phone.contains(document.activeElement)) look(phone); else markUnread(phone);
}

let running = null;
function refresh() {
  running = (running || Promise.resolve()).then(load);
  return running;
}

async function load() {
  try {
    const state = await (await fetch(`/sim/phones?since=${seq}&epoch=${epoch}`)).json();
    if (state.epoch !== epoch) {
      phones.replaceChildren();
      document.getElementById("rows").replaceChildren();
      seen.clear();
      count = 0;
    }
    ({ seq, epoch } = state);
    for (const [id, html] of Object.entries(state.phones)) draw(id, html);
    state.order.forEach((id, place) => { const phone = find(id); if (phone) phone.style.order = place; });
    const rows = document.createElement("tbody");
    rows.innerHTML = state.ledger;
    count += rows.children.length;
    document.getElementById("count").textContent = count;
    document.getElementById("rows").prepend(...rows.children);
    document.getElementById("faults").textContent = state.faults.length ? "ขัดข้อง: " + state.faults.join(" และ ") : "";
    document.body.classList.toggle("lost", false);
  } catch {
    document.body.classList.toggle("lost", true);
  }
}

async function tap(button, phone) {
  if (button.dataset.action === "location") return openPicker(phone);
  if (button.dataset.action === "uri") window.open(button.dataset.uri, "_blank");
  return call(`${base(phone)}/tap`, { label: button.dataset.tap, seq: Number(button.dataset.seq) });
}

function openPicker(phone) {
  pickingFor = phone;
  picker.showModal();
}

function sendPlace(place) {
  picker.close();
  return call(`${base(pickingFor)}/location`, place);
}

phones.addEventListener("click", (event) => {
  const phone = event.target.closest(".phone");
  if (!phone) return;
  look(phone);
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.tap) tap(button, phone);
  else if (button.dataset.call) call(`/sim/voice/${encodeURIComponent(phone.dataset.id)}/${button.dataset.call}`);
  else if (button.dataset.key) call(`/sim/voice/${encodeURIComponent(phone.dataset.id)}/press`, { digits: button.dataset.key });
  else if (button.dataset.do) call(`${base(phone)}/${button.dataset.do}`);
  else if ("menu" in button.dataset) call(`${base(phone)}/postback`, { data: "action=report", display_text: "แจ้งเหตุด่วน" });
  else if (button.classList.contains("place-button")) openPicker(phone);
});

phones.addEventListener("change", (event) => {
  if (!("habit" in event.target.dataset)) return;
  const id = event.target.closest(".phone").dataset.id;
  call(`/sim/voice/${encodeURIComponent(id)}/habit`, { habit: event.target.value });
});

phones.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.text;
  const text = field.value.trim();
  field.value = "";
  if (text) call(`${base(event.target.closest(".phone"))}/text`, { text });
});

picker.addEventListener("click", (event) => {
  const preset = event.target.closest(".preset");
  if (preset) {
    const { title, address, latitude, longitude } = preset.dataset;
    sendPlace({ title, address, latitude: Number(latitude), longitude: Number(longitude) });
  } else if (event.target.id === "typed-place") {
    const [latitude, longitude] = ["latitude", "longitude"].map((id) => document.getElementById(id).value);
    if (latitude && longitude) sendPlace({ latitude: Number(latitude), longitude: Number(longitude) });
  }
});

document.querySelector(".faults").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.id === "clear-faults") call("/sim/faults", undefined, "DELETE");
  else call("/sim/faults", JSON.parse(button.dataset.fault));
  button.closest("details").open = false;
});

// Where phones become higher or lower, the newest message stays in sight.
const toNewest = () => phones.querySelectorAll(".chat").forEach((chat) => { chat.scrollTop = chat.scrollHeight; });
addEventListener("resize", toNewest);
document.querySelector(".ledger").addEventListener("toggle", toNewest);

refresh();
setInterval(refresh, 800);
