/* dom.js - nodes: touched only where something changed, so that nothing jumps, blinks or is re-read.
 *
 * Names, labels, messages and outputs come from containers, so from strangers: they reach the page
 * through textContent and attributes only. */

export const $ = (id) => document.getElementById(id);

export function text(node, value) {
	const words = String(value ?? '');
	if (node.textContent !== words)
		node.textContent = words;
}

/* "crash_loop" -> "Crash loop". */
export const sentence = (word) => word.charAt(0).toUpperCase() + word.slice(1).replaceAll('_', ' ');

export function attribute(node, name, value) {
	if (value === null || value === '' || value === undefined)
		node.removeAttribute(name);
	else if (node.getAttribute(name) !== String(value))
		node.setAttribute(name, value);
}

export const tone = (node, value) => attribute(node, 'data-tone', value);

export function make(tag, properties, ...children) {
	const node = Object.assign(document.createElement(tag), properties);
	node.append(...children);
	return node;
}

export function on(node, kind, what) {
	node.addEventListener(kind, what);
}

function stamp(template) {
	const node = $(template).content.firstElementChild.cloneNode(true);
	node.fields = {};
	for (const part of node.querySelectorAll('[data-f]'))
		node.fields[part.dataset.f] = part;
	return node;
}

/* Makes the children of parent show items, in order; a child is kept as long as its key is. */
export function drawList(parent, items, keyOf, template, update) {
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
		parent.closest('section, dialog').querySelector('h2').focus();
}
