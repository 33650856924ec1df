/* containers.js - the table of containers: how each is, why, what comes next; and the choice of who is watched. */
import {$, attribute, drawList, make, sentence, text, tone} from './dom.js';
import {now, setTime} from './time.js';
import {read, tryChange} from './api.js';
import {notice} from './ask.js';
import {manyHosts} from './overview.js';
import {settings} from './settings.js';

const ROWS_MAX = 300; // rows drawn at once: a page of thousands helps nobody
const HISTORY_MAX = 12; // bars in a row

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
export const ACTIONS = {
	restart: 'Restart', start: 'Start', stop: 'Stop', kill: 'Kill and start', notify: 'Notify',
};
const BUSY_PHASES = new Set(['waiting', 'restarting', 'verifying', 'quarantined']);

const needsAttention = (c) =>
	c.monitored && (BUSY_PHASES.has(c.phase) || c.health?.status === 'unhealthy');
/* What to set, for one to be watched. */
function label() {
	const {label_key: key = 'autoheal', label_value: value = 'true'} = settings.config?.monitor ?? {};
	return `${key}=${value}`;
}
export const isSelf = (c) => !c.monitored && /own container/.test(c.reason);
const project = (c) => c.labels?.['com.docker.compose.project'] ?? '';
const keyOf = (c) => `${c.host}/${c.full_id}`;
/* The other engines need not be asked. */
const onHost = (c) => (manyHosts() ? `?host=${encodeURIComponent(c.host)}` : '');
/* The address of a call about it. */
export const addressOf = (c, what) => `api/containers/${c.full_id}${what}${onHost(c)}`;

/* What state, health and phase look like: of a row, and of what is shown of one. */
export function drawFacts(f, c) {
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
	drawNext(f, c.next_action);
}

function drawNext(f, next) {
	text(f.action, next ? ACTIONS[next.action] ?? sentence(next.action) : '–');
	f.next.classList.toggle('zero', !next);
	const at = next?.at ?? (Number.isFinite(next?.in_seconds)
		? new Date(now() + next.in_seconds * 1000).toISOString() : null);
	setTime(f.due, at, true);
	text(f.because, next?.reason);
}

export const containers = {
	all: null,
	pending: new Set(),
	due: 0, // when the next action of any of them is due, ms
	history: new Map(), // host/stable id -> its outcomes, oldest first

	async load() {
		this.all = await read('api/containers?include_stopped=true');
		const order = new Intl.Collator(undefined, {numeric: true}).compare;
		this.all.sort((a, b) => order(a.name, b.name) || order(a.host, b.host));
		const due = this.all.map((c) => Date.parse(c.next_action?.at ?? '')).filter((at) => at > now());
		this.due = due.length ? Math.min(...due) : 0;
		this.draw();
	},

	/* An event, of which outcomes become bars. */
	remember(e) {
		const kind = {recovered: 'ok', not_recovered: 'bad', quarantine: 'bad'}[e.event_type];
		if (!kind || !e.stable_id)
			return;
		const key = `${e.host}/${e.stable_id}`;
		const bars = this.history.get(key) ?? [];
		if (bars.some((bar) => bar.seq === e.seq))
			return;
		bars.push({seq: e.seq, kind, words: `${sentence(e.event_type)} ${new Date(e.timestamp).toLocaleString()}`});
		bars.sort((a, b) => a.seq - b.seq);
		this.history.set(key, bars.slice(-HISTORY_MAX));
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
			words = `No containers here yet. One that starts with the label ${label()} is watched by itself.`;
		else if (!count)
			words = $('only-attention').checked ? 'No container needs attention.' : 'No container fits the filter.';
		else if (count > ROWS_MAX)
			words = `The first ${ROWS_MAX} of ${count} are shown; the filter narrows them down.`;
		else if (!this.all.some((c) => c.monitored))
			words = `None is watched yet. Give a container the label ${label()}, or choose Watch.`;
		text($('containers-empty'), words);
	},

	drawRow(f, c, row) {
		row.item = c;
		row.classList.toggle('faint', !c.monitored);
		tone(row, needsAttention(c) ? PHASES[c.phase]?.[1] : '');
		text(f.name, c.name);
		text(f.id, c.id);
		attribute(f.id, 'title', c.full_id);
		text(f.host, manyHosts() ? c.host : '');
		text(f.project, project(c));
		text(f.image, c.image);
		drawFacts(f, c);
		text(f.restarts, c.restart_count);
		f.restarts.classList.toggle('zero', !c.restart_count);
		this.drawHistory(f.history, this.history.get(`${c.host}/${c.stable_id}`) ?? []);
		this.drawButtons(f, c);
	},

	drawHistory(node, bars) {
		const good = bars.filter((bar) => bar.kind === 'ok').length;
		const words = bars.length ? `${good} recovered, ${bars.length - good} failed` : '';
		node.hidden = !words;
		attribute(node, 'aria-label', `The last ${bars.length}: ${words}`);
		const last = bars.at(-1)?.seq;
		if (node.last === last)
			return;
		node.last = last;
		node.replaceChildren(...bars.map((bar) => {
			const mark = make('i', {title: bar.words});
			tone(mark, bar.kind);
			return mark;
		}));
	},

	drawButtons(f, c) {
		const busy = this.pending.has(keyOf(c)) ? 'true' : null;
		text(f.choose, c.monitored ? 'Exclude' : 'Watch');
		f.choose.hidden = isSelf(c);
		f.release.hidden = !c.quarantined;
		for (const button of [f.choose, f.release]) {
			attribute(button, 'aria-label', `${button.textContent} ${c.name}`);
			attribute(button, 'aria-disabled', busy);
		}
	},

	/* One change of a container at a time; does says what it does, and resolves to what it is told with. */
	async busy(c, does) {
		const key = keyOf(c);
		if (this.pending.has(key))
			return;
		this.pending.add(key);
		this.draw();
		const words = await does();
		if (words)
			notice(`${c.name} ${words}`, 'ok');
		this.pending.delete(key);
		this.draw();
	},

	/* Watches or excludes it. */
	choose(c) {
		return this.busy(c, async () => {
			const answer = await tryChange(c.name, 'POST', `api/containers/select${onHost(c)}`,
				{container_ids: [c.full_id], enabled: !c.monitored});
			if (!answer)
				return '';
			await this.load().catch(() => {}); // a label or a filter may decide otherwise
			const is = this.all.find((one) => keyOf(one) === keyOf(c)) ?? c;
			return is.monitored ? 'is watched.' : c.monitored ? 'is excluded: autoheal leaves it alone.'
				: `is chosen, and not watched all the same: ${is.reason}.`;
		});
	},

	release(c) {
		return this.busy(c, async () =>
			await tryChange(c.name, 'POST', addressOf(c, '/unquarantine')) && 'is released from quarantine.');
	},
};
