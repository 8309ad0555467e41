"use strict";

const results = document.getElementById("results");
const status = document.getElementById("status");
const drop = document.getElementById("drop");
let info = { model: "xception", task: null, classes: [], max_body_bytes: 32 << 20 };

/** Return the address of a path: relative, so that the page works under any prefix. */
function address(path) {
  return new URL(path, document.baseURI);
}

/** Return what went wrong with an answer, in words. */
async function reason(answer) {
  if (answer.status === 413) return "This file is too large for the server.";
  try {
    const value = await answer.json();
    if (value.error) return sentence(value.error);
  } catch { /* no JSON: a proxy's own page */ }
  return `The server answered with the status ${answer.status}.`;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?)]$/.test(text) ? "" : ".");
}

function looksLikeHeic(file) {
  return /\.(heic|heif)$/i.test(file.name) || /heic|heif/.test(file.type);
}

async function send(path, file) {
  return fetch(address(path), { method: "POST", body: file, headers: { "Content-Type": "application/octet-stream" } });
}

async function add(files) {
  for (const file of files) {
    const card = document.getElementById("card").content.firstElementChild.cloneNode(true);
    results.prepend(card);
    await show(card, file);
  }
}

function complain(card, text) {
  const problem = card.querySelector(".problem");
  problem.textContent = text;
  problem.hidden = false;
  status.textContent = "";
}

async function show(card, file) {
  card.querySelector("figcaption").textContent = file.name || "Pasted photograph";
  const photo = card.querySelector(".photo");
  photo.alt = file.name || "Pasted photograph";
  photo.src = URL.createObjectURL(file);
  photo.onerror = () => { photo.hidden = true; };
  if (file.size > info.max_body_bytes) return complain(card, "This file is too large for the server.");
  status.textContent = `Reading ${file.name || "the photograph"} …`;
  let answer;
  try {
    answer = await send(info.task === null ? "features" : "predict", file);
  } catch {
    return complain(card, "The server does not answer. Is it still running?");
  }
  if (!answer.ok) {
    const text = await reason(answer);
    return complain(card, looksLikeHeic(file) ? `This is a HEIC photograph. ${text}` : text);
  }
  const value = await answer.json();
  card.querySelector(".more").hidden = false;
  prepareFeatures(card, file);
  prepareCall(card, file);
  if (info.task === null) {
    status.textContent = "";
    compare(card, photo.alt, value.features[0]);
    return;
  }
  const classes = value.predictions[0].classes;
  drawBars(card, classes);
  status.textContent = `${file.name || "Photograph"}: ${classes.length ? classes[0].name : "none"}`;
  prepareMap(card, file, classes);
}

function drawBars(card, classes) {
  const bars = card.querySelector(".bars");
  bars.replaceChildren();
  for (const { name, score } of classes) {
    const bar = document.createElement("li");
    const isShare = info.task !== "regression" && score >= 0 && score <= 1;
    bar.style.backgroundSize = `${isShare ? (100 * score).toFixed(1) : 0}% 100%`;
    const label = document.createElement("span");
    label.className = "name";
    label.textContent = name.replaceAll("_", " ");
    const number = document.createElement("span");
    number.className = "score";
    number.textContent = info.task === null ? score.toFixed(3) : isShare ? `${(100 * score).toFixed(1)} %` : score.toPrecision(4);
    bar.append(label, number);
    bars.append(bar);
  }
  if (!classes.length) complain(card, "No label reaches its threshold.");
}

// --- similar photographs, where the model has no classes ------------------------------------

const compared = [];

/** Show how similar a photograph is to the others on the page: the cosine between their features. */
function compare(card, name, features) {
  const length = Math.hypot(...features) || 1;
  compared.push({ card, name, direction: features.map((value) => value / length) });
  for (const one of compared) {
    const others = compared.filter((other) => other !== one).map((other) => ({
      name: other.name, score: one.direction.reduce((sum, value, index) => sum + value * other.direction[index], 0),
    }));
    if (others.length) drawBars(one.card, others.sort((a, b) => b.score - a.score).slice(0, 5));
    const explained = one.card.querySelector(".explained");
    explained.textContent = others.length ? "Similarity to the other photographs; 1 is most similar."
      : "Add another photograph, to see how similar the two are.";
    explained.hidden = false;
  }
}

// --- the heat map ---------------------------------------------------------------------------

function prepareMap(card, file, classes) {
  const [toggle, slider, choice] = [".explain", ".slider", ".class"].map((name) => card.querySelector(name));
  const heat = card.querySelector(".heat");
  card.querySelector(".tools").hidden = false;
  for (const { name } of classes) choice.append(new Option(name.replaceAll("_", " "), name));
  const update = async () => {
    const isOn = toggle.checked;
    for (const name of [".strength", ".choice"]) card.querySelector(name).hidden = !isOn || !classes.length;
    heat.hidden = !isOn;
    if (!isOn) {
      card.querySelector(".photo").src = URL.createObjectURL(file);
      card.querySelector(".explained").hidden = true;
      return;
    }
    status.textContent = "Computing the heat map …";
    const target = choice.value ? `&class=${encodeURIComponent(choice.value)}` : "";
    // As the model sees the photograph: once without the map, and once with all of it, laid over each other.
    const answers = await Promise.all(["0", "1"].map((alpha) => send(`explain?alpha=${alpha}${target}`, file)));
    const failed = answers.find((answer) => !answer.ok);
    if (failed) return complain(card, await reason(failed));
    const [plain, whole] = await Promise.all(answers.map((answer) => answer.blob()));
    card.querySelector(".photo").src = URL.createObjectURL(plain);
    heat.src = URL.createObjectURL(whole);
    heat.alt = `What speaks for ${choice.selectedOptions[0]?.text ?? "the best class"}`;
    heat.style.opacity = slider.value / 100;
    const explained = card.querySelector(".explained");
    explained.textContent = "What glows speaks for the class.";
    explained.hidden = false;
    status.textContent = "";
  };
  toggle.addEventListener("change", update);
  choice.addEventListener("change", update);
  slider.addEventListener("input", () => { heat.style.opacity = slider.value / 100; });
}

// --- for programs ---------------------------------------------------------------------------

function prepareFeatures(card, file) {
  card.querySelector(".features").addEventListener("click", async () => {
    status.textContent = "Computing features …";
    const answer = await send("features?format=csv", file);
    if (!answer.ok) return complain(card, await reason(answer));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `${(file.name || "photograph").replace(/\.\w+$/, "")}.csv`;
    link.click();
    status.textContent = "";
  });
}

function prepareCall(card, file) {
  const path = info.task === null ? "features" : "predict";
  const name = (file.name || "photo.jpg").replaceAll("'", "'\\''");
  const call = card.querySelector(".call");
  call.textContent = `curl --data-binary '@${name}' ${address(path)}`;
  card.querySelector(".copy").addEventListener("click", async (event) => {
    await navigator.clipboard.writeText(call.textContent);
    event.target.textContent = "Copied";
  });
}

// --- what comes in --------------------------------------------------------------------------

for (const id of ["file", "camera"]) {
  document.getElementById(id).addEventListener("change", (event) => {
    add([...event.target.files]);
    event.target.value = "";
  });
}
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => add([...event.clipboardData.files]));

fetch(address("info")).then((answer) => answer.json()).then((value) => {
  info = value;
  document.getElementById("model").textContent = value.model;
  document.title = value.model;
  if (value.task === null) {
    document.getElementById("status").textContent = "This model has no classes. It gives features, and tells how similar photographs are.";
  }
}).catch(() => { status.textContent = "The server does not answer."; });
