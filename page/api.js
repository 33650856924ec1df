/* api.js - requests to autoheal, and the token: in the fragment once, else asked for; kept in this tab.
 * Addresses are relative, so a proxy may put the page under a prefix. */
import {$} from './dom.js';
import {askToken, notice} from './ask.js';

const REQUEST_MS = 15000;
const TOKEN_KEY = 'autoheal-token';

export let token = '';

export function setToken(value) {
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

export function takeToken() {
	const given = /^#token=(.*)$/s.exec(location.hash);
	if (given) {
		history.replaceState(null, '', location.pathname + location.search);
		try {
			setToken(decodeURIComponent(given[1]));
		} catch {
			setToken(given[1]);
		}
	}
	return Boolean(given);
}

export function recallToken() {
	try {
		setToken(sessionStorage.getItem(TOKEN_KEY));
	} catch {
		setToken('');
	}
}

class ApiError extends Error {
	/* status 0: no answer. body: what was answered, where it was JSON. */
	constructor(status, message, body) {
		super(message);
		this.status = status;
		this.body = body;
	}
}

/* The answer, where it is a good one. */
async function request(path, {method = 'GET', body, headers = {}, signal} = {}) {
	let response;
	headers = {Accept: 'application/json', ...headers};
	if (token)
		headers.Authorization = `Bearer ${token}`;
	if (body !== undefined)
		headers['Content-Type'] = 'application/json';
	try {
		response = await fetch(path, {
			method, headers, cache: 'no-store', signal: signal ?? AbortSignal.timeout(REQUEST_MS),
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch {
		throw new ApiError(0, 'autoheal does not answer.');
	}
	if (response.ok)
		return response;
	const value = await response.json().catch(() => null);
	throw new ApiError(response.status, value?.error ?? `autoheal answered ${response.status}.`, value);
}

export async function call(path, options) {
	const response = await request(path, options);
	try {
		return await response.json();
	} catch (e) {
		throw e instanceof SyntaxError
			? new ApiError(response.status, 'The answer is not JSON: does something stand before autoheal?')
			: new ApiError(0, 'autoheal does not answer.');
	}
}

/* A token that is no longer good must not hide what can be read without one. */
async function tolerant(ask, path, options) {
	const used = token;
	try {
		return await ask(path, options);
	} catch (e) {
		if (e.status !== 401 || !used)
			throw e;
		if (token === used) {
			setToken('');
			notice('The API token is not accepted any more.', 'bad');
		}
		return ask(path, options);
	}
}

export const read = (path) => tolerant(call, path);
export const obtain = (path, options) => tolerant(request, path, options);

/* A change by a person: asks for the token when autoheal does. null: the person thought better. */
export async function change(method, path, body) {
	for (;;) {
		try {
			return await call(path, {method, body});
		} catch (e) {
			if (e.status !== 401)
				throw e;
			const given = await askToken(e.message);
			if (!given)
				return null;
			setToken(given);
		}
	}
}

/* The same, where all that is to be done about an error is to tell it. */
export async function tryChange(who, method, path, body) {
	try {
		return await change(method, path, body);
	} catch (e) {
		notice(who ? `${who}: ${e.message}` : e.message, 'bad');
		return null;
	}
}
