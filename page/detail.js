/* detail.js - one container: why it is as it is, its incidents with their evidence, and what can be done with it. */
import {$, attribute, drawList, sentence, text, tone} from './dom.js';
import {setTime, took} from './time.js';
import {read, tryChange} from './api.js';
import {askFor, notice} from './ask.js';
import {ACTIONS, addressOf, containers, drawFacts, isSelf} from './containers.js';

const OUTCOME_TONES = {open: 'warn', recovered: 'ok', not_recovered: 'bad', quarantined: 'bad', cancelled: 'muted'};
const MASK = '***';

const fields = {};
for (const part of document.querySelectorAll('#detail [data-f]'))
	if (!part.closest('template'))
		fields[part.dataset.f] = part;

export const detail = {
	item: null,

	open(c) {
		this.item = c;
		for (const id of ['detail-incidents', 'detail-steps', 'detail-labels'])
			$(id).replaceChildren();
		text(fields.text, 'Asking why …');
		text($('incidents-empty'), '');
		this.drawHead(c);
		$('detail').showModal();
		return this.load();
	},

	async load() {
		const c = this.item;
		if (!$('detail').open)
			return;
		const [one, why, incidents] = await Promise.allSettled(
			['', '/explain', '/incidents'].map((what) => read(addressOf(c, what))));
		if (this.item !== c) // another one was opened meanwhile
			return;
		if (one.value)
			this.drawHead(this.item = one.value);
		text(fields.text, why.value?.text ?? why.reason.message);
		drawList($('detail-steps'), why.value?.steps ?? [], (s) => s.question, 'step-item', this.drawStep);
		drawList($('detail-labels'), Object.entries(one.value?.labels ?? {}), ([name]) => name, 'label-item',
			(f, [name, value]) => {
				text(f.key, name);
				text(f.value, value);
			});
		drawList($('detail-incidents'), (incidents.value ?? []).toReversed(), (i) => i.id, 'incident-item',
			(f, i, item) => this.drawIncident(f, i, item));
		text($('incidents-empty'), incidents.value?.length ? '' : incidents.reason?.message ?? 'None is kept: nothing happened to it lately.');
		$('detail-masked').hidden = 
			![...document.querySelectorAll('#detail pre, #detail dd')].some((node) => node.textContent === MASK);
	},

	drawHead(c) {
		text(fields.name, c.name);
		text(fields.image, c.image);
		text(fields.id, c.id);
		attribute(fields.id, 'title', c.full_id);
		text(fields.stable, c.stable_id);
		text(fields.host, c.host);
		drawFacts(fields, c);
		text(fields.word, c.state?.running ? 'started' : 'ended');
		fields.word.parentNode.hidden = !c.state?.started_at;
		setTime(fields.since, c.state?.running ? c.state.started_at : c.state?.finished_at);
		text(fields.oom, c.state?.oom_killed ? 'killed for want of memory' : '');
		text(fields.choose, c.monitored ? 'Exclude' : 'Watch');
		fields.choose.hidden = isSelf(c);
		for (const name of ['restart', 'snooze'])
			fields[name].hidden = !c.monitored;
		fields.release.hidden = !c.quarantined;
	},

	drawStep(f, s) {
		text(f.question, s.question);
		text(f.answer, s.answer);
		tone(f.answer, s.answer === 'yes' ? 'info' : 'muted');
		text(f.because, s.because);
	},

	drawIncident(f, i, item) {
		if (!f.drawn) { // the newest is open at first; from then on it is the person's choice
			f.drawn = true;
			item.firstElementChild.open = !item.previousElementSibling && !$('detail-incidents').children.length;
		}
		text(f.cause, sentence(i.cause));
		text(f.outcome, i.outcome.replaceAll('_', ' '));
		tone(f.outcome, OUTCOME_TONES[i.outcome]);
		setTime(f.opened, i.opened);
		text(f.took, Number.isFinite(i.seconds_to_recover) ? `after ${took(i.seconds_to_recover * 1000)}` : '');
		const e = i.evidence ?? {};
		text(f.facts, [i.detected_by && `Seen by ${i.detected_by}`, Number.isInteger(e.exit_code) && `exit code ${e.exit_code}`,
			e.oom_killed && 'killed for want of memory'].filter(Boolean).join(' · '));
		drawList(f.actions, i.actions ?? [], (a) => a.at + a.action, 'action-item', this.drawAction);
		drawList(f.probes, (e.probes ?? []).map((p, n) => ({...p, n})), (p) => p.end ?? p.n, 'probe-item', this.drawProbe);
		f.log.parentNode.hidden = !e.log;
		text(f.log, e.log);
	},

	drawAction(f, a) {
		text(f.action, ACTIONS[a.action] ?? sentence(a.action));
		text(f.status, a.status);
		tone(f.status, a.status === 'failure' ? 'bad' : 'ok');
		text(f.took, a.duration_ms > 0 ? took(a.duration_ms) : '');
		setTime(f.at, a.at);
		text(f.error, a.error);
	},

	drawProbe(f, p) {
		text(f.code, `Probe, exit code ${p.exit_code ?? 'unknown'}`);
		tone(f.code, p.exit_code ? 'bad' : 'ok');
		setTime(f.end, p.end);
		text(f.output, p.output || '(no output)');
	},

	restart() {
		const c = this.item;
		return containers.busy(c, async () =>
			await tryChange(c.name, 'POST', addressOf(c, '/restart')) && 'is being restarted.');
	},

	async snooze() {
		const c = this.item;
		const body = await askFor(`Snooze ${c.name}`, 'It stays watched, but nothing is done about it.',
			['End the snooze now', {for: 0}]);
		if (!body)
			return;
		const answer = await tryChange(c.name, 'POST', addressOf(c, '/snooze'), body);
		if (answer)
			notice(answer.until ? `${c.name} is left alone until ${new Date(answer.until).toLocaleString()}.`
				: `${c.name} is no longer snoozed.`, 'ok');
	},
};
