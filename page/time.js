/* time.js - times, told by autoheal's clock, which need not be this browser's. */
import {$, text, attribute} from './dom.js';

const JITTER_MS = 1500; // clocks that differ by less agree: the rest is the network's delay

let clockOffset = 0;
export const now = () => Date.now() + clockOffset;

export function setClock(timestamp) {
	const offset = Date.parse(timestamp) - Date.now();
	if (Math.abs(offset - clockOffset) > JITTER_MS)
		clockOffset = offset;
}

export function duration(seconds, exact) {
	const s = Math.max(0, Math.round(seconds));
	const two = (a, unit, b, rest) => (exact && b ? `${a} ${unit} ${b} ${rest}` : `${a} ${unit}`);
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return two(Math.floor(s / 60), 'min', s % 60, 's');
	if (s < 172800)
		return two(Math.floor(s / 3600), 'h', Math.floor(s / 60) % 60, 'min');
	return two(Math.floor(s / 86400), 'd', Math.floor(s / 3600) % 24, 'h');
}

/* How long something took. */
export const took = (ms) => (ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : duration(ms / 1000, true));

function drawTime(node) {
	const seconds = (Date.parse(node.dateTime) - now()) / 1000;
	if (node.dataset.due !== undefined || seconds > 60)
		text(node, seconds < 0.5 ? 'now' : `in ${duration(seconds, true)}`);
	else
		text(node, seconds > -1.5 ? 'just now' : `${duration(-seconds)} ago`);
}

let exactTime; // made when it is needed: after the first paint
const exact = (at) => (exactTime ??= new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'long'})).format(at);

/* Shows an RFC 3339 time as "3 min ago" ("in 12 s" where due); nothing where it is null. */
export function setTime(node, value, due) {
	const at = Date.parse(value ?? '');
	node.hidden = !(at > 0);
	attribute(node, 'datetime', node.hidden ? '' : value);
	if (node.hidden)
		return;
	attribute(node, 'title', exact(at));
	if (due)
		node.dataset.due = '';
	drawTime(node);
}

let upSince;

export function setUptime(seconds) {
	const since = Date.now() - seconds * 1000;
	if (!(Math.abs(since - upSince) < JITTER_MS))
		upSince = since;
	drawUptime();
}

function drawUptime() {
	if (upSince)
		text($('uptime'), duration((Date.now() - upSince) / 1000, true));
}

export function tick() {
	for (const node of document.querySelectorAll('time[datetime]'))
		drawTime(node);
	drawUptime();
}
