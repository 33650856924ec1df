/* probe.c - doing one probe after another, of probe.h. */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"
#include "resolve.h"

/* What a probe that is under way waits for. */
enum step {
	STEP_ADDRESS, /* an inspect: whether it has a HEALTHCHECK, how old it is, where it is */
	STEP_OLD,     /* how its last command is, which had outlived its timeout */
	STEP_CREATE,
	STEP_START,
	STEP_EXIT,   /* the exit code */
	STEP_NAME,   /* the address of another host */
	STEP_DIRECT, /* the container itself */
	STEP_END,    /* it is decided, and told in the next turn */
};

struct probe {
	struct probe *next;
	struct probes *all;
	struct docker *docker;
	uint8_t id[32];
	uint64_t due; /* loop's clock; 0: asleep, or under way */
	uint64_t started;
	uint32_t streak;
	bool busy;
	bool fresh;  /* it runs since it was last looked at: only its address is asked for */
	bool known;  /* that is */
	bool passed; /* since its start */
	bool quiet;  /* that it cannot be made was told */
	bool left;   /* `exec` was left running */
	uint8_t at;  /* which of its addresses */
	char address[INET6_ADDRSTRLEN];
	char exec[65]; /* id of the last command */
	/* the one under way */
	uint8_t step;         /* enum step */
	uint8_t outcome;      /* enum probe_result, of STEP_END */
	bool ended;           /* STEP_OLD, STEP_EXIT */
	int64_t exit_code;    /* the same */
	uint8_t tries;        /* STEP_EXIT */
	struct frames frames; /* of its output */
	struct call *call;
	struct resolve *resolve; /* STEP_NAME; NULL else */
	struct net_stream stream;
	struct loop_timer deadline;
	uint16_t words_n;
	char words[PROBE_WORDS_MAX];
	struct watch_check check; /* allocated as far as its text goes */
};

static void wait_for_next(struct probes *all);

/* ---- ends of one probe ------------------------------------------------------------------------ */

/* Ends what is under way, be it only to sleep. */
static void stop(struct probe *p)
{
	struct probes *all = p->all;

	if (!p->busy)
		return;
	p->busy = false;
	all->running--;
	loop_cancel(all->loop, &p->deadline);
	if (p->call)
		call_close(p->call);
	p->call = NULL;
	if (p->resolve)
		resolve_cancel(p->resolve);
	free(p->resolve);
	p->resolve = NULL;
	if (p->stream.fd >= 0) {
		loop_forget(all->loop, p->stream.fd);
		net_close(&p->stream);
	}
}

static void finish(struct probe *p, enum probe_result result)
{
	struct probes *all = p->all;
	bool quiet = result == PROBE_CANNOT && p->quiet;

	stop(p);
	p->due = all->loop->now + p->check.interval;
	wait_for_next(all);
	if (result == PROBE_PASSED) {
		p->passed = true;
		p->quiet = false;
		p->streak = 0;
	} else {
		p->known = false; /* its address may have changed, or another of them may do */
		p->at = (uint8_t)(p->at + !p->passed);
		p->quiet |= result == PROBE_CANNOT;
	}
	if (result == PROBE_FAILED) {
		if (p->passed || all->loop->now - p->started >= p->check.start_period)
			p->streak++;
		if (p->streak < p->check.retries)
			return;
	}
	all->told(all->owner, p->docker, p->id, result, quiet ? "" : p->words); /* may drop it */
}

/* It is decided before anything could be waited for: told in the next turn, so that nobody is called back amid a call. */
static void decide(struct probe *p, enum probe_result result, const char *words)
{
	if (words)
		span_copy(span_of(words), p->words, sizeof(p->words));
	p->outcome = (uint8_t)result;
	p->step = STEP_END;
	loop_after(p->all->loop, &p->deadline, 0);
}

/* Only what the container itself does is a failure: it refuses, hangs up, or does not answer. */
static enum probe_result result_of(int error)
{
	return !error || error == ECONNREFUSED || error == ECONNRESET || error == EPIPE ||
		error == ETIMEDOUT
	    ? PROBE_FAILED
	    : PROBE_CANNOT;
}

static void say_error(struct probe *p, const char *words)
{
	text_print(p->words, sizeof(p->words), "port %u: %s", p->check.port, words);
}

/* ---- over the network ------------------------------------------------------------------------- */

/* Where a GET goes to another host than the container: its name; of the container itself it is empty. */
static struct span other_host(const struct probe *p)
{
	bool http = p->check.kind == CHECK_HTTP;

	return (struct span){p->check.what, http ? strcspn(p->check.what, "/") : 0};
}

static void http_head(struct call *call)
{
	struct probe *p = call->owner;

	int host = (int)other_host(p).n;

	text_print(p->words, sizeof(p->words), "GET %.*s:%u%.160s answered %d", host, p->check.what,
	    p->check.port, p->check.what + host, call->status);
	finish(p, call->status == p->check.status ? PROBE_PASSED : PROBE_FAILED);
}

static void http_done(struct call *call)
{
	struct probe *p = call->owner;

	p->call = NULL;
	say_error(p, call->words);
	finish(p, call->end == CALL_NONSENSE ? PROBE_FAILED : result_of(call->error));
}

static const struct call_handler http_handler = {.head = http_head, .done = http_done};

static void get(struct probe *p, const struct net_address *to, struct span name)
{
	struct call_place place = {.address = *to};
	char host[264];
	int error;

	text_print(host, sizeof(host), "%.*s:%u", (int)name.n, name.p, p->check.port);
	place.host = host;
	p->step = STEP_DIRECT;
	p->call = call_start(p->all->loop, p->docker->workspace, &place, NULL, "GET",
	    p->check.what + other_host(p).n, JSON_STREAM, 0, &http_handler, p, &error);
	if (p->call)
		return;
	say_error(p, text_error(-error));
	decide(p, result_of(-error), NULL);
}

/* Of several addresses the next one has its turn after a failure, until one has passed. */
static void found(void *owner)
{
	struct probe *p = owner;
	const struct resolve *r = p->resolve;

	if (r->count)
		get(p, &r->addresses[p->at % r->count], other_host(p));
	else
		decide(p, PROBE_CANNOT, "the name of its host is not known");
}

static void begin_http(struct probe *p)
{
	struct span host = other_host(p), bare = host;
	struct net_address to;
	char name[256];

	if (!host.n) {
		text_print(name, sizeof(name), strchr(p->address, ':') ? "[%s]" : "%s", p->address);
		host = span_of(name);
		bare = span_of(p->address);
	} else if (host.p[0] == '[') {
		bare = (struct span){host.p + 1, host.n - 2};
	}
	if (net_literal(&to, bare, p->check.port)) {
		get(p, &to, host);
		return;
	}
	span_copy(bare, name, sizeof(name));
	p->step = STEP_NAME;
	p->resolve = calloc(1, sizeof(*p->resolve));
	if (p->resolve)
		resolve_start(p->resolve, p->all->loop, name, p->check.port, found, p);
	else
		decide(p, PROBE_CANNOT, "no memory is left");
}

static void tcp_ready(void *owner, unsigned what)
{
	struct probe *p = owner;
	int error = net_connect(&p->stream);

	(void)what;
	if (error == -EAGAIN)
		return;
	if (error)
		say_error(p, text_error(-error));
	finish(p, error ? result_of(-error) : PROBE_PASSED);
}

static void begin_tcp(struct probe *p)
{
	struct net_address to;
	int error;

	net_literal(&to, span_of(p->address), p->check.port);
	error = net_open(&p->stream, &to);
	if (error == -EAGAIN) {
		if (loop_watch(p->all->loop, p->stream.fd, LOOP_WRITE, tcp_ready, p))
			return;
		error = -EMFILE;
	}
	if (p->stream.fd >= 0)
		net_close(&p->stream);
	if (error)
		say_error(p, text_error(-error));
	decide(p, error ? result_of(-error) : PROBE_PASSED, NULL);
}

/* The address of the container's networks whose turn it is; false where there is none. */
static bool read_address(struct probe *p, const struct json *j)
{
	int networks = json_get(j, 0, "NetworkSettings.Networks");
	struct net_address a;

	span_copy(span_of("127.0.0.1"), p->address, sizeof(p->address));
	if (p->all->at_home && p->docker->target.local &&
	    json_is(j, json_get(j, 0, "HostConfig.NetworkMode"), "host"))
		return true;
	for (;; p->at = 0) {
		int key = -1, network, seen = 0;

		while (json_next_member(j, networks, &key, &network)) {
			if (!json_text(j, json_get(j, network, "IPAddress"), p->address,
				sizeof(p->address)))
				json_text(j, json_get(j, network, "GlobalIPv6Address"), p->address,
				    sizeof(p->address));
			if (net_literal(&a, span_of(p->address), 1) && seen++ == p->at)
				return true;
		}
		if (!p->at)
			return false;
	}
}

/* ---- the engine ------------------------------------------------------------------------------- */

static void ask(struct probe *p, enum step step);

/* What is to be done first of a probe that is due, or next. */
static void go_on(struct probe *p)
{
	if (!p->known) {
		ask(p, STEP_ADDRESS);
	} else if (p->check.kind == CHECK_EXEC) {
		ask(p, p->left ? STEP_OLD : STEP_CREATE);
	} else {
		p->step = STEP_DIRECT;
		loop_after(p->all->loop, &p->deadline, p->check.timeout);
		if (p->check.kind == CHECK_HTTP)
			begin_http(p);
		else
			begin_tcp(p);
	}
}

/* It runs: where, and since when. A HEALTHCHECK of its own decides. */
static void take_inspect(struct probe *p, const struct json *j, int64_t date)
{
	struct container_facts f;

	if (!facts_read_inspected(j, date, &f))
		return;
	p->known = true;
	if (f.now.age_ms >= 0)
		p->started = p->all->loop->now - (uint64_t)f.now.age_ms;
	if (f.now.health != HEALTH_NONE)
		decide(p, PROBE_BESIDE, NULL);
	else if (p->check.kind == CHECK_EXEC || other_host(p).n)
		return;
	else if (p->all->several && !p->docker->target.local)
		decide(p, PROBE_CANNOT,
		    "with several engines its address may be another's here; use autoheal.check.exec");
	else if (!read_address(p, j))
		decide(p, PROBE_CANNOT, "no address of its own; autoheal.check.exec needs none");
}

static void exec_value(struct call *call, const struct json *j)
{
	struct probe *p = call->owner;

	if (p->step == STEP_ADDRESS) {
		take_inspect(p, j, call->date);
	} else if (p->step == STEP_CREATE) {
		int id = json_get(j, 0, "Id");
		uint8_t bytes[32];

		if (text_unhex(json_raw(j, id), bytes, sizeof(bytes)))
			json_text(j, id, p->exec, sizeof(p->exec)); /* fit for a path */
	} else {
		p->exit_code = json_int(j, json_get(j, 0, "ExitCode"), -1);
		p->ended = !json_bool(j, json_get(j, 0, "Running"), true);
	}
}

static void exec_output(struct call *call, const struct json *j)
{
	struct probe *p = call->owner;
	const char *at = j->p;
	size_t n = j->n;
	struct span text;

	while (frames_next(&p->frames, &at, &n, &text))
		p->words_n = (uint16_t)(p->words_n +
		    span_copy(text, p->words + p->words_n, sizeof(p->words) - p->words_n));
}

/* The command has ended. Its output is in words already, where the exit code goes in front. */
static void exec_ended(struct probe *p)
{
	char output[PROBE_WORDS_MAX];
	struct span seen = span_trim((struct span){p->words, p->words_n});

	p->left = false;
	span_copy(seen, output, sizeof(output));
	text_print(p->words, sizeof(p->words), "exit code %d%s%s", (int)p->exit_code,
	    *output ? "\n" : "", output);
	finish(p, p->exit_code ? PROBE_FAILED : PROBE_PASSED);
}

static void exec_refused(struct probe *p, const struct call *call)
{
	if (p->step == STEP_OLD && call->end == CALL_ANSWERED) {
		p->left = false; /* the engine has forgotten it */
		go_on(p);
		return;
	}
	text_print(p->words, sizeof(p->words), "%s%s",
	    call->status == 403 ? "give the proxy EXEC=1 and POST=1; it says " : "the engine says ",
	    call->words);
	if (call->status == 404 || call->status == 409)
		p->words[0] = 0; /* it has just ended, or was paused, which an event tells */
	finish(p, PROBE_CANNOT);
}

static void exec_done(struct call *call)
{
	struct probe *p = call->owner;

	p->call = NULL;
	if (p->step == STEP_END)
		return;
	if (call->end != CALL_ANSWERED || !call_succeeded(call) ||
	    (p->step == STEP_CREATE && !p->exec[0])) {
		exec_refused(p, call);
	} else if (p->step == STEP_ADDRESS) {
		if (!p->fresh) {
			go_on(p);
			return;
		}
		p->fresh = false;
		stop(p);
		p->due = p->all->loop->now + p->check.interval -
		    (p->all->loop->now - p->started) % p->check.interval;
		wait_for_next(p->all);
	} else if (p->step == STEP_CREATE) {
		ask(p, STEP_START);
	} else if (p->step == STEP_START) {
		p->tries = PROBE_EXIT_TRIES;
		ask(p, STEP_EXIT);
	} else if (p->ended && p->step == STEP_EXIT) {
		exec_ended(p);
	} else if (p->ended) {
		p->left = false;
		go_on(p);
	} else if (p->step == STEP_EXIT && p->tries) {
		loop_after(p->all->loop, &p->deadline,
		    PROBE_EXIT_MS); /* the stream ends a little earlier */
	} else {
		p->left = true;
		text_print(
		    p->words, sizeof(p->words), "its command has not ended since the last time");
		finish(p, PROBE_FAILED);
	}
}

static const struct call_handler ask_handler = {.value = exec_value, .done = exec_done};
static const struct call_handler output_handler = {.value = exec_output, .done = exec_done};

/* The command as Docker takes a HEALTHCHECK's: words where it is a JSON array, else a line for the shell. */
static void write_command(struct buf *out, const char *command)
{
	struct json_writer w;
	size_t at;

	json_start(&w, out);
	buf_add_text(out, "{\"AttachStdout\":true,\"AttachStderr\":true,\"Cmd\":");
	if (command[0] == '[' && json_valid(span_of(command), &at)) {
		buf_add_text(out, command);
	} else {
		buf_add_text(out, "[\"/bin/sh\",\"-c\",");
		json_cstring(&w, command);
		buf_add_text(out, "]");
	}
	buf_add(out, "}", 2);
}

static struct call *create(struct probe *p, const char **error)
{
	struct call *call = NULL;
	struct buf body;
	char id[65], path[88];

	text_hex(p->id, 32, id);
	text_print(path, sizeof(path), "/containers/%s/exec", id);
	buf_init(&body, CALL_REQUEST_MAX);
	write_command(&body, p->check.what);
	*error = "no memory is left";
	if (!body.failed)
		call = docker_post(p->docker, path, body.p, JSON_STREAM, &ask_handler, p, error);
	buf_free(&body);
	return call;
}

static void ask(struct probe *p, enum step step)
{
	uint64_t time = p->docker->settings->curl_timeout;
	const char *error;
	char path[80];

	p->step = (uint8_t)step;
	p->ended = false;
	if (step == STEP_ADDRESS) {
		p->call = docker_inspect(p->docker, p->id, &ask_handler, p, &error);
	} else if (step == STEP_CREATE) {
		p->exec[0] = 0;
		p->call = create(p, &error);
	} else if (step == STEP_START) {
		time = p->check.timeout;
		p->frames = (struct frames){0};
		p->words_n = 0;
		text_print(path, sizeof(path), "/exec/%s/start", p->exec);
		p->call = docker_post(p->docker, path, "{\"Detach\":false,\"Tty\":false}",
		    JSON_NONE, &output_handler, p, &error);
	} else {
		p->call = docker_request(p->docker, "GET", JSON_STREAM, 0, &ask_handler, p, &error,
		    "/exec/%s/json", p->exec);
	}
	if (p->call)
		loop_after(p->all->loop, &p->deadline, time);
	else
		decide(p, PROBE_CANNOT, error);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void deadline(void *owner)
{
	struct probe *p = owner;
	bool its_own = p->step == STEP_START || p->step == STEP_DIRECT;

	if (p->step == STEP_END) {
		finish(p, (enum probe_result)p->outcome);
	} else if (p->step == STEP_EXIT && p->tries && !p->call) {
		p->tries--;
		ask(p, STEP_EXIT);
	} else if (p->all->loop->stalled) {
		stop(p); /* it was we who were not there */
		p->due = p->all->loop->now + p->check.interval;
		wait_for_next(p->all);
	} else {
		p->left = p->step == STEP_START;
		text_print(p->words, sizeof(p->words), "%s within %llu ms",
		    p->left                    ? "its command did not end"
			: its_own              ? "it did not answer"
			: p->step == STEP_NAME ? "no name server answered"
					       : "the engine did not answer",
		    (unsigned long long)(its_own || p->step == STEP_NAME
			    ? p->check.timeout
			    : p->docker->settings->curl_timeout));
		finish(p, its_own ? PROBE_FAILED : PROBE_CANNOT);
	}
}

static void begin(struct probe *p)
{
	struct loop *loop = p->all->loop;
	bool asks = !p->known || p->check.kind == CHECK_EXEC;

	if (asks && p->docker->state != DOCKER_UP) {
		/* that it is away is told already */
		p->due = loop->now +
		    (p->docker->state == DOCKER_LISTING ? PROBE_SOON_MS : p->check.interval);
		return;
	}
	p->due = 0;
	p->busy = true;
	p->all->running++;
	p->words[0] = 0;
	go_on(p);
}

static struct probe *earliest(struct probes *all)
{
	struct probe *first = NULL;

	for (struct probe *p = all->first; p; p = p->next)
		if (p->due && (!first || p->due < first->due))
			first = p;
	return first;
}

static void wait_for_next(struct probes *all)
{
	const struct probe *next = all->running < all->most ? earliest(all) : NULL;

	if (next)
		loop_after(all->loop, &all->timer,
		    next->due > all->loop->now ? next->due - all->loop->now : 0);
	else
		loop_cancel(all->loop, &all->timer); /* or until one has ended */
}

static void begin_due(void *owner)
{
	struct probes *all = owner;
	struct probe *p;

	while (all->running < all->most && (p = earliest(all)) && p->due <= all->loop->now)
		begin(p);
	wait_for_next(all);
}

/* ---- who is probed ---------------------------------------------------------------------------- */

static struct probe **find(struct probes *all, const struct docker *d, const uint8_t id[32])
{
	struct probe **link = &all->first;

	while (*link && ((*link)->docker != d || memcmp((*link)->id, id, 32)))
		link = &(*link)->next;
	return link;
}

const char *probes_add(
    struct probes *all, struct docker *d, const uint8_t id[32], const struct watch_check *check)
{
	size_t n = offsetof(struct watch_check, what) + strlen(check->what) + 1;
	struct probe *p = NULL;

	if (!all->most)
		return "too few open files: raise ulimit -n";
	if (all->count < PROBES_MAX)
		p = calloc(1, offsetof(struct probe, check) + n);
	if (!p)
		return "there are too many, or no memory is left";
	memcpy(&p->check, check, n);
	memcpy(p->id, id, 32);
	p->all = all;
	p->docker = d;
	p->stream.fd = -1;
	p->deadline = (struct loop_timer){.fire = deadline, .owner = p};
	p->next = all->first;
	all->first = p;
	all->count++;
	return NULL;
}

void probes_follow(
    struct probes *all, const struct docker *d, const uint8_t id[32], bool runs, bool started)
{
	struct probe *p = *find(all, d, id);

	if (!p)
		return;
	stop(p);
	p->due = 0;
	p->streak = 0;
	if (started)
		p->passed = p->left = false;
	if (runs) {
		p->due = p->started = all->loop->now;
		p->fresh = true;
		p->known = false;
	}
	wait_for_next(all);
}

static void drop(struct probes *all, struct probe **link)
{
	struct probe *p = *link;

	if (!p)
		return;
	stop(p);
	*link = p->next;
	all->count--;
	free(p);
}

void probes_drop(struct probes *all, const struct docker *d, const uint8_t id[32])
{
	drop(all, find(all, d, id));
	wait_for_next(all);
}

uint32_t probes_streak(struct probes *all, const struct docker *d, const uint8_t id[32])
{
	const struct probe *p = *find(all, d, id);

	return p ? p->streak : 0;
}

void probes_init(struct probes *all, struct loop *loop,
    void (*told)(void *owner, struct docker *d, const uint8_t id[32], enum probe_result result,
	const char *words),
    void *owner)
{
	all->loop = loop;
	all->told = told;
	all->owner = owner;
	all->timer = (struct loop_timer){.fire = begin_due, .owner = all};
}

void probes_close(struct probes *all)
{
	while (all->first)
		drop(all, &all->first);
	loop_cancel(all->loop, &all->timer);
}
