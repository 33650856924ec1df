// driver.mjs - hands Chromium to a test in Python: a line of JSON in, {"code": …, "args": …}, is the body of an async
// function of (state, args), and a line of JSON out is what it returned or why it did not. Run by browser.py.
import {createRequire} from 'node:module';
import readline from 'node:readline';

const [modules, executable] = process.argv.slice(2);
const {chromium} = createRequire(`${modules}/`)('playwright-core');
const AsyncFunction = (async () => {}).constructor;
const state = {
	axe: createRequire(`${modules}/`).resolve('axe-core/axe.min.js'),
	browser: await chromium.launch({
		executablePath: executable,
		args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--no-first-run', '--hide-scrollbars'],
	}),
};

for await (const line of readline.createInterface({input: process.stdin})) {
	const {code, args} = JSON.parse(line);
	let answer;
	try {
		answer = {value: await new AsyncFunction('state', 'args', code)(state, args) ?? null};
	} catch (e) {
		answer = {fault: String(e?.stack ?? e)};
	}
	process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await state.browser.close();
