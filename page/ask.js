/* ask.js - what is asked of the person, and what is told in passing. */
import {$, on, text, tone} from './dom.js';

/* Shows a dialog of one form, once at a time; resolves to whether it was sent. */
function show(dialog) {
	dialog.asking ??= new Promise((resolve) => {
		dialog.returnValue = '';
		dialog.addEventListener('close', () => {
			dialog.asking = null;
			resolve(dialog.returnValue === 'given');
		}, {once: true});
		dialog.showModal();
	});
	return dialog.asking;
}

/* The token that is typed, or ''. */
export async function askToken(why) {
	text($('token-why'), why);
	const given = await show($('token-dialog'));
	const value = $('token-input').value.trim();
	$('token-input').value = '';
	return given ? value : '';
}

/* For how long: the body of a call; null where the person thought better. last: what the last choice is called,
 * and means. */
export async function askFor(title, why, [words, value]) {
	text($('for-h'), title);
	text($('for-why'), why);
	text($('for-last'), words);
	$('for-last').value = JSON.stringify(value);
	$('for-input').selectedIndex = 1;
	return await show($('for-dialog')) ? JSON.parse($('for-input').value) : null;
}

/* The first press of a button asks, a second one soon after it answers. */
export function sure(button) {
	if (button.dataset.sure) {
		text(button, button.dataset.sure);
		delete button.dataset.sure;
		return true;
	}
	button.dataset.sure = button.textContent;
	text(button, `${button.textContent} now?`);
	setTimeout(() => {
		text(button, button.dataset.sure ?? button.textContent);
		delete button.dataset.sure;
	}, 4000);
	return false;
}

let noticeTimer;

/* Told for some seconds, above whatever is open: a modal dialog would cover the page's own. */
export function notice(words, kind) {
	const node = $('notice');
	const place = document.querySelector('#detail[open]') ?? document.body;
	if (node.parentNode !== place)
		place.append(node);
	clearTimeout(noticeTimer);
	text(node, words);
	tone(node, kind);
	node.classList.add('shown');
	noticeTimer = setTimeout(() => node.classList.remove('shown'), kind === 'bad' ? 12000 : 5000);
}

for (const dialog of document.querySelectorAll('dialog')) {
	const form = dialog.querySelector('form');
	if (form)
		on(form, 'submit', (e) => {
			e.preventDefault();
			dialog.close('given');
		});
	on(dialog.querySelector('.close'), 'click', () => dialog.close(''));
}
