/* cut_engine.h - an engine at the other end of a unix socket, in the same thread and under a simulated
 * clock, whose every connection can be cut after any of its bytes; for test_cuts.c.
 *
 * It plays a story: what happens to its containers and when. What it says on the wire is byte for byte what a
 * dockerd says: chunks, heads, events that are kept in a ring of 256 and told again from `since` on. */
#ifndef CUT_ENGINE_H
#define CUT_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "monitor.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define ENGINE_BEGINS 1700000000000ll /* ms since 1970 by its clock and ours */
#define ENGINE_STARTS 5000000ull      /* ms of the loop's clock */
#define ENGINE_CUTS_MS 100000         /* of the story; from there on nothing is cut */
#define ENGINE_RING 256
#define ENGINE_EVENTS 1024 /* in one story */
#define ENGINE_CONTAINERS 16
#define ENGINE_CONNECTIONS 64 /* open at once */
#define ENGINE_CALLS 1024     /* in one story */
#define ENGINE_PLANS 128
#define ENGINE_STOP_MS 300 /* a stop takes so long */
#define ENGINE_HEAL_MS 900 /* from a start to the first good probe */

/* What happens, by itself or as a part of something longer. */
enum happening {
	NOTHING,
	SICKENS, /* enough probes have failed */
	HEALS,   /* a probe succeeds */
	PAUSED,
	UNPAUSED,
	KILLED, /* a signal, which it may survive */
	DIES,
	STOPS, /* the event `stop`, after the exit */
	CREATED,
	STARTS,
	RESTARTED,
	RENAMED,
	REMOVED,
	ANSWERED,   /* our restart: 204 */
	HUGE_EVENT, /* one larger than any client takes */
	BACK,       /* the engine listens again */
	DONE,
};

/* What is cut: an answer of this kind, or an event on the stream, after so many of its bytes. */
enum said { VERSION, STREAM_HEAD, LIST, INSPECT, RESTART, EVENT, LOG, SAID_COUNT };

struct cut {
	enum said said;
	unsigned classes,
	    turn; /* those whose number among their kind is `turn` modulo `classes`; classes 0: no cut */
	size_t at;
	uint64_t away;   /* ms for which nobody listens after each cut */
	bool unheard;    /* the request is not even read: the engine has not begun with it */
	unsigned random; /* one of so many of every kind is cut, at a random byte; 0 none */
	uint64_t seed;
};

struct body {
	const char *name, *labels; /* labels: members of a JSON object */
	char id[65];
	bool there, running, paused, sick;
	const char *health; /* of inspect */
	unsigned streak;
	int exit_code;
	int64_t started; /* ms since 1970 */
	unsigned run;    /* number of its start: a probe planned for an earlier one is void */
	bool restarting; /* at our request */
	unsigned illnesses, restarts;
};

struct plan {
	uint64_t at, order;
	enum happening what;
	struct body *body;
	unsigned run; /* HEALS after a start: only if it is still this one; 0: whatever */
	unsigned connection;
};

struct told {
	int64_t nano;
	size_t length;
	char *bytes; /* the event's line, no chunk around it */
};

struct connection {
	int fd; /* -1: free */
	unsigned number;
	bool asked, stream;
	char in[1024];
	size_t in_length;
	char *out; /* what the socket has not taken yet */
	size_t out_length;
	bool ending; /* closed when that is sent */
};

static struct {
	bool on;
	uint64_t now; /* ms of every clock but the wall's */
	int listener;
	char path[64];
	struct body bodies[ENGINE_CONTAINERS];
	size_t bodies_count;
	struct plan plans[ENGINE_PLANS];
	size_t plans_count;
	uint64_t orders;
	struct told ring[ENGINE_RING];
	uint64_t told; /* events so far; the newest is ring[(told - 1) % ENGINE_RING] */
	int64_t last_nano;
	struct connection connections[ENGINE_CONNECTIONS];
	unsigned connections_made;
	size_t sent[ENGINE_CALLS];    /* bytes by number of connection */
	size_t limit[ENGINE_CALLS];   /* where the connection is cut; SIZE_MAX: nowhere */
	unsigned restarts_while_busy; /* a restart asked for while one is under way */
	bool was_cut[ENGINE_EVENTS];  /* each event is cut once at most */
	struct cut cut;
	unsigned said[SAID_COUNT];  /* so far */
	size_t longest[SAID_COUNT]; /* bytes */
	unsigned cuts;
} engine;

/* ---- small things -------------------------------------------------------------------------------- */

static inline int64_t engine_wall(void)
{
	return ENGINE_BEGINS + (int64_t)engine.now;
}

static inline uint64_t engine_random(void)
{
	engine.cut.seed = engine.cut.seed * 6364136223846793005u + 1442695040888963407u;
	return engine.cut.seed >> 33;
}

/* Where the next of this kind is cut, counted from its own first byte. */
static inline size_t engine_cut_at(enum said said)
{
	unsigned number = engine.said[said]++;

	if (engine.now > ENGINE_STARTS + ENGINE_CUTS_MS)
		return SIZE_MAX;
	if (engine.cut.random)
		return engine_random() % engine.cut.random ? SIZE_MAX : engine_random() % 500;
	if (engine.cut.classes && engine.cut.said == said &&
	    number % engine.cut.classes == engine.cut.turn)
		return engine.cut.at;
	return SIZE_MAX;
}

static inline void engine_plan(uint64_t after, enum happening what, struct body *b)
{
	assert_true(engine.plans_count < ENGINE_PLANS);
	engine.plans[engine.plans_count++] = (struct plan){
	    .at = engine.now + after, .order = engine.orders++, .what = what, .body = b};
}

static inline struct body *engine_add(const char *name, const char *labels)
{
	struct body *b = &engine.bodies[engine.bodies_count++];

	assert_true(engine.bodies_count <= ENGINE_CONTAINERS);
	*b = (struct body){.name = name,
	    .labels = labels,
	    .there = true,
	    .running = true,
	    .health = "healthy",
	    .started = ENGINE_BEGINS - 300000};
	snprintf(b->id, sizeof b->id, "%064zx", engine.bodies_count * 0x1234567);
	b->id[0] = (char)('a' + engine.bodies_count % 6);
	return b;
}

static inline void engine_time(char out[48], int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm t;
	size_t n;

	gmtime_r(&seconds, &t);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &t);
	snprintf(out + n, 48 - n, ".%03d000000Z", (int)(ms % 1000));
}

/* ---- bytes out, and the cut ---------------------------------------------------------------------- */

static inline void engine_close(struct connection *c)
{
	close(c->fd);
	free(c->out);
	*c = (struct connection){.fd = -1};
}

static inline void engine_accept(void)
{
	int fd = accept4(engine.listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++) {
		if (engine.connections[i].fd >= 0)
			continue;
		assert_true(engine.connections_made + 1 < ENGINE_CALLS);
		engine.connections[i] = (struct connection){
		    .fd = fd, .number = ++engine.connections_made};
		engine.limit[engine.connections_made] = SIZE_MAX;
		return;
	}
	fail_msg("too many connections at once");
}

static inline void engine_go_away(void)
{
	if (!engine.cut.away || engine.listener < 0)
		return;
	while (poll(&(struct pollfd){.fd = engine.listener, .events = POLLIN}, 1, 0) > 0)
		engine_accept(); /* who has come already is heard */
	close(engine.listener);
	engine.listener = -1;
	engine_plan(engine.cut.away, BACK, NULL);
}

/* Closes the connection that has said as much as it may. */
static inline bool engine_cuts(struct connection *c)
{
	if (engine.sent[c->number] < engine.limit[c->number])
		return false;
	if (c->ending)
		return true;
	engine.cuts++;
	c->ending = true;
	if (!c->out_length)
		engine_close(c);
	engine_go_away();
	return true;
}

static inline void engine_flush(struct connection *c)
{
	ssize_t taken = send(c->fd, c->out, c->out_length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (taken < 0 && errno != EAGAIN) {
		engine_close(c); /* the client is gone */
		return;
	}
	if (taken > 0) {
		c->out_length -= (size_t)taken;
		memmove(c->out, c->out + taken, c->out_length);
	}
	if (!c->out_length && c->ending)
		engine_close(c);
}

static inline void engine_send(struct connection *c, const char *p, size_t n)
{
	size_t room = engine.limit[c->number] - engine.sent[c->number];

	n = n < room ? n : room;
	engine.sent[c->number] += n;
	if (n) {
		c->out = realloc(c->out, c->out_length + n);
		memcpy(c->out + c->out_length, p, n);
		c->out_length += n;
		engine_flush(c);
	}
	if (c->fd >= 0)
		engine_cuts(c);
}

static inline void engine_answer(struct connection *c, const char *status, const char *body, size_t n)
{
	static char out[65536];
	time_t now = (time_t)(engine_wall() / 1000);
	char date[48];
	struct tm t;
	int length;

	gmtime_r(&now, &t);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &t);
	length = snprintf(out, sizeof out,
	    "HTTP/1.1 %s\r\nApi-Version: 1.47\r\nServer: Docker/27.5.1 (linux)\r\nDate: %s\r\n",
	    status, date);
	if (!body)
		length += snprintf(out + length, sizeof out - (size_t)length, "\r\n");
	else if (n <= 2048)
		length += snprintf(out + length, sizeof out - (size_t)length,
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", n, body);
	else /* as Go does with what is longer than its buffer */
		length += snprintf(out + length, sizeof out - (size_t)length,
		    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n%.*s\r\n"
		    "%zx\r\n%s\r\n0\r\n\r\n",
		    (size_t)2048, 2048, body, n - 2048, body + 2048);
	assert_true((size_t)length < sizeof out);
	engine_send(c, out, (size_t)length);
}

/* ---- events -------------------------------------------------------------------------------------- */

static inline void engine_send_event(struct connection *c, uint64_t number)
{
	const struct told *e = &engine.ring[number % ENGINE_RING];
	size_t at = SIZE_MAX;
	char head[16];
	char *out = malloc(e->length + 32);
	int n = snprintf(head, sizeof head, "%zx\r\n", e->length);

	memcpy(out, head, (size_t)n);
	memcpy(out + n, e->bytes, e->length);
	memcpy(out + n + (int)e->length, "\r\n", 2);
	if (!engine.was_cut[number]) {
		engine.said[EVENT] = (unsigned)number;
		at = engine_cut_at(EVENT);
	}
	if (e->length + (size_t)n + 2 > engine.longest[EVENT])
		engine.longest[EVENT] = e->length + (size_t)n + 2;
	if (at < e->length + (size_t)n + 2) {
		engine.was_cut[number] = true;
		engine.limit[c->number] = engine.sent[c->number] + at;
	}
	engine_send(c, out, (size_t)n + e->length + 2);
	free(out);
}

static inline void engine_tell(const struct body *b, const char *action, const char *more)
{
	uint64_t number = engine.told++;
	struct told *e = &engine.ring[number % ENGINE_RING];
	size_t cap = 1024 + strlen(more) + strlen(b->labels);
	int64_t nano = engine_wall() * 1000000;

	assert_true(number < ENGINE_EVENTS);
	engine.last_nano = nano > engine.last_nano ? nano : engine.last_nano + 1;
	free(e->bytes);
	e->bytes = malloc(cap);
	e->nano = engine.last_nano;
	e->length = (size_t)snprintf(e->bytes, cap,
	    "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":"
	    "{\"ID\":\"%s\",\"Attributes\":{%s%s%s%s\"image\":\"bb\",\"name\":\"%s\"}},\"scope\":\"local\",\"time\":%lld,"
	    "\"timeNano\":%lld}\n",
	    action, b->id, b->labels, *b->labels ? "," : "", more, *more ? "," : "", b->name,
	    (long long)(e->nano / 1000000000), (long long)e->nano);
	assert_true(e->length < cap);
	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++)
		if (engine.connections[i].fd >= 0 && engine.connections[i].stream &&
		    !engine.connections[i].ending)
			engine_send_event(&engine.connections[i], number);
}

static inline void engine_tell_huge(const struct body *b)
{
	char *more = malloc(JSON_VALUE_MAX + 64);

	memcpy(more, "\"big\":\"", 7);
	memset(more + 7, 'x', JSON_VALUE_MAX);
	memcpy(more + 7 + JSON_VALUE_MAX, "\"", 2);
	engine_tell(b, "health_status: healthy", more);
	free(more);
}

/* {…} of the events, percent-encoded or not, has no part in it: all of a story's events are asked for. */
static inline void engine_open_stream(struct connection *c, const char *target)
{
	static const char head[] =
	    "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Type: application/json\r\n"
	    "Server: Docker/27.5.1 (linux)\r\nTransfer-Encoding: chunked\r\n\r\n";
	const char *since = strstr(target, "since=");
	int64_t from = INT64_MAX;
	uint64_t i = engine.told > ENGINE_RING ? engine.told - ENGINE_RING : 0;

	if (since) {
		char *dot;

		from = strtoll(since + 6, &dot, 10) * 1000000000;
		assert_int_equal(*dot, '.');
		from += strtoll(dot + 1, NULL, 10);
	}
	c->stream = true;
	engine.longest[STREAM_HEAD] = sizeof head - 1;
	engine_send(c, head, sizeof head - 1);
	if (engine.cut.said == STREAM_HEAD && c->fd >= 0 && !c->ending)
		engine.limit[c->number] = SIZE_MAX; /* longer than the head: no cut */
	for (; i < engine.told && c->fd >= 0 && !c->ending; i++)
		if (engine.ring[i % ENGINE_RING].nano >= from)
			engine_send_event(c, i);
}

/* ---- what happens -------------------------------------------------------------------------------- */

/* Probing stops, and the engine calls that unhealthy without a word. */
static inline void engine_probes_end(struct body *b)
{
	b->health = "unhealthy";
	b->streak = 0;
}

static inline void engine_starts(struct body *b)
{
	b->there = b->running = true;
	b->paused = b->sick = false;
	b->health = "starting";
	b->streak = 0;
	b->exit_code = 0;
	b->started = engine_wall();
	b->run++;
	engine_plan(ENGINE_HEAL_MS, HEALS, b);
	engine.plans[engine.plans_count - 1].run = b->run;
	engine_tell(b, "start", "");
}

static inline void engine_exits(struct body *b)
{
	if (!b->running)
		return;
	b->running = b->paused = false;
	engine_probes_end(b);
	engine_tell(b, "die", "\"exitCode\":\"143\"");
}

static inline struct connection *engine_connection(unsigned number)
{
	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++)
		if (engine.connections[i].fd >= 0 && engine.connections[i].number == number)
			return &engine.connections[i];
	return NULL;
}

static inline void engine_listen(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(engine.path));

	memcpy(a.sun_path, engine.path, strlen(engine.path));
	a.sun_path[0] = 0; /* abstract: the first byte of the path is @ */
	engine.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(engine.listener, (struct sockaddr *)&a, length), 0);
	assert_int_equal(listen(engine.listener, 64), 0);
}

static inline void engine_happens(const struct plan *p)
{
	struct body *b = p->body;
	struct connection *c;

	/* a restart that was under way when its container was removed has nothing left to stop or start */
	if (b && !b->there && p->what != CREATED && p->what != ANSWERED)
		return;
	switch (p->what) {
	case SICKENS:
		b->health = "unhealthy";
		b->streak = 3;
		b->illnesses++;
		engine_tell(b, "health_status: unhealthy", "");
		return;
	case HEALS:
		if (!b->running || b->paused || (p->run && p->run != b->run))
			return;
		b->health = "healthy";
		b->streak = 0;
		engine_tell(b, "health_status: healthy", "");
		return;
	case PAUSED:
		b->paused = true;
		engine_probes_end(b);
		engine_tell(b, "pause", "");
		return;
	case UNPAUSED:
		b->paused = false;
		engine_tell(b, "unpause", "");
		return;
	case KILLED:
		engine_tell(b, "kill", "\"signal\":\"15\"");
		return;
	case DIES:
		engine_exits(b);
		return;
	case STOPS:
		engine_tell(b, "stop", "");
		return;
	case CREATED:
		b->there = true;
		engine_tell(b, "create", "");
		return;
	case STARTS:
		engine_starts(b);
		return;
	case RESTARTED:
		engine_tell(b, "restart", "");
		return;
	case RENAMED:
		b->name = "new-name";
		engine_tell(b, "rename", "\"oldName\":\"/old\"");
		return;
	case REMOVED:
		b->there = false;
		engine_tell(b, "destroy", "");
		return;
	case ANSWERED:
		b->restarting = false;
		c = engine_connection(p->connection);
		if (!c)
			return;
		engine_answer(c, "204 No Content", NULL, 0);
		if (engine.sent[p->connection] > engine.longest[RESTART])
			engine.longest[RESTART] = engine.sent[p->connection];
		return;
	case HUGE_EVENT:
		engine_tell_huge(b);
		return;
	case BACK:
		engine_listen();
		return;
	case NOTHING:
	case DONE:
		return;
	}
}

/* docker restart, ours or a person's: the order of events of Docker 28. */
static inline void engine_plan_restart(uint64_t after, struct body *b)
{
	engine_plan(after, KILLED, b);
	engine_plan(after + ENGINE_STOP_MS, DIES, b);
	engine_plan(after + ENGINE_STOP_MS, STOPS, b);
	engine_plan(after + ENGINE_STOP_MS + 1, STARTS, b);
	engine_plan(after + ENGINE_STOP_MS + 2, RESTARTED, b);
}

static inline void engine_plan_stop(uint64_t after, struct body *b)
{
	engine_plan(after, KILLED, b);
	engine_plan(after + ENGINE_STOP_MS, DIES, b);
	engine_plan(after + ENGINE_STOP_MS, STOPS, b);
}

/* The place of the plan that comes first; plans_count when there is none. */
static inline size_t engine_first_plan(void)
{
	size_t first = engine.plans_count;

	for (size_t i = 0; i < engine.plans_count; i++)
		if (first == engine.plans_count || engine.plans[i].at < engine.plans[first].at ||
		    (engine.plans[i].at == engine.plans[first].at &&
			engine.plans[i].order < engine.plans[first].order))
			first = i;
	return first;
}

static inline bool engine_happen_now(void)
{
	size_t first = engine_first_plan();
	struct plan plan;

	if (first == engine.plans_count || engine.plans[first].at > engine.now)
		return false;
	plan = engine.plans[first];
	engine.plans[first] = engine.plans[--engine.plans_count];
	engine_happens(&plan);
	return true;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static inline const char *engine_state(const struct body *b)
{
	return b->paused ? "paused" : b->running ? "running" : "exited";
}

static inline void engine_list(struct connection *c)
{
	static char out[32768];
	size_t n = 1;

	out[0] = '[';
	for (size_t i = engine.bodies_count; i-- > 0;) {
		const struct body *b = &engine.bodies[i];
		char status[64];

		if (!b->there)
			continue;
		snprintf(status, sizeof status, "%s%s%s%s",
		    b->running ? "Up 5 minutes" : "Exited (143) 5 minutes ago",
		    b->paused        ? " (Paused)"
			: b->running ? " ("
				     : "",
		    b->running && !b->paused && !strcmp(b->health, "starting") ? "health: " : "",
		    b->running && !b->paused ? b->health : "");
		if (b->running && !b->paused)
			strcat(status, ")");
		n += (size_t)snprintf(out + n, sizeof out - n,
		    "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Labels\":{%s},\"Created\":1699990000,\"State\":\"%s\","
		    "\"Status\":\"%s\"}",
		    n > 1 ? "," : "", b->id, b->name, b->labels, engine_state(b), status);
		assert_true(n < sizeof out - 2);
	}
	memcpy(out + n, "]\n", 3);
	engine_answer(c, "200 OK", out, n + 2);
}

static inline void engine_inspect(struct connection *c, const struct body *b)
{
	char out[2048], started[48], probed[48];
	int n;

	engine_time(started, b->started);
	engine_time(probed, engine_wall()); /* probes go on */
	n = snprintf(out, sizeof out,
	    "{\"Id\":\"%s\",\"Name\":\"/%s\",\"State\":{\"Status\":\"%s\",\"Paused\":%s,\"StartedAt\":\"%s\","
	    "\"ExitCode\":%d,\"Health\":{\"Status\":\"%s\",\"FailingStreak\":%u,\"Log\":[{\"Start\":\"%s\",\"End\":\"%s\","
	    "\"ExitCode\":0,\"Output\":\"\"}]}},\"Config\":{\"Labels\":{%s},"
	    "\"Healthcheck\":{\"Interval\":1000000000,\"Retries\":3}}}\n",
	    b->id, b->name, engine_state(b), b->paused ? "true" : "false", started, b->exit_code,
	    b->health, b->streak, probed, probed, b->labels);
	engine_answer(c, "200 OK", out, (size_t)n);
}

static inline struct body *engine_find(const char *id)
{
	for (size_t i = 0; i < engine.bodies_count; i++)
		if (engine.bodies[i].there && !strncmp(engine.bodies[i].id, id, 64))
			return &engine.bodies[i];
	return NULL;
}

static inline void engine_restart(struct connection *c, struct body *b)
{
	engine.restarts_while_busy += b->restarting;
	b->restarting = true;
	b->restarts++;
	engine_plan_restart(1, b);
	engine_plan(ENGINE_STOP_MS + 4, ANSWERED, b);
	engine.plans[engine.plans_count - 1].connection = c->number;
}

static inline enum said engine_kind(const char *request)
{
	if (strstr(request, "/version HTTP"))
		return VERSION;
	if (strstr(request, "/events?"))
		return STREAM_HEAD;
	if (strstr(request, "/containers/json?"))
		return LIST;
	if (strstr(request, "/logs?"))
		return LOG;
	return strncmp(request, "POST", 4) ? INSPECT : RESTART;
}

static inline void engine_request(struct connection *c)
{
	static const char version[] =
	    "{\"Version\":\"27.5.1\",\"ApiVersion\":\"1.47\",\"MinAPIVersion\":\"1.24\"}\n";
	static const char gone[] = "{\"message\":\"No such container\"}\n";
	const char *id = strstr(c->in, "/containers/");
	struct body *b = id ? engine_find(id + strlen("/containers/")) : NULL;
	enum said said = engine_kind(c->in);

	c->asked = true;
	engine.limit[c->number] = engine_cut_at(said);
	if (engine.cut.unheard && engine.limit[c->number] != SIZE_MAX) {
		engine.limit[c->number] = 0;
		engine_cuts(c);
		return;
	}
	if (said == RESTART && b) {
		assert_non_null(strstr(c->in, "/restart HTTP"));
		engine_restart(c, b); /* the engine does it, whatever becomes of the connection */
		engine_cuts(c);
		return;
	}
	if (engine_cuts(c))
		return;
	if (said == VERSION)
		engine_answer(c, "200 OK", version, sizeof version - 1);
	else if (said == STREAM_HEAD)
		engine_open_stream(c, c->in);
	else if (said == LIST)
		engine_list(c);
	else if (b && said == LOG)
		engine_answer(c, "200 OK", "a line of its log\n", 18);
	else if (b)
		engine_inspect(c, b);
	else
		engine_answer(c, "404 Not Found", gone, sizeof gone - 1);
	if (said != STREAM_HEAD && engine.sent[c->number] > engine.longest[said])
		engine.longest[said] = engine.sent[c->number];
}

static inline void engine_read(struct connection *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_length, sizeof c->in - 1 - c->in_length, 0);

	if (n <= 0) {
		engine_close(c);
		return;
	}
	c->in_length += (size_t)n;
	c->in[c->in_length] = 0;
	if (strstr(c->in, "\r\n\r\n") && !c->asked)
		engine_request(c);
}

/* Accepts, reads and answers what there is; whether there was anything. */
static inline bool engine_serve(void)
{
	struct pollfd polled[ENGINE_CONNECTIONS + 1];
	struct connection *whose[ENGINE_CONNECTIONS + 1];
	nfds_t n = 0;
	bool did = false;

	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++) {
		if (engine.connections[i].fd < 0)
			continue;
		polled[n] = (struct pollfd){.fd = engine.connections[i].fd,
		    .events = POLLIN | (engine.connections[i].out_length ? POLLOUT : 0)};
		whose[n++] = &engine.connections[i];
	}
	if (engine.listener >= 0) {
		polled[n] = (struct pollfd){.fd = engine.listener, .events = POLLIN};
		whose[n++] = NULL;
	}
	if (!n || poll(polled, n, 0) <= 0)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		if (!polled[i].revents)
			continue;
		did = true;
		if (polled[i].revents & POLLOUT && whose[i]->fd == polled[i].fd)
			engine_flush(whose[i]);
		if (!(polled[i].revents & ~POLLOUT))
			continue;
		if (whose[i] && whose[i]->fd == polled[i].fd)
			engine_read(whose[i]);
		else if (!whose[i] && engine.listener >= 0)
			engine_accept();
	}
	return did;
}

/* ---- the clock and the waiting of the loop --------------------------------------------------------- */

/* Stands in for the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int64_t ms = id == CLOCK_REALTIME ? engine_wall() : (int64_t)engine.now;

	if (!engine.on)
		return (int)syscall(SYS_clock_gettime, id, t);
	t->tv_sec = (time_t)(ms / 1000);
	t->tv_nsec = (long)(ms % 1000 * 1000000);
	return 0;
}

/* Stands in for the C library's: the engine works while the loop sleeps, and a sleep takes no time. */
int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
    struct timeval *restrict timeout)
{
	fd_set wanted_r = *r, wanted_w = *w;
	uint64_t until = timeout
	    ? engine.now + (uint64_t)timeout->tv_sec * 1000 + (uint64_t)timeout->tv_usec / 1000
	    : UINT64_MAX;

	(void)e;
	for (;;) {
		struct timespec zero = {0};
		size_t first;
		int ready;

		while (engine_serve() || engine_happen_now())
			;
		*r = wanted_r;
		*w = wanted_w;
		ready = (int)syscall(SYS_pselect6, n, r, w, NULL, &zero, NULL);
		if (ready)
			return ready;
		first = engine_first_plan();
		if (first == engine.plans_count || engine.plans[first].at >= until) {
			assert_true(until != UINT64_MAX); /* it would sleep for ever */
			engine.now = until;
			return 0;
		}
		engine.now = engine.plans[first].at;
	}
}

/* ---- begin and end --------------------------------------------------------------------------------- */

static inline void engine_begin(void)
{
	memset(&engine, 0, sizeof engine);
	engine.on = true;
	engine.now = ENGINE_STARTS;
	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++)
		engine.connections[i].fd = -1;
	snprintf(engine.path, sizeof engine.path, "@autoheal-cuts-%d", (int)getpid());
	engine_listen();
}

static inline void engine_end(void)
{
	for (size_t i = 0; i < ENGINE_CONNECTIONS; i++)
		if (engine.connections[i].fd >= 0)
			engine_close(&engine.connections[i]);
	if (engine.listener >= 0)
		close(engine.listener);
	for (size_t i = 0; i < ENGINE_RING; i++)
		free(engine.ring[i].bytes);
	engine.on = false;
}

#endif
