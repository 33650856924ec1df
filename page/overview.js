/* overview.js - how autoheal itself is: the head of the page, the numbers, the engines, the mode. */
import {$, attribute, drawList, text, tone} from './dom.js';
import {now, setClock, setTime, setUptime} from './time.js';
import {call, read, tryChange} from './api.js';
import {askFor, notice} from './ask.js';

/* what the head says of the way here, beside what autoheal says of itself */
const WAYS = {
	live: ['', '', 'Live: what happens appears here by itself.'],
	polling: ['', '', 'No live stream: asked again every 10 s.'],
	reconnecting: ['reconnecting', 'warn', 'The connection was cut. What is shown was true'],
};

export const overview = {
	health: null,
	status: null,
	loadedAt: 0,
	way: 'live',
	problem: null,

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
			this.loadedAt = now();
		}
		if (status.status === 'fulfilled')
			this.status = status.value;
		this.problem = health.reason;
		this.draw();
		for (const result of [status, health])
			if (result.reason)
				throw result.reason;
	},

	draw() {
		this.drawState();
		const s = this.status;
		if (!s)
			return;
		text($('n-total'), s.total_containers);
		text($('n-watched'), s.monitored_containers);
		text($('n-quarantined'), s.quarantined_containers);
		tone($('quarantined'), s.quarantined_containers > 0 ? 'bad' : '');
		const [mode, hint, kind] = this.mode(s);
		text($('mode-word'), mode);
		attribute($('mode'), 'title', hint);
		tone($('mode-tile'), kind);
		setTime($('mode-until'), s.maintenance_mode ? s.maintenance_until : null, true);
		text($('maintenance'), s.maintenance_mode ? 'End maintenance' : 'Maintenance');
		text($('version'), s.version);
		setUptime(s.uptime_seconds);
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

	drawState() {
		const h = this.health;
		const lost = (h?.engines ?? []).filter((e) => !e.connected);
		const shownAt = h ? new Date(this.loadedAt).toISOString() : null;
		let [state, kind, why] = WAYS[this.way];
		let when = null;
		if (this.problem) {
			[state, kind] = [this.problem.status === 401 ? 'token wanted' : this.problem.status ? 'error' : 'no answer', 'bad'];
			why = this.problem.message + (h ? ' What is shown was true' : '');
			when = shownAt;
		} else if (state) {
			when = shownAt;
		} else if (!h) {
			return;
		} else if (h.status !== 'healthy' || lost.length) {
			[state, kind] = h.docker_connected && !lost.length ? ['unhealthy', 'bad']
				: ['engine lost', h.docker_connected ? 'warn' : 'bad'];
			why = h.reason ?? lost.map((e) => `${e.host}: ${e.error ?? 'no connection'}`).join('; ');
		} else {
			[state, kind] = ['healthy', 'ok'];
		}
		text($('pill'), state);
		tone($('pill'), kind);
		text($('reason'), why);
		setTime($('reason-time'), when);
		document.title = state === 'healthy' ? 'autoheal' : `${state} · autoheal`;
	},

	drawEngine(f, e) {
		tone(f.dot, e.connected ? 'ok' : 'bad');
		attribute(f.dot, 'aria-label', e.connected ? 'connected' : 'not connected');
		text(f.host, e.host);
		text(f.engine, [e.engine, e.version].filter(Boolean).join(' '));
		text(f.api, e.api_version ? `API ${e.api_version}` : '');
		text(f.url, e.url);
		text(f.facts, e.reconnects ? `${e.reconnects} reconnect${e.reconnects === 1 ? '' : 's'}` : '');
		text(f.error, e.connected ? e.error : e.error ?? 'not connected');
	},

	async maintain() {
		if (this.status?.maintenance_mode) {
			if (await tryChange('', 'POST', 'api/maintenance/disable'))
				notice('Maintenance has ended: containers are healed again.', 'ok');
			return;
		}
		const body = await askFor('Maintenance', 'Watching goes on, but nothing is restarted.', ['Until I end it', {}]);
		if (body && await tryChange('', 'POST', 'api/maintenance/enable', body))
			notice('Maintenance: nothing is restarted.', 'ok');
	},
};

export const manyHosts = () => (overview.status?.engines.length ?? 0) > 1;
