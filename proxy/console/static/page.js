"use strict";
// Fetches /admin/overview and shows it. Everything that comes from there enters the page as text nodes, never as markup.

const EVERY_MS = 5000;
// Per cent of a budget, as the alerts have them: a hard one refuses what does not fit, so it ends just below its limit.
const NEAR = 80, OVER = 98;
const KEY = "switchyard-admin-key";
const $ = (id) => document.getElementById(id);
let split = "model";
let last = null;
let timer = 0;

// ---- Small things

function make(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function dollars(nano) {
  const usd = nano / 1e9;
  const most = Math.abs(usd) >= 1 || usd === 0 ? 2 : Math.abs(usd) >= 0.001 ? 4 : 6;
  return `$${usd.toLocaleString("en", { minimumFractionDigits: Math.min(2, most), maximumFractionDigits: most })}`;
}

function ms(value) {
  if (value === null || value === undefined) return "–";
  return value >= 1000 ? `${(value / 1000).toFixed(2)} s` : `${value >= 10 ? Math.round(value) : value.toFixed(2)} ms`;
}

const count = (value) => value.toLocaleString("en");
const clock = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const day = (at) => new Date(at * 1000).toISOString().slice(0, 10);

const moment = (at) => new Date(at * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short", hour12: false });

const days = (number) => `${number} ${number === 1 ? "day" : "days"}`;

function until(at, now) {
  const left = at - now;
  if (left < 5400) return `in ${Math.max(1, Math.round(left / 60))} min`;
  if (left < 172800) return `in ${Math.round(left / 3600)} h`;
  return `in ${days(Math.round(left / 86400))}`;
}

// `heads` that begin with > are numbers. A cell is text or an element.
function table(caption, heads, rows) {
  const made = make("table", null, "cards");
  const title = made.createCaption();
  title.textContent = caption;
  title.className = "of";
  const top = made.createTHead().insertRow();
  for (const head of heads) {
    const cell = make("th", head.replace(/^>/, ""), head.startsWith(">") ? "n" : "");
    cell.scope = "col";
    top.append(cell);
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    line.setAttribute("role", "row");
    row.forEach((value, place) => {
      const cell = line.insertCell();
      cell.dataset.head = heads[place].replace(/^>/, "");
      cell.setAttribute("role", "cell"); // a phone shows rows as cards, which would unmake the table for a reader
      if (heads[place].startsWith(">")) cell.className = "n";
      cell.append(value ?? "–");
      if (value?.dataset?.cell) cell.className = value.dataset.cell;
    });
  }
  return made;
}

function cell(name, text, below) {
  const made = make("span", text);
  made.dataset.cell = name;
  if (below) made.append(make("small", below));
  return made;
}

const put = (id, ...what) => $(id).replaceChildren(...what);
const nothing = (text) => make("p", text, "none");

// ---- Sections

function showTiles(data) {
  const { totals, latencies } = data;
  const all = latencies.points.length ? latencies.points[latencies.points.length - 1] : {};
  const tiles = [
    ["Requests", count(totals.requests)],
    ["Cost", dollars(totals.cost)],
    ["Refused or failed", totals.requests ? `${(100 * totals.errors / totals.requests).toFixed(1)} %` : "–"],
    ["First byte now, median", ms(all.first_p50_ms)],
    ["Added by us, median", ms(all.overhead_p50_ms)],
    ["Tokens in / out", `${short(totals.input)} / ${short(totals.output)}`],
  ];
  put("tiles", ...tiles.map(([name, value]) => {
    const tile = make("div");
    tile.append(make("dt", name), make("dd", value));
    return tile;
  }));
}

const short = (value) => new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);

function showTraffic(data) {
  const series = data[`by_${split}`];
  const names = series.map((each) => (each.name === "none" && split === "model" ? "refused before a model" : each.name));
  const kinds = [
    ["requests", (value) => short(value), (value) => count(value)],
    ["cost", (value) => dollars(value), (value) => dollars(value)],
  ];
  for (const [kind, axis, exact] of kinds) {
    const rows = data.hours.map((at, place) => [new Date(at * 1000 + 1800e3), ...series.map((each) => each[kind][place])]);
    plots.draw(`chart-${kind}`, rows, names, axis, { stacked: true, least: 1, empty: "Nothing in the last 24 hours." });
    const busy = data.hours.map((at, place) => [at, place]).filter(([, place]) => series.some((each) => each[kind][place]));
    put(`table-${kind}`, busy.length
      ? table(`${kind === "cost" ? "Cost" : "Requests"} by ${split}; hours without any are left out`, ["Hour", ...names.map((name) => `>${name}`)],
        busy.reverse().map(([at, place]) => [clock(at).slice(0, 5), ...series.map((each) => exact(each[kind][place]))]))
      : nothing("Nothing in the last 24 hours."));
  }
}

function showLatency(data) {
  const { points, models, since, count: seen } = data.latencies;
  const empty = data.totals.requests ? "None of the newest requests was answered." : "No answers yet.";
  $("latency-caption").textContent = seen ? `Latency of the newest ${count(seen)} answers, since ${clock(since)}` : "Latency";
  const lines = [["first byte, median", "first_p50_ms"], ["first byte, 95 %", "first_p95_ms"], ["whole answer, median", "p50_ms"],
    ["whole answer, 95 %", "p95_ms"]];
  plots.draw("chart-latency", points.map((point) => [new Date(point.at * 1000), ...lines.map(([, field]) => point[field])]),
    lines.map(([name]) => name), (value) => (value ? ms(value) : "0"), { empty });
  put("table-latency", models.length
    ? table("Medians, and what 95 % stay under", ["Model", ">Answers", ">First byte", ">95 %", ">Whole", ">95 %", ">Added by us"],
      models.map((each) => [cell("name", each.name), count(each.requests), ms(each.first_p50_ms), ms(each.first_p95_ms), ms(each.p50_ms),
        ms(each.p95_ms), ms(each.overhead_p50_ms)]))
    : nothing(empty));
}

const share = (budget, nano) => Math.max(0, Math.min(100, budget.limit ? 100 * nano / budget.limit : 100));

function bar(budget) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const used = share(budget, budget.spent), held = share(budget, budget.held);
  const full = used >= OVER ? "over" : used >= NEAR ? "near" : "spent";
  svg.setAttribute("class", "bar");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${Math.round(used)} % spent, ${Math.round(held)} % held`);
  for (const [name, from, width] of [[full, 0, used], ["held", used, Math.min(100 - used, held)]]) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    part.setAttribute("class", name);
    part.setAttribute("x", from);
    part.setAttribute("width", width);
    part.setAttribute("height", 10);
    svg.append(part);
  }
  return svg;
}

function showBudgets(data) {
  if (!data.budgets.length) { put("budget-list", nothing("No budgets are configured. Without one, nothing limits what is spent.")); return; }
  put("budget-list", ...data.budgets.map((each) => {
    const made = make("div", null, "budget");
    const used = share(each, each.spent);
    const head = make("p");
    const title = make("b", each.name);
    const whose = each.of ? `${each.scope} ${each.of}` : each.scope;
    const reset = each.resets_at === null ? "never resets" : `resets ${until(each.resets_at, data.now)}, ${moment(each.resets_at)}`;
    const about = make("span", `${whose} · ${each.per === "total" ? "in all" : `per ${each.per}`} · `, "of");
    about.append(make("span", reset, "day"));
    head.append(title, about);
    const left = make("b", `${dollars(each.left)} left`, used >= OVER ? "bad" : used >= NEAR ? "warn" : "good");
    const foot = make("p", null, "of");
    foot.append(make("span", `${dollars(each.spent)} spent · ${dollars(each.held)} held${each.unsettled ? ` · ${dollars(each.unsettled)} unsettled` : ""} of ${dollars(each.limit)}`), left);
    made.append(head, bar(each), foot);
    return made;
  }));
}

// A line may end before the day, never inside it.
function dated(words, at, name) {
  const made = make("span", words, name);
  made.append(make("span", day(at), "day"));
  return made;
}

function ending(each) {
  if (each.days_left === null) return make("span", "no end known", "of");
  if (each.days_left <= 0) return dated("ended ", each.ends_at, each.requests ? "bad date" : "of date");
  // Requests leave it some hours before its end.
  if (each.ended) {
    const left = dated(`${days(each.days_left)}, `, each.ends_at, "bad");
    left.append(make("small", each.successor ? "its successor answers already" : "refused already"));
    return left;
  }
  return dated(`${days(each.days_left)}, `, each.ends_at, each.days_left <= 30 ? "bad date" : each.days_left <= 90 ? "warn date" : "date");
}

function showModels(data) {
  put("model-list", data.models.length
    ? table("Those with a known end first, soonest on top", ["Model", "Days left", "Successor", ">Its price", "Who calls it", ">Requests"],
      data.models.map((each) => [
        cell("name", each.name, each.configured ? "named in the configuration" : ""),
        ending(each),
        each.days_left === null ? "–" : each.successor ?? make("span", "none", "bad"),
        each.price_ratio === null ? "–" : `× ${each.price_ratio.toFixed(2)}`,
        each.callers.length ? each.callers.map((who) => `${who.key} (${count(who.requests)})`).join(", ") + (each.more_callers ? ` and ${each.more_callers} more` : "") : "–",
        count(each.requests)]))
    : nothing("Nobody has called a model yet."));
}

const GUARDS = { failed: "Failed or bad answers", slow: "Slow first tokens", cost: "Cost of a call" };
const UNITS = { user: "Users", conversation: "Conversations", key: "Keys" };
const SIDES = { old: "old", new: "new", shadow: "new, in the shadow" };
const percent = (value) => value === null ? "–" : `${(100 * value).toFixed(2)} %`;

function showMigrations(data) {
  if (!data.migrations.length) { put("migration-list", nothing("No migrations are configured.")); return; }
  put("migration-list", ...data.migrations.flatMap(showMigration));
}

// As `switchyard migrate status` has it.
function following(each) {
  if (each.not_before === null) return "";
  const step = each.next === null ? "finish" : `${each.next} %`;
  if (each.status === "paused") return ` Next: ${step}, after resume.`;
  return ` Next: ${step}, ${each.auto ? `not before ${moment(each.not_before)}` : "by hand"}.`;
}

function showMigration(each) {
  const units = UNITS[each.sticky];
  const heading = make("h3", `${each.name}: ${each.status}, ${each.percent} % of ${units.toLowerCase()} on the new model`);
  const since = each.since ? ` This share since ${moment(each.since)}.` : "";
  const mover = each.changed ? ` Last moved by ${each.who}, ${moment(each.changed)}${each.why ? `: ${each.why}` : ""}` : "";
  const hint = make("p", `Stages ${each.stages.join(", ")} %.${since}${following(each)}${mover}`, "hint");
  if (!each.sides.length) return [heading, hint, nothing("Nothing was measured yet.")];
  const sides = table("Both models, in the share that was measured last",
    ["Side", "Model", ">Attempts", ">Failed", ">Bad answers", ">First token, 95 %", ">All of it, 95 %", ">Output tokens", ">Cost a call"],
    each.sides.map((side) => [SIDES[side.side], cell("name", side.model), count(side.calls), percent(side.failed), count(side.invalid),
      ms(side.first_p95_ms), ms(side.total_p95_ms), side.output === null ? "–" : side.output.toFixed(1), side.cost === null ? "–" : dollars(side.cost)]));
  const figure = (guard, value) => guard.measure === "cost" ? dollars(value) : percent(value);
  const guards = table(`Guards, whose units are ${units.toLowerCase()}: ${each.judged}`, ["Guard", ">Old", ">New", ">Past its bound", ">Attempts", `>${units}`, `>${units} needed`, "Says"],
    each.guards.map((guard) => [GUARDS[guard.measure], figure(guard, guard.old), figure(guard, guard.new), percent(guard.excess),
      guard.calls.map(count).join(" / "), count(guard.units), guard.needed ? count(guard.needed) : "–",
      make("span", guard.says, { breached: "bad", near: "warn", within: "good" }[guard.says] ?? "")]));
  return [heading, hint, sides, guards];
}

function showDecisions(data) {
  put("decision-list", data.decisions.length
    ? table("Newest first", ["Time", "Key", "Asked for", "Served by", "Task", "Why this model", ">Cost", ">Took", "End"],
      data.decisions.map((each) => [
        cell("", clock(each.at)), cell("", each.key || "–", each.team),
        cell("name", each.asked || "–", each.stream ? `${each.endpoint}, streamed` : each.endpoint), cell("name", each.served || "–"), each.task || "–",
        cell("why", each.why || each.reason, each.changes.length ? `changed: ${each.changes.join(", ")}` : ""),
        `${each.estimated ? "≈ " : ""}${dollars(each.cost)}`, ms(each.duration_ms),
        make("span", each.error ? `${each.status} ${each.error}` : each.finish || String(each.status), each.error || each.status >= 400 ? "bad" : "good")]))
    : nothing("No requests yet. Send one and it appears here within seconds."));
}

// ---- The whole

function show(data) {
  last = data;
  const ready = data.workers.filter(Boolean).length;
  $("about").textContent = `${data.version}${data.sandbox ? " · sandbox" : ""} · ${ready} of ${data.workers.length} workers ready · ${clock(data.as_of ?? data.now)}`;
  tell(data.store === "up" ? "" : data.store === "none"
    ? "There is no store: nothing is counted, and this page has nothing to show."
    : data.as_of ? `Redis does not answer. This is how things stood at ${clock(data.as_of)}.` : "Redis does not answer; there is nothing to show yet.");
  $("door").hidden = true;
  $("main").hidden = data.as_of === undefined;
  if (data.as_of === undefined) return;
  for (const section of [showTiles, showTraffic, showLatency, showBudgets, showModels, showMigrations, showDecisions]) section(data);
}

function tell(text) {
  if ($("notice").textContent !== text) $("notice").textContent = text;
  $("notice").hidden = !text;
}

async function overview(key) {
  try {
    const answer = await fetch("/admin/overview", { headers: key ? { authorization: `Bearer ${key}` } : {}, credentials: "omit", cache: "no-store" });
    if (answer.status === 401) return "refused";
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function refresh() {
  clearTimeout(timer);
  const key = sessionStorage.getItem(KEY);
  const data = await overview(key);
  if (data === "refused") { ask(Boolean(key)); return; }
  if (data) show(data);
  else tell(`The proxy does not answer${last ? `; this is how things stood at ${clock(last.now)}` : ""}.`);
  timer = setTimeout(refresh, document.hidden ? 6 * EVERY_MS : EVERY_MS);
}

function ask(wrong) {
  sessionStorage.removeItem(KEY);
  $("door").hidden = false;
  $("main").hidden = true;
  $("wrong").hidden = !wrong;
  $("key").focus();
}

$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, $("key").value.trim());
  $("key").value = "";
  refresh();
});
for (const by of ["model", "task"]) {
  $(`split-${by}`).addEventListener("click", () => {
    split = by;
    for (const other of ["model", "task"]) $(`split-${other}`).setAttribute("aria-pressed", String(other === by));
    if (last) showTraffic(last);
  });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => last && show(last));
document.addEventListener("visibilitychange", () => document.hidden || refresh());
refresh();
