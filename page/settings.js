/* settings.js - the configuration as forms made from its values; what the environment locks is shown and not asked. */
import {$, attribute, drawList, make, on, sentence, text, tone} from './dom.js';
import {change, read, tryChange} from './api.js';
import {notice} from './ask.js';

const SECTIONS = ['monitor', 'restart', 'filters', 'observability', 'notifications'];
const CHOICES = {
	'restart.mode': ['both', 'health', 'on-failure'],
	'observability.log_level': ['DEBUG', 'INFO', 'WARNING', 'ERROR'],
	'observability.log_format': ['text', 'json'],
};
const TITLES = {monitor: 'Monitoring', restart: 'Restarts', filters: 'Filters', observability: 'Log', notifications: 'Notifications'};

const isGroup = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isWords = (value) => Array.isArray(value) && value.every((v) => typeof v === 'string');

/* The control of a value, by what the value is; .read() gives what was made of it. */
function control(path, value) {
	let node;
	if (CHOICES[path]) {
		node = make('select', {}, ...CHOICES[path].map((word) => new Option(word)));
		node.read = () => node.value;
	} else if (typeof value === 'boolean') {
		node = make('input', {type: 'checkbox'});
		node.read = () => node.checked;
	} else if (isWords(value)) {
		node = make('textarea', {rows: 2, placeholder: 'one a line'});
		node.read = () => node.value.split(/[\s,]+/).filter(Boolean);
	} else {
		node = make('input', {type: 'text', placeholder: value === null ? 'not set' : ''});
		if (typeof value !== 'string')
			node.inputMode = 'decimal';
		// what is no number is left to autoheal, which says what it wants there
		node.read = () => typeof value === 'string' ? node.value
			: node.value.trim() === '' ? null : Number.isNaN(Number(node.value)) ? node.value : Number(node.value);
	}
	node.show = (v) => {
		if (node.type === 'checkbox')
			node.checked = v;
		else
			node.value = isWords(v) ? v.join('\n') : v ?? '';
	};
	Object.assign(node, {id: `set-${path}`, path, spellcheck: false, autocomplete: 'off'});
	return node;
}

/* Every value below one, with its path. */
function* leaves(value, path) {
	for (const [name, v] of Object.entries(value))
		if (isGroup(v))
			yield* leaves(v, `${path}.${name}`);
		else if (!Array.isArray(v) || isWords(v))
			yield [`${path}.${name}`, v];
}

const titleOf = (path) => sentence(path.split('.').slice(1).join(' ').replace(/_seconds$/, '')
	.replace('whitelist', 'included').replace('blacklist', 'excluded'));

const hintOf = (node) => node.disabled ? 'Set by the environment' : node.path.endsWith('_seconds') ? 'seconds' : '';

function makeRow(path, value) {
	const node = control(path, value);
	const words = make('label', {htmlFor: node.id, textContent: titleOf(path)});
	const note = make('span', {className: 'sub', id: `${node.id}-note`});
	node.note = note;
	node.setAttribute('aria-describedby', note.id);
	return make('div', {className: 'setting'}, words, node, note);
}

export const settings = {
	config: null,
	dirty: new Set(),

	/* What a person is about to change is not drawn over. */
	async load() {
		this.config = await read('api/config');
		for (const name of SECTIONS)
			if (this.config[name] && !this.dirty.has(name))
				this.drawSection(name);
		drawList($('targets'), this.config.notifications?.services ?? [], (s) => s.name, 'target-item', (f, s, item) => {
			item.service = s.name;
			text(f.name, s.name);
			text(f.url, s.url);
			text(f.state, s.enabled === false ? 'off' : '');
			attribute(f.test, 'aria-label', `Send a test to ${s.name}`);
		});
		text($('targets-empty'), $('targets').firstChild ? '' : 'Nobody is told: name targets in AUTOHEAL_NOTIFY.');
		$('settings').classList.remove('waits');
	},

	form: (name) => $(`form-${name}`),

	makeSection(name) {
		const form = make('form', {id: `form-${name}`, className: 'settings', noValidate: true},
			...[...leaves(this.config[name], name)].map(([path, value]) => makeRow(path, value)),
			make('div', {className: 'buttons'}, make('button', {type: 'submit', className: 'primary', textContent: 'Save'}),
				make('button', {type: 'reset', textContent: 'Undo'}), make('span', {className: 'bad-text', role: 'alert'})));
		on(form, 'input', () => this.dirty.add(name));
		on(form, 'reset', (e) => {
			e.preventDefault();
			this.dirty.delete(name);
			this.drawSection(name);
		});
		on(form, 'submit', (e) => {
			e.preventDefault();
			this.save(name);
		});
		const box = make('details', {className: 'card'}, make('summary', {textContent: TITLES[name]}), form);
		$('sections').append(box);
		if (name === 'notifications')
			box.append($('targets-box').content);
	},

	controls(name) {
		return [...this.form(name).elements].filter((node) => node.path);
	},

	drawSection(name) {
		if (!this.form(name))
			this.makeSection(name);
		const values = new Map(leaves(this.config[name], name));
		const locked = this.config.locked ?? [];
		for (const node of this.controls(name)) {
			node.show(values.get(node.path));
			node.disabled = locked.some((path) => node.path === path || node.path.startsWith(`${path}.`));
			this.note(node, hintOf(node));
		}
		text(this.form(name).querySelector('.bad-text'), '');
	},

	note(node, words, wrong) {
		text(node.note, words);
		tone(node.note, wrong && 'bad');
		attribute(node, 'aria-invalid', wrong);
	},

	async save(name) {
		const form = this.form(name);
		const body = {}; // what is not in it keeps its value
		for (const node of this.controls(name)) {
			if (node.disabled)
				continue;
			const path = node.path.split('.');
			const last = path.pop();
			path.reduce((at, part) => at[part] ??= {}, body)[last] = node.read();
			this.note(node, hintOf(node));
		}
		text(form.querySelector('.bad-text'), '');
		try {
			if (!await change('PUT', 'api/config', body))
				return;
		} catch (e) {
			const at = e.body?.member ?? '';
			const wrong = this.controls(name).find((node) => node.path === at || node.path === `${name}.${at}`);
			if (wrong) {
				this.note(wrong, e.message, true);
				wrong.focus();
			} else {
				text(form.querySelector('.bad-text'), e.message);
			}
			return;
		}
		this.dirty.delete(name);
		notice(`${TITLES[name]}: saved, and live.`, 'ok');
		await this.load();
	},

	async exportAll() {
		try {
			const blob = new Blob([JSON.stringify(await read('api/config/export'), null, 1)], {type: 'application/json'});
			const link = make('a', {href: URL.createObjectURL(blob), download: 'autoheal-config.json'});
			link.click();
			setTimeout(() => URL.revokeObjectURL(link.href), 60000);
		} catch (e) {
			notice(e.message, 'bad');
		}
	},

	async importFile(file) {
		let value;
		try {
			value = JSON.parse(await file.text());
		} catch {
			notice(`${file.name} is no JSON.`, 'bad');
			return;
		}
		const answer = await tryChange(file.name, 'POST', 'api/config/import', value);
		if (!answer)
			return;
		notice(answer.ignored?.length ? `Imported; not known here, and left out: ${answer.ignored.join(', ')}.` : 'Imported, and live.', 'ok');
		this.dirty.clear();
		await this.load();
	},

	async test(item) {
		const answer = await tryChange(item.service, 'POST', `api/notifications/test/${encodeURIComponent(item.service)}`);
		if (!answer)
			return;
		const good = answer.delivered ?? !answer.error;
		const said = answer.error ?? answer.status ?? '';
		text(item.fields.said, good ? `It was sent (${said}).` : `It did not arrive: ${said}`);
		tone(item.fields.said, good ? 'ok' : 'bad');
	},
};
