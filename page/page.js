/* page.js - the dashboard: what its controls do, and its beginning. */
import {$, on} from './dom.js';
import {recallToken, setToken, takeToken} from './api.js';
import {askToken, notice, sure} from './ask.js';
import {overview} from './overview.js';
import {containers} from './containers.js';
import {events, KINDS} from './events.js';
import {detail} from './detail.js';
import {settings} from './settings.js';
import {again, live, second, seen, soon} from './live.js';

/* A click on a button of a list, by what it is for. */
function onButtons(parent, row, what) {
	on(parent, 'click', async (e) => {
		const button = e.target.closest('button[data-f]');
		if (!button)
			return;
		await what[button.dataset.f](button.closest(row), button);
		soon();
	});
}

async function enterToken() {
	const given = await askToken('It allows changes, and shows what reads *** without it.');
	if (given) {
		setToken(given);
		again();
	}
}

for (const id of ['only-watched', 'only-attention', 'container-filter'])
	on($(id), 'input', () => containers.draw());
on($('event-filter'), 'input', () => events.draw());
on($('event-kind'), 'input', () => {
	events.draw();
	events.load().catch((e) => notice(e.message, 'bad'));
});
on($('events-more'), 'click', () => events.showMore().catch((e) => notice(e.message, 'bad')));
onButtons($('container-rows'), 'tr', {
	name: (row) => void detail.open(row.item),
	choose: (row) => containers.choose(row.item),
	release: (row) => containers.release(row.item),
});
onButtons($('detail'), 'dialog', {
	choose: () => containers.choose(detail.item),
	release: () => containers.release(detail.item),
	restart: (_, button) => sure(button) && detail.restart(),
	snooze: () => detail.snooze(),
});
on($('detail'), 'click', (e) => e.target === $('detail') && $('detail').close()); // beside it
onButtons($('sections'), 'li', {test: (item) => settings.test(item)});
on($('maintenance'), 'click', () => overview.maintain().then(soon));
on($('export'), 'click', () => settings.exportAll());
on($('import'), 'click', () => $('import-file').click());
on($('import-file'), 'change', async (e) => {
	await settings.importFile(e.target.files[0]);
	e.target.value = '';
	soon();
});
for (const id of ['token-enter', 'problems-token', 'detail-masked'])
	on($(id), 'click', enterToken);
on($('token-forget'), 'click', () => {
	setToken('');
	notice('The API token is forgotten.', 'ok');
	again();
});
on(window, 'hashchange', () => takeToken() && again());
on(document, 'visibilitychange', seen);
on(window, 'online', seen);

function begin() {
	for (const [kind, [, words]] of Object.entries(KINDS))
		$('event-kind').add(new Option(words, kind));
	setInterval(second, 1000);
	live();
	settings.load().catch(() => {});
	events.loadHistory().catch(() => {});
}

if (!takeToken())
	recallToken();
// the first paint does not wait for any of it
if (document.visibilityState === 'visible')
	requestAnimationFrame(() => setTimeout(begin));
else
	begin();
