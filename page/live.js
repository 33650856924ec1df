/* live.js - keeps the page true: a stream of events, each of which has what it changes asked for anew. While the
 * stream stands nothing is asked for without one; where it cannot be had, everything is, now and then. */
import {$, text} from './dom.js';
import {now, tick} from './time.js';
import {obtain} from './api.js';
import {overview} from './overview.js';
import {containers} from './containers.js';
import {events} from './events.js';
import {detail} from './detail.js';
import {settings} from './settings.js';

const BATCH_MS = 120; // what happens together is asked for together
const GAP_MS = 700; // between two askings, or five times as long as one takes: a large host is not kept busy
const POLL_MS = 10000;
const RETRY_MAX_MS = 30000;
const CONNECT_MS = 15000;
const SILENCE_MS = 70000; // of a stream that gives signs of life

let timer = 0;
let running = false;
let wanted = true;
let notBefore = 0;
let anew = false; // the stream was ended here, to be begun again
let stop = () => {};
let wake = () => {};

function drawProblems(problems) {
	// that nothing answers is said in the header
	const told = problems.filter((p) => p && p.status !== 0);
	$('problems').hidden = !told.length;
	text($('problems-text'), [...new Set(told.map((p) => p.message))].join(' '));
	$('problems-token').hidden = !told.some((p) => p.status === 401);
	for (const p of told)
		if (p.status === undefined)
			console.error(p); // a fault of this page: do not hide it
}

/* Asks how things are; what an event may have moved. */
async function refresh() {
	running = true;
	wanted = false;
	const begun = performance.now();
	const parts = {overview, containers, ...(events.all ? {} : {events})};
	const results = await Promise.allSettled([...Object.values(parts).map((part) => part.load()), detail.load()]);
	drawProblems(results.map((r) => r.reason));
	Object.keys(parts).forEach((name, i) => {
		const {reason} = results[i];
		$(name).classList.toggle('stale', Boolean(reason));
		if (reason && parts[name].all === null)
			text($(`${name}-empty`), reason.status === 401 ? reason.message : 'Nothing to show until autoheal answers.');
	});
	events.draw(); // the hosts may be known only now
	containers.draw();
	notBefore = performance.now() + Math.max(GAP_MS, (performance.now() - begun) * 5);
	running = false;
	if (wanted)
		soon();
}

/* Soon, once for all that ask for it meanwhile; later where nobody looks. */
export function soon() {
	wanted = true;
	if (running || document.visibilityState !== 'visible')
		return;
	clearTimeout(timer);
	timer = setTimeout(refresh, Math.max(BATCH_MS, notBefore - performance.now()));
}

function take(e) {
	if (!events.take(e))
		return;
	events.tell(e);
	if (e.event_type === 'config')
		settings.load().then(() => containers.draw(), () => {});
	soon();
}

/* Hands on what the stream brings, until it ends. */
async function follow(body, abort) {
	const reader = body.pipeThrough(new TextDecoderStream()).getReader();
	let rest = '';
	let silence = 0;
	for (;;) {
		const {value, done} = await reader.read();
		if (done)
			return;
		const blocks = (rest + value).replaceAll('\r', '').split('\n\n');
		rest = blocks.pop();
		for (const block of blocks) {
			const data = block.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5));
			if (data.length)
				take(JSON.parse(data.join('\n')));
			else if (block.startsWith(':')) { // a sign of life: from now on they are missed
				clearTimeout(silence);
				silence = setTimeout(abort, SILENCE_MS);
			}
		}
	}
}

/* One try of the stream, to its end: whether it stood, else the status of the answer, 0 without one. */
async function tryStream() {
	const control = new AbortController();
	const timeout = setTimeout(() => control.abort(), CONNECT_MS);
	let stood = false;
	stop = () => control.abort();
	try {
		const answer = await obtain('api/events/stream', {signal: control.signal,
			headers: {Accept: 'text/event-stream', ...(events.last && {'Last-Event-ID': events.last})}});
		stood = answer.headers.get('Content-Type')?.startsWith('text/event-stream');
		if (!stood)
			return {status: 404};
		clearTimeout(timeout);
		overview.way = 'live';
		soon();
		await follow(answer.body, stop);
	} catch (e) {
		if (!stood)
			return {status: e.status};
	} finally {
		clearTimeout(timeout);
		stop();
	}
	return {stood};
}

const pause = (ms) => new Promise((resolve) => {
	wake = resolve;
	setTimeout(resolve, ms);
});

/* Once the person has given or forgotten the token: everything is read anew. */
export function again() {
	events.all = null;
	settings.load().catch(() => {});
	soon();
	anew = true;
	stop();
	wake();
}

export async function live() {
	let failures = 0;
	for (;;) {
		const {stood, status} = await tryStream();
		if (anew) {
			anew = false;
			continue;
		}
		failures = stood ? 0 : failures + 1;
		overview.way = status ? 'polling' : 'reconnecting';
		overview.draw();
		if (!stood) {
			if (events.all)
				await events.catchUp().catch(() => {});
			soon();
		}
		await pause(stood ? 1000 : status ? POLL_MS : Math.min(1000 * 2 ** failures, RETRY_MAX_MS));
	}
}

/* Each second: times count on by themselves; what was due has happened, or soon will. */
export function second() {
	if (document.visibilityState !== 'visible')
		return;
	tick();
	if (containers.due && now() > containers.due + 1500) {
		containers.due = 0;
		soon();
	}
}

export function seen() {
	if (document.visibilityState === 'visible') {
		wake();
		soon();
	}
}
