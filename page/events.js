/* events.js - the audit events, newest first: those there are, and those that come. */
import {$, attribute, drawList, sentence, text, tone} from './dom.js';
import {setTime, took} from './time.js';
import {read} from './api.js';
import {manyHosts} from './overview.js';
import {ACTIONS, containers} from './containers.js';

const EVENTS_STEP = 50;

/* event_type -> icon, words, tone */
export const KINDS = {
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

export const events = {
	all: null,
	last: 0, // the highest seq seen
	limit: EVENTS_STEP,
	more: false, // autoheal may hold older ones

	/* The newest, of the kind that is chosen; what came meanwhile stays. */
	async load() {
		const kind = $('event-kind').value;
		const list = await read(`api/events?limit=${this.limit}${kind && `&type=${kind}`}`);
		const newest = list.at(-1)?.seq ?? 0;
		this.more = list.length >= this.limit;
		this.all = [...(this.all ?? []).filter((e) => e.seq > newest && e.event_type !== 'config'), ...list.reverse()];
		this.last = Math.max(this.last, newest);
		list.forEach((e) => containers.remember(e));
		this.draw();
	},

	/* What led to the bars of the containers, longer ago than what is shown. */
	async loadHistory() {
		(await read('api/events?limit=1000&type=recovered,not_recovered,quarantine'))
			.forEach((e) => containers.remember(e));
		containers.draw();
	},

	/* Those since the last one seen, where no stream brings them. */
	async catchUp() {
		for (const e of await read(`api/events?limit=1000&since=${this.last}`))
			this.take(e);
	},

	/* One more; false where it is known. What is none tells of a gap: of a past that autoheal has lost, or of events
	 * that it holds no longer. */
	take(e) {
		if (!e.seq) {
			this.last = e.to ?? 0;
			if (!this.last)
				this.all = null;
			this.load().catch(() => {});
			return false;
		}
		if (e.seq <= this.last)
			return false;
		this.last = e.seq;
		if (e.event_type === 'config' && e.status === 'events_cleared') {
			this.all = [];
			containers.history.clear();
		}
		e.fresh = true;
		(this.all ??= []).unshift(e);
		this.all.length = Math.min(this.all.length, this.limit + EVENTS_STEP);
		containers.remember(e);
		this.draw();
		return true;
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
			: kind || words ? 'No event fits the filter.' : 'Nothing has happened yet, and that is good news.');
		$('events-more').hidden = !this.more;
	},

	drawItem(f, e, item) {
		const [icon, words, kind] = KINDS[e.event_type] ?? ['gear', sentence(e.event_type), 'muted'];
		const colour = STATUS_TONES[e.status] ?? kind;
		item.classList.toggle('fresh', e.fresh === true);
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
			facts.push(`took ${took(e.duration_ms)}`);
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

	/* In words, for those who hear the page. */
	tell(e) {
		const words = KINDS[e.event_type]?.[1] ?? sentence(e.event_type);
		text($('news'), `${e.container_name ? `${e.container_name}: ` : ''}${words}, ${e.status}`);
	},

	showMore() {
		this.limit += EVENTS_STEP;
		return this.load();
	},
};
