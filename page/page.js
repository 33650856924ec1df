/* page.js - the dashboard: asks the JSON API, draws what it says, and changes things on request.
 *
 * Names, labels, messages and outputs come from containers, so from strangers: they reach the page
 * through textContent and attributes only. A part is {load(), draw()}; adding one to `parts` makes
 * it join the polling. Addresses are relative, so a proxy may put the page under a prefix. */

const POLL_MS = 2000;
const BACKOFF_ANSWERED_MS = 10000; // autoheal answers, with an error
const BACKOFF_SILENT_MS = 30000; // no answer at all
const REQUEST_MS = 15000;
const ROWS_MAX = 300; // rows drawn at once: a page of thousands helps nobody
const EVENTS_MAX = 200;
const JITTER_MS = 1500; // clocks that differ by less agree: the rest is the network's delay

const $ = (id) => document.getElementById(id);

// ---- nodes: touched only where something changed, so that nothing jumps, blinks or is re-read

function text(node, value) {
	const words = String(value ?? '');
	if (node.textContent !== words)
		node.textContent = words;
}

/* "crash_loop" -> "Crash loop", for words this page does not know. */
const sentence = (word) => word.charAt(0).toUpperCase() + word.slice(1).replaceAll('_', ' ');

function attribute(node, name, value) {
	if (value === null || value === '')
		node.removeAttribute(name);
	else if (node.getAttribute(name) !== String(value))
		node.setAttribute(name, value);
}

const tone = (node, value) => attribute(node, 'data-tone', value);

function stamp(template) {
	const node = $(template).content.firstElementChild.cloneNode(true);
	node.fields = {};
	for (const part of node.querySelectorAll('[data-f]'))
		node.fields[part.dataset.f] = part;
	return node;
}

/* Makes the children of parent show items, in order; a child is kept as long as its key is. */
function drawList(parent, items, keyOf, template, update) {
	const focused = parent.contains(document.activeElement);
	const keys = new Set(items.map(keyOf));
	const kept = new Map();
	for (const node of [...parent.children]) {
		if (keys.has(node.key) && !kept.has(node.key))
			kept.set(node.key, node);
		else
			node.remove();
	}
	let place = parent.firstElementChild;
	for (const item of items) {
		const key = keyOf(item);
		let node = kept.get(key);
		kept.delete(key);
		if (!node) {
			node = stamp(template);
			node.key = key;
		}
		update(node.fields, item, node);
		if (node === place)
			place = place.nextElementSibling;
		else
			parent.insertBefore(node, place);
	}
	if (focused && !parent.contains(document.activeElement))
		parent.closest('section').querySelector('h2').focus();
}

// ---- time: told by autoheal's clock, which need not be this browser's

let clockOffset = 0;
const now = () => Date.now() + clockOffset;

function setClock(timestamp) {
	const offset = Date.parse(timestamp) - Date.now();
	if (Math.abs(offset - clockOffset) > JITTER_MS)
		clockOffset = offset;
}

function duration(seconds, exact) {
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

function drawTime(node) {
	const seconds = (Date.parse(node.dateTime) - now()) / 1000;
	if (node.dataset.due !== undefined)
		text(node, seconds < 0.5 ? 'now' : `in ${duration(seconds, true)}`);
	else
		text(node, seconds > -1.5 ? 'just now' : `${duration(-seconds)} ago`);
}

const exactTime = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'long'});

/* Shows an RFC 3339 time as "3 min ago" ("in 12 s" where due); nothing where it is null. */
function setTime(node, value, due) {
	const at = Date.parse(value ?? '');
	node.hidden = !(at > 0);
	if (node.hidden)
		return;
	attribute(node, 'datetime', value);
	attribute(node, 'title', exactTime.format(at));
	if (due)
		node.dataset.due = '';
	drawTime(node);
}

function tick() {
	for (const node of document.querySelectorAll('time[datetime]'))
		drawTime(node);
	overview.drawUptime();
}

// ---- token: in the fragment once, else asked for; kept in this tab

const TOKEN_KEY = 'autoheal-token';
let token = '';

function setToken(value) {
	token = /^[\x21-\x7e]+$/.test(value ?? '') ? value : '';
	try {
		if (token)
			sessionStorage.setItem(TOKEN_KEY, token);
		else
			sessionStorage.removeItem(TOKEN_KEY);
	} catch {
		// storage is switched off: the token lives as long as the page
	}
	$('token-enter').hidden = token !== '';
	$('token-forget').hidden = token === '';
}

function takeTokenFromAddress() {
	const given = /^#token=(.*)$/s.exec(location.hash);
	if (!given)
		return false;
	history.replaceState(null, '', location.pathname + location.search);
	try {
		setToken(decodeURIComponent(given[1]));
	} catch {
		setToken(given[1]);
	}
	return true;
}

let asking = null;

/* Asks for the token; resolves to whether one was given. */
function askToken(why) {
	const dialog = $('token-dialog');
	text($('token-why'), why);
	asking ??= new Promise((resolve) => {
		$('token-input').value = '';
		dialog.returnValue = '';
		dialog.addEventListener('close', () => {
			asking = null;
			$('token-input').value = '';
			resolve(dialog.returnValue === 'given');
		}, {once: true});
		dialog.showModal();
	});
	return asking;
}

// ---- the API

class ApiError extends Error {
	/* status 0: no answer. body: what was answered, where it was JSON. */
	constructor(status, message, body) {
		super(message);
		this.status = status;
		this.body = body;
	}
}

async function call(path, {method = 'GET', body} = {}) {
	const headers = {Accept: 'application/json'};
	if (token)
		headers.Authorization = `Bearer ${token}`;
	if (body !== undefined)
		headers['Content-Type'] = 'application/json';
	let response;
	let value = null;
	try {
		response = await fetch(path, {
			method, headers, cache: 'no-store', signal: AbortSignal.timeout(REQUEST_MS),
			body: body === undefined ? undefined : JSON.stringify(body),
		});
		value = await response.json().catch((e) => {
			if (!(e instanceof SyntaxError))
				throw e;
			return null;
		});
	} catch {
		throw new ApiError(0, 'autoheal does not answer.');
	}
	if (!response.ok)
		throw new ApiError(response.status, value?.error ?? `autoheal answered ${response.status}.`, value);
	if (value === null)
		throw new ApiError(response.status, 'The answer is not JSON: does something stand before autoheal?');
	return value;
}

/* A token that is no longer good must not hide what can be read without one. */
async function read(path) {
	const used = token;
	try {
		return await call(path);
	} catch (e) {
		if (e.status !== 401 || !used)
			throw e;
		if (token === used) {
			setToken('');
			notice('The API token is not accepted any more.', 'bad');
		}
		return call(path);
	}
}

/* A change by a person: asks for the token when autoheal does. null: the person thought better. */
async function change(method, path, body) {
	for (;;) {
		try {
			return await call(path, {method, body});
		} catch (e) {
			if (e.status !== 401)
				throw e;
			if (!await askToken(e.message))
				return null;
		}
	}
}

let noticeTimer;

function notice(words, kind) {
	const node = $('notice');
	clearTimeout(noticeTimer);
	text(node, words);
	tone(node, kind);
	node.classList.add('shown');
	noticeTimer = setTimeout(() => node.classList.remove('shown'), kind === 'bad' ? 12000 : 5000);
}

// ---- overview

const overview = {
	health: null,
	status: null,
	loadedAt: 0,

	async load() {
		const [health, status] = await Promise.allSettled([
			call('health').catch((e) => {
				if (e.status === 503 && e.body?.status) // unhealthy is an answer, too
					return e.body;
				throw e;
			}),
			read('api/status'),
		]);
		if (health.status === 'fulfilled') {
			this.health = health.value;
			setClock(this.health.timestamp);
			this.loadedAt = Date.now();
		}
		if (status.status === 'fulfilled') {
			const first = !this.status;
			this.status = status.value;
			if (first && manyHosts()) { // known only now: the others may have been quicker
				containers.draw();
				events.draw();
			}
			const since = Date.now() - this.status.uptime_seconds * 1000;
			if (!(Math.abs(since - this.upSince) < JITTER_MS))
				this.upSince = since;
		}
		this.draw(health.reason);
		for (const result of [status, health])
			if (result.reason)
				throw result.reason;
	},

	draw(problem) {
		this.drawState(problem);
		const s = this.status;
		if (!s)
			return;
		text($('n-total'), s.total_containers);
		text($('n-watched'), s.monitored_containers);
		text($('n-quarantined'), s.quarantined_containers);
		tone($('quarantined'), s.quarantined_containers > 0 ? 'bad' : '');
		const [mode, hint, kind] = this.mode(s);
		text($('mode'), mode);
		attribute($('mode'), 'title', hint);
		tone($('mode-tile'), kind);
		text($('version'), s.version);
		this.drawUptime();
		drawList($('engines'), s.engines, (e) => e.host, 'engine-item', this.drawEngine);
		const box = s.sandbox ?? {};
		const word = (v) => ({true: 'on', false: 'off'})[v] ?? v ?? 'unknown';
		text($('sandbox'), `Sandbox: seccomp ${word(box.seccomp)}, Landlock ${word(box.landlock)}, ` +
			`no new privileges ${word(box.no_new_privileges)}.`);
	},

	mode(s) {
		if (s.maintenance_mode)
			return ['Maintenance', 'No action is taken; watching goes on', 'warn'];
		if (!s.monitoring_active)
			return ['Not watching', 'autoheal is not watching at the moment', 'bad'];
		if (s.dry_run)
			return ['Dry run', 'Decides and reports, changes nothing', 'warn'];
		if (s.storm === true)
			return ['Storm brake', 'Many containers fail at once: two restarts at a time', 'warn'];
		return ['Healing', 'Containers that fail are restarted', ''];
	},

	drawState(problem) {
		const h = this.health;
		const lost = (h?.engines ?? []).filter((e) => !e.connected);
		let state = 'healthy';
		let kind = 'ok';
		let why = lost.map((e) => `${e.host}: ${e.error ?? 'no connection'}`).join('; ');
		let when = h?.last_audit;
		if (problem) {
			[state, kind] = [problem.status ? 'error' : 'no answer', 'bad'];
			why = problem.message + (h ? ' What is shown was true' : '');
			when = h ? new Date(this.loadedAt + clockOffset).toISOString() : null;
		} else if (h.status !== 'healthy') {
			[state, kind] = [h.docker_connected ? 'unhealthy' : 'engine lost', 'bad'];
			why = h.reason ?? why;
			when = null;
		} else if (lost.length) {
			[state, kind] = ['engine lost', 'warn'];
			when = null;
		} else {
			why = when ? 'Last audit' : 'All is well.';
		}
		text($('pill'), state);
		tone($('pill'), kind);
		text($('reason'), why);
		setTime($('reason-time'), when);
		document.title = state === 'healthy' ? 'autoheal' : `${state} · autoheal`;
	},

	drawUptime() {
		if (this.status)
			text($('uptime'), duration((Date.now() - this.upSince) / 1000, true));
	},

	drawEngine(f, e) {
		tone(f.dot, e.connected ? 'ok' : 'bad');
		attribute(f.dot, 'aria-label', e.connected ? 'connected' : 'not connected');
		text(f.host, e.host);
		text(f.engine, [e.engine, e.version].filter(Boolean).join(' '));
		text(f.api, e.api_version ? `API ${e.api_version}` : '');
		text(f.url, e.url);
		text(f.facts, e.reconnects ? `${e.reconnects} reconnect${e.reconnects === 1 ? '' : 's'}` : '');
		setTime(f.time, e.last_audit);
		f.audit.hidden = f.time.hidden;
		text(f.error, e.connected ? e.error : e.error ?? 'not connected');
	},
};

// ---- containers

/* phase -> words, tone, what it means */
const PHASES = {
	watching: ['watching', 'ok', 'Watched; acted on when it fails'],
	waiting: ['waiting', 'warn', 'It failed; the next action waits for its time'],
	restarting: ['restarting', 'info', 'A restart was asked for and is under way'],
	verifying: ['verifying', 'info', 'Restarted; the proof that it helped is awaited'],
	quarantined: ['quarantined', 'bad', 'Given up for now; ends when it stays healthy, or by a person'],
	hands_off: ['hands off', 'muted', 'Stopped or paused by somebody; left alone until it runs again'],
	unwatched: ['not watched', 'muted', 'autoheal never touches it'],
};
const STATE_TONES = {running: 'ok', paused: 'warn', restarting: 'info', dead: 'bad'};
const HEALTH_TONES = {healthy: 'ok', unhealthy: 'bad', starting: 'info'};
const ACTIONS = {
	restart: 'Restart', start: 'Start', stop: 'Stop', kill: 'Kill and start', notify: 'Notify',
};
const BUSY_PHASES = new Set(['waiting', 'restarting', 'verifying', 'quarantined']);

const needsAttention = (c) =>
	c.monitored && (BUSY_PHASES.has(c.phase) || c.health?.status === 'unhealthy');
const project = (c) => c.labels?.['com.docker.compose.project'] ?? '';
const manyHosts = () => (overview.status?.engines.length ?? 0) > 1;
const order = new Intl.Collator(undefined, {numeric: true}).compare;
const keyOf = (c) => `${c.host}/${c.full_id}`;

const containers = {
	all: null,
	pending: new Set(),

	async load() {
		this.all = await read('api/containers?include_stopped=true');
		this.all.sort((a, b) => order(a.name, b.name) || order(a.host, b.host));
		this.draw();
	},

	draw() {
		if (!this.all)
			return;
		const words = $('container-filter').value.trim().toLowerCase();
		const shown = this.all.filter((c) =>
			(!$('only-watched').checked || c.monitored) &&
			(!$('only-attention').checked || needsAttention(c)) &&
			(!words || [c.name, c.full_id, c.image, c.stable_id, c.host, project(c)]
				.some((s) => s?.toLowerCase().includes(words))));
		drawList($('container-rows'), shown.slice(0, ROWS_MAX), keyOf, 'container-row',
			(f, c, row) => this.drawRow(f, c, row));
		text($('containers-count'), shown.length === this.all.length ? shown.length
			: `${shown.length} of ${this.all.length}`);
		const attention = this.all.filter(needsAttention).length;
		text($('attention'), attention);
		tone($('attention'), attention ? 'bad' : 'muted');
		this.drawEmpty(shown.length);
	},

	drawEmpty(count) {
		let words = '';
		if (!this.all.length)
			words = 'No containers here yet. One that starts with the label autoheal=true is watched by itself.';
		else if (!count)
			words = $('only-attention').checked ? 'No container needs attention.' : 'No container fits the filter.';
		else if (count > ROWS_MAX)
			words = `The first ${ROWS_MAX} of ${count} are shown; the filter narrows them down.`;
		else if (!this.all.some((c) => c.monitored))
			words = 'None is watched yet. Give a container the label autoheal=true, or choose Watch.';
		text($('containers-empty'), words);
	},

	drawRow(f, c, row) {
		row.item = c;
		row.classList.toggle('faint', !c.monitored);
		text(f.name, c.name);
		text(f.id, c.id);
		attribute(f.id, 'title', c.full_id);
		text(f.host, manyHosts() ? c.host : '');
		text(f.project, project(c));
		text(f.image, c.image);
		const code = c.state?.exit_code;
		text(f.status, c.status === 'exited' && Number.isInteger(code) ? `exited (${code})` : c.status);
		tone(f.state, STATE_TONES[c.status] ?? 'muted');
		const health = c.health?.status;
		text(f.health, health ?? 'no check');
		tone(f.health, HEALTH_TONES[health] ?? 'none');
		const streak = c.health?.failing_streak;
		text(f.streak, streak > 0 ? `${streak} × failed` : '');
		const [phase, kind, meaning] = PHASES[c.phase] ?? [c.phase, 'muted', ''];
		text(f.phase, phase);
		tone(f.phase, kind);
		attribute(f.phase, 'title', meaning);
		text(f.reason, c.reason);
		text(f.restarts, c.restart_count);
		f.restarts.classList.toggle('zero', !c.restart_count);
		this.drawNext(f, c.next_action);
		const busy = this.pending.has(keyOf(c));
		text(f.button, c.monitored ? 'Exclude' : 'Watch');
		attribute(f.button, 'aria-label', `${f.button.textContent} ${c.name}`);
		attribute(f.button, 'aria-disabled', busy ? 'true' : null);
	},

	drawNext(f, next) {
		text(f.action, next ? sentence(ACTIONS[next.action] ?? next.action) : '–');
		f.next.classList.toggle('zero', !next);
		const at = next?.at ?? (Number.isFinite(next?.in_seconds)
			? new Date(now() + next.in_seconds * 1000).toISOString() : null);
		setTime(f.due, at, true);
		text(f.because, next?.reason);
	},

	/* Watches or excludes the container of this row. */
	async select(row) {
		const c = row.item;
		const key = keyOf(c);
		if (this.pending.has(key))
			return;
		this.pending.add(key);
		this.draw();
		try {
			// the other engines need not be asked
			const where = manyHosts() ? `?host=${encodeURIComponent(c.host)}` : '';
			const answer = await change('POST', `api/containers/select${where}`,
				{container_ids: [c.full_id], enabled: !c.monitored});
			if (answer)
				notice(c.monitored ? `${c.name} is excluded: autoheal leaves it alone.` : `${c.name} is watched.`, 'ok');
		} catch (e) {
			notice(`${c.name}: ${e.message}`, 'bad');
		}
		this.pending.delete(key);
		this.draw();
		polling.soon();
	},
};

// ---- events

/* event_type -> icon, words, tone */
const KINDS = {
	restart: ['restart', 'Restart', 'info'],
	recovered: ['check', 'Recovered', 'ok'],
	not_recovered: ['cross', 'Not recovered', 'bad'],
	quarantine: ['lock', 'Quarantine', 'bad'],
	unquarantine: ['unlock', 'Released by a person', 'ok'],
	auto_unquarantine: ['unlock', 'Released by its health', 'ok'],
	skipped: ['skip', 'Skipped', 'muted'],
	dependent_restart: ['link', 'Dependent restart', 'info'],
	stranded: ['link', 'Stranded', 'warn'],
	crash_loop: ['restart', 'Crash loop', 'bad'],
	health_check_failed: ['pulse', 'Probe failed', 'bad'],
	stale_probe: ['clock', 'Stale probe', 'warn'],
	verdict: ['pulse', 'Outside verdict', 'info'],
	auto_monitor: ['eye', 'Auto-monitoring', 'info'],
	selection: ['eye', 'Selection', 'info'],
	storm: ['bolt', 'Storm brake', 'warn'],
	maintenance: ['tool', 'Maintenance', 'warn'],
	engine_lost: ['plug', 'Engine lost', 'bad'],
	engine_connected: ['plug', 'Engine connected', 'ok'],
	config: ['gear', 'Configuration', 'muted'],
};
/* a status that says more than its kind */
const STATUS_TONES = {failure: 'bad', down: 'bad', up: 'ok', ended: 'ok', disabled: 'ok', excluded: 'muted'};

const events = {
	all: null,

	/* Asks for the newest one first: when that is known, nothing happened. */
	async load() {
		const [last] = await read('api/events?limit=1');
		const known = this.all?.[0];
		if (!this.all || last?.seq !== known?.seq || last?.timestamp !== known?.timestamp)
			this.all = (await read(`api/events?limit=${EVENTS_MAX}`)).reverse();
		this.draw();
	},

	draw() {
		if (!this.all)
			return;
		const kind = $('event-kind').value;
		const words = $('event-filter').value.trim().toLowerCase();
		const shown = this.all.filter((e) =>
			(!kind || e.event_type === kind) &&
			(!words || [e.container_name, e.container_id, e.stable_id, e.host]
				.some((s) => s?.toLowerCase().includes(words))));
		drawList($('event-items'), shown, (e) => e.seq, 'event-item', this.drawItem);
		text($('events-count'), shown.length === this.all.length
			? shown.length : `${shown.length} of ${this.all.length}`);
		text($('events-empty'), shown.length ? ''
			: this.all.length ? 'No event fits the filter.'
				: 'Nothing has happened yet, and that is good news.');
	},

	drawItem(f, e) {
		const [icon, words, kind] = KINDS[e.event_type] ?? ['gear', sentence(e.event_type), 'muted'];
		const colour = STATUS_TONES[e.status] ?? kind;
		attribute(f.icon, 'href', `#i-${icon}`);
		tone(f.mark, colour);
		text(f.label, e.event_type === 'restart' ? ACTIONS[e.action] ?? words : words);
		text(f.who, e.container_name);
		attribute(f.who, 'title', e.container_id);
		text(f.status, e.status?.replaceAll('_', ' '));
		tone(f.status, colour);
		text(f.message, e.message);
		const facts = [];
		if (e.duration_ms > 0)
			facts.push(`took ${e.duration_ms < 10000 ? `${(e.duration_ms / 1000).toFixed(1)} s` : duration(e.duration_ms / 1000, true)}`);
		if (Number.isInteger(e.exit_code))
			facts.push(`exit code ${e.exit_code}`);
		if (e.restart_count > 0 && e.container_name)
			facts.push(`restart no. ${e.restart_count}`);
		if (manyHosts() && e.host)
			facts.push(`on ${e.host}`);
		text(f.facts, facts.join(' · '));
		f.more.hidden = !e.health_output;
		text(f.output, e.health_output);
		setTime(f.time, e.timestamp);
	},
};

// ---- polling: while somebody looks, more slowly while it fails

const parts = {overview, containers, events};

function drawProblems(problems) {
	// that nothing answers is said in the header
	const told = problems.filter((p) => p && p.status !== 0);
	$('problems').hidden = !told.length;
	text($('problems-text'), [...new Set(told.map((p) => p.message))].join(' '));
	$('problems-token').hidden = !told.some((p) => p.status === 401);
}

const polling = {
	timer: 0,
	running: false,
	again: false,
	failures: 0,

	async round() {
		this.running = true;
		this.again = false;
		const begun = performance.now();
		const names = Object.keys(parts);
		const results = await Promise.allSettled(names.map((name) => parts[name].load()));
		const took = performance.now() - begun;
		drawProblems(results.map((r) => r.reason));
		let limit = 0;
		results.forEach(({reason}, i) => {
			$(names[i]).classList.toggle('stale', Boolean(reason));
			if (reason && parts[names[i]].all === null)
				text($(`${names[i]}-empty`), 'Nothing to show until autoheal answers.');
			if (reason && !(reason instanceof ApiError))
				console.error(reason); // a fault of this page: do not hide it
			if (reason)
				limit = Math.max(limit, reason.status === 0 ? BACKOFF_SILENT_MS : BACKOFF_ANSWERED_MS);
		});
		this.failures = limit ? this.failures + 1 : 0;
		this.running = false;
		this.plan(this.again ? 0 : limit ? Math.min(POLL_MS * 2 ** this.failures, limit)
			: Math.max(POLL_MS, took * 5)); // a large host is not kept busy with being looked at
	},

	plan(delay) {
		clearTimeout(this.timer);
		if (document.visibilityState === 'visible')
			this.timer = setTimeout(() => this.round(), delay);
	},

	/* Now, or right after the round under way. */
	soon() {
		if (this.running)
			this.again = true;
		else
			this.plan(0);
	},
};

// ---- begin

function listen() {
	for (const id of ['only-watched', 'only-attention', 'container-filter'])
		$(id).addEventListener('input', () => containers.draw());
	for (const id of ['event-kind', 'event-filter'])
		$(id).addEventListener('input', () => events.draw());
	$('container-rows').addEventListener('click', (e) => {
		const button = e.target.closest('button');
		if (button)
			containers.select(button.closest('tr'));
	});
	$('token-form').addEventListener('submit', (e) => {
		e.preventDefault();
		setToken($('token-input').value.trim());
		$('token-dialog').close('given');
	});
	$('token-cancel').addEventListener('click', () => $('token-dialog').close(''));
	for (const id of ['token-enter', 'problems-token'])
		$(id).addEventListener('click', async () => {
			if (await askToken('It allows changes, and shows what reads *** without it.'))
				polling.soon();
		});
	$('token-forget').addEventListener('click', () => {
		setToken('');
		notice('The API token is forgotten.', 'ok');
		polling.soon();
	});
	addEventListener('hashchange', () => {
		if (takeTokenFromAddress())
			polling.soon();
	});
	document.addEventListener('visibilitychange', () => polling.soon());
	addEventListener('online', () => polling.soon());
	setInterval(() => document.visibilityState === 'visible' && tick(), 1000);
}

for (const [kind, [, words]] of Object.entries(KINDS))
	$('event-kind').add(new Option(words, kind));
if (!takeTokenFromAddress()) {
	try {
		setToken(sessionStorage.getItem(TOKEN_KEY));
	} catch {
		setToken('');
	}
}
listen();
polling.soon();
