"use strict";
const POINTS = 120, PERIOD_MS = 1000, TIMEOUT_MS = 1800;
// Each line of a chart: its name, its family and, unless all its samples count, one label of it.
const CHARTS = [
	{title: "Connections", unit: "", lines: [["open", "echod_connections"]]},
	{title: "Connections per second", unit: "/s", rate: true, pairs: true, lines: [
		["accepted", "echod_connections_accepted_total"], ["closed", "echod_connections_closed_total"]]},
	{title: "Bytes per second", unit: "B/s", rate: true, pairs: true, lines: [
		["TCP received", "echod_received_bytes_total", 'protocol="tcp"'],
		["TCP sent", "echod_sent_bytes_total", 'protocol="tcp"'],
		["UDP received", "echod_received_bytes_total", 'protocol="udp"'],
		["UDP sent", "echod_sent_bytes_total", 'protocol="udp"']]},
	{title: "Datagrams per second", unit: "/s", rate: true, pairs: true, lines: [
		["received", "echod_datagrams_received_total"], ["answered", "echod_datagrams_answered_total"]]},
	{title: "Refusals per second, by reason", unit: "/s", rate: true, lines: [
		["rate", "echod_datagrams_refused_total", 'reason="rate"'],
		["port", "echod_datagrams_refused_total", 'reason="port"'],
		["source", "echod_datagrams_refused_total", 'reason="source"'],
		["destination", "echod_datagrams_refused_total", 'reason="destination"'],
		["truncated", "echod_datagrams_refused_total", 'reason="truncated"'],
		["connections", "echod_connections_refused_total"]]},
	{title: "Errors per second", unit: "/s", rate: true, lines: [
		["kernel drops", "echod_kernel_drops_total"],
		["replies failed", "echod_replies_failed_total"],
		["connections reset", "echod_connections_closed_total", 'reason="reset"'],
		["connections stalled", "echod_connections_closed_total", 'reason="stalled"'],
		["accept pauses", "echod_accept_pauses_total"],
		["log lines lost", "echod_log_lines_lost_total"]]},
];
const state = document.getElementById("state"), daemons = document.getElementById("daemons");
let before = null;

function make(name, parent, text) {
	const element = document.createElement(name);
	if (text !== undefined)
		element.textContent = text;
	parent.append(element);
	return element;
}

for (const chart of CHARTS) {
	const section = make("section", document.getElementById("charts"));
	make("h2", section, chart.title);
	chart.canvas = make("canvas", section);
	chart.canvas.setAttribute("role", "img");
	const list = make("dl", section);
	chart.lines = chart.lines.map(([name, family, label], index) => {
		const pair = make("div", list);
		pair.className = "s" + index;
		make("dt", pair, name);
		return {name, family, label, index, value: make("dd", pair, "–"), points: []};
	});
}

// Samples of the text format: [instance, family, labels, value].
function parse(text) {
	const samples = [];
	for (const line of text.split("\n")) {
		const match = /^(\w+)\{instance_name="((?:[^"\\]|\\.)*)",?([^}]*)\} (\S+)$/.exec(line);
		if (match)
			samples.push([match[2], match[1], match[3], Number(match[4])]);
	}
	return samples;
}

function sums(samples) {
	return CHARTS.map(chart => chart.lines.map(line => {
		const values = new Map();
		for (const [instance, family, labels, value] of samples)
			if (family === line.family && (!line.label || labels === line.label))
				values.set(instance, (values.get(instance) || 0) + value);
		return {values};
	}));
}

// What was added since the reading before. A daemon that was restarted counts from zero; one that has just been
// found has a total, and no rate yet.
function added(now, old) {
	let sum = 0;
	for (const [instance, value] of now) {
		const last = old.get(instance);
		if (last !== undefined)
			sum += value >= last ? value - last : value;
	}
	return sum;
}

function total(values) {
	let sum = 0;
	for (const value of values.values())
		sum += value;
	return sum;
}

function shown(value, unit) {
	const steps = ["", "k", "M", "G", "T"];
	let step = 0;
	while (value >= 999.5 && step < steps.length - 1) {
		value /= 1000;
		step++;
	}
	return (value >= 100 || Number.isInteger(value) ? Math.round(value) : Number(value.toPrecision(2))) +
		(unit || step ? " " : "") + steps[step] + unit;
}

// The least of 1, 2, 4, 6, 8 and 10 times a power of ten that is not less.
function rounded(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return power * [1, 2, 4, 6, 8, 10].find(step => value <= step * power * (1 + 1e-9));
}

function draw(chart) {
	const canvas = chart.canvas, scale = window.devicePixelRatio || 1, style = getComputedStyle(canvas);
	const width = canvas.clientWidth, height = canvas.clientHeight, context = canvas.getContext("2d");
	canvas.width = width * scale;
	canvas.height = height * scale;
	context.scale(scale, scale);
	const values = chart.lines.flatMap(line => line.points.filter(value => value !== null));
	const highest = rounded(Math.max(1, ...values)), top = 18, bottom = height - 18;
	const color = name => style.getPropertyValue(name).trim();
	context.font = "12px system-ui, sans-serif";
	context.fillStyle = color("--faint");
	context.strokeStyle = color("--line");
	context.lineWidth = 1;
	for (const part of [0, 0.5, 1]) {
		const y = Math.round(bottom - (bottom - top) * part) + 0.5;
		context.beginPath();
		context.moveTo(0, y);
		context.lineTo(width, y);
		context.stroke();
		if (part)
			context.fillText(shown(highest * part, chart.unit), 2, y - 4);
	}
	for (const [part, text] of [[0, "2 min ago"], [0.5, "1 min ago"], [1, "now"]])
		context.fillText(text, part * (width - context.measureText(text).width), height - 3);
	// An echo sends what it receives: the lines of a pair lie on each other, the first one on top.
	for (const line of [...chart.lines].reverse()) {
		let pen = false;
		context.lineWidth = chart.pairs && line.index % 2 ? 4 : 2;
		context.strokeStyle = color("--c" + line.index);
		context.beginPath();
		line.points.forEach((value, index) => {
			const x = width - (line.points.length - 1 - index) * width / (POINTS - 1);
			if (value !== null)
				context[pen ? "lineTo" : "moveTo"](x, bottom - (bottom - top) * value / highest);
			pen = value !== null;
		});
		context.stroke();
	}
	canvas.setAttribute("aria-label", chart.title + ": " + chart.lines.map(line =>
		line.name + " " + line.value.textContent).join(", "));
}

function add(line, value, unit) {
	line.points.push(value);
	if (line.points.length > POINTS)
		line.points.shift();
	line.value.textContent = value === null ? "–" : shown(value, unit);
}

function show(readings, seconds) {
	CHARTS.forEach((chart, c) => {
		chart.lines.forEach((line, l) => {
			let value = null;
			if (readings && !chart.rate && readings[c][l].values.size)
				value = total(readings[c][l].values);
			else if (readings && chart.rate && before && readings[c][l].values.size)
				value = added(readings[c][l].values, before[c][l].values) / seconds;
			add(line, value, chart.unit);
		});
		draw(chart);
	});
}

function say(text, bad) {
	state.textContent = text;
	state.className = bad ? "bad" : "";
}

function showDaemons(samples) {
	const known = samples.filter(([, family]) => family === "echod_up");
	const down = known.filter(([, , , value]) => !value);
	daemons.replaceChildren();
	for (const [instance, , , value] of known)
		make("li", daemons, instance).className = value ? "" : "down";
	if (!known.length)
		say("no daemon is found", true);
	else if (down.length)
		say(down.map(([instance]) => instance).join(", ") + " does not answer", true);
	else
		say("live", false);
}

let last = 0;
async function tick() {
	const began = performance.now();
	try {
		const response = await fetch("metrics", {cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS)});
		if (!response.ok)
			throw new Error("HTTP " + response.status);
		const samples = parse(await response.text()), now = performance.now();
		const readings = sums(samples);
		showDaemons(samples);
		show(readings, (now - last) / 1000);
		before = readings;
		last = now;
	} catch (error) {
		say("the exporter does not answer", true);
		show(null, 1);
		before = null;
	}
	setTimeout(tick, Math.max(0, PERIOD_MS - (performance.now() - began)));
}
addEventListener("resize", () => CHARTS.forEach(draw));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => CHARTS.forEach(draw));
tick();
