/* api_events.c - the audit events, of api.h: a list of them, following them, and forgetting them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"

#include "log.h"

#define ANSWER_MAX 1024 /* bytes of what tells how many were forgotten */
#define EVENTS_DEFAULT 100
#define STREAM_AHEAD \
	8192 /* bytes that wait for its client before it is paused; it catches up out of the ring, then off the disk */
#define HELD_MAX \
	(128 * 1024) /* bytes of a stream's events that are not whole yet: one event, and one read */

/* Which events are wanted, and how far their answer is. */
struct events_job {
	struct audit_cursor cursor;
	uint64_t skip;  /* matching ones to pass over, so that the newest `limit` remain */
	uint32_t kinds; /* bits; 0 = all */
	char container[WATCH_NAME_MAX];
	char host[64];
	bool any;
	struct api *api;
	struct server_client *client;
	uint64_t limit; /* of a list */
	/* those on disk that the ring does not hold any more come before its own */
	int pipe;                      /* out of which they come; -1: none do */
	uint64_t since, before, older; /* seq; how many of them; to be passed over */
	bool paused;                   /* its client has enough of them */
	bool counting, begun;          /* begun: the head of a list was sent */
	uint64_t turn;                 /* whose is next, of those that wait for the one who reads */
	struct loop_timer patience;
	struct buf held; /* of a stream: what came behind the last whole event */
	struct store_sink *sink;
	bool sees_all;
	bool stream;
	uint64_t reached; /* of a stream: the last seq that was looked at */
};
_Static_assert(AUDIT_KINDS <= 32, "one bit each in events_job.kinds");

static bool is_wanted(const struct events_job *job, const struct audit_event *e)
{
	struct span container = span_of(job->container);
	char id[65];

	if (job->kinds && !(job->kinds & 1u << e->kind))
		return false;
	if (job->host[0] && !span_is(e->host, job->host))
		return false;
	if (!container.n)
		return true;
	if (span_equal(e->name, container) || span_equal(e->stable_id, container))
		return true;
	if (!e->id || container.n < 4)
		return false;
	text_hex(e->id, 32, id);
	return container.n <= 64 && !memcmp(id, container.p, container.n);
}

static bool read_kinds(struct span list, uint32_t *kinds, char *unknown, size_t cap)
{
	struct span word;

	*kinds = 0;
	while (span_next(&list, ',', &word)) {
		int kind = audit_kind_of(word);

		if (kind < 0) {
			text_escape(word, unknown, cap);
			return false;
		}
		*kinds |= 1u << kind;
	}
	return true;
}

/* Of a stream: says which events before this seq are not to be had any more, and goes on behind it. */
static void tell_gap(struct events_job *job, struct buf *out, uint64_t seq)
{
	if (seq > job->reached + 1)
		buf_print(out, "event: gap\nid: %llu\ndata: {\"from\":%llu,\"to\":%llu}\n\n",
		    (unsigned long long)seq - 1, (unsigned long long)job->reached + 1,
		    (unsigned long long)seq - 1);
	job->reached = seq;
}

static void print_event(struct events_job *job, struct buf *out, struct audit_event e)
{
	struct json_writer w;

	if (job->stream)
		buf_print(out, "id: %llu\ndata: ", (unsigned long long)e.seq);
	else
		buf_add_text(out, job->any ? "," : "[");
	job->any = true;
	json_start(&w, out);
	if (!job->sees_all && e.health_output.n)
		e.health_output = span_of("***");
	audit_print(&w, &e);
	if (job->stream)
		buf_add_text(out, "\n\n");
}

static void close_pipe(struct events_job *job)
{
	if (job->pipe < 0)
		return;
	loop_forget(job->api->monitor->loop, job->pipe);
	close(job->pipe);
	job->pipe = -1;
	job->api->reader = NULL;
	store_read_ended(&job->api->monitor->memory.store);
}

static void end_job(struct events_job *job)
{
	loop_cancel(job->api->monitor->loop, &job->patience);
	close_pipe(job);
	buf_free(&job->held);
	free(job);
}

static void end_events(struct server_client *c)
{
	end_job(c->job);
}

static void begin_answer(struct events_job *job)
{
	if (!job->begun && !job->stream)
		server_stream_begin(job->client, 200, "application/json");
	job->begun = true;
}

/* A list that cannot be had whole is not given. */
static void refuse_list(struct events_job *job, const char *sentence)
{
	if (job->begun) {
		server_break(job->client);
		return;
	}
	server_error(job->client, 503, "%s; try it again", sentence);
	end_job(job);
}

/* Writes the next events, up to some KiB. */
static bool more_events(struct server_client *c)
{
	struct events_job *job = c->job;
	struct audit_event e;
	struct buf piece;
	bool last = true;

	begin_answer(job);
	server_piece(c->server, &piece, SERVER_OUT_HIGH);
	while (audit_next(&job->api->monitor->audit, &job->cursor, &e)) {
		if (!is_wanted(job, &e))
			continue;
		if (job->skip) {
			job->skip--;
			continue;
		}
		print_event(job, &piece, e);
		last = piece.n < SERVER_PIECE;
		if (!last)
			break;
	}
	if (last)
		buf_add_text(&piece, job->any ? "]" : "[]");
	server_stream(c, (struct span){piece.p, piece.n});
	buf_free(&piece);
	if (last) {
		server_stream_end(c);
		end_job(job);
	}
	return true;
}

static bool more_stream(struct server_client *c);

/* ---- in the child that reads older ones ---- */

static void take_older(void *owner, const struct audit_event *e)
{
	struct events_job *job = owner;

	if (e->seq <= job->since || e->seq >= job->before)
		return;
	if (job->stream) {
		tell_gap(job, &job->sink->piece, e->seq);
		store_flush(job->sink, false);
	}
	if (!is_wanted(job, e))
		return;
	if (job->counting) {
		job->older++;
		return;
	}
	if (job->older) {
		job->older--;
		return;
	}
	print_event(job, &job->sink->piece, *e);
	store_flush(job->sink, false);
}

/* Counts them, then prints the newest that are still wanted. A stream wants all. */
static void read_older(void *owner, struct store_sink *sink)
{
	struct events_job *job = owner;
	uint64_t wanted = job->older;

	job->sink = sink;
	for (int pass = job->stream; pass < 2; pass++) {
		job->counting = !pass;
		job->older = pass && job->older > wanted ? job->older - wanted : 0;
		monitor_stored_events(job->api->monitor, 2 * STORE_EVENTS_MAX, take_older, job);
	}
	if (job->stream)
		tell_gap(job, &sink->piece, job->before);
}

/* ---- one reads at a time, the others wait ---- */

static bool await_turn(struct server_client *c)
{
	(void)c;
	return false;
}

static struct server_client *next_turn(const struct server *s)
{
	struct server_client *next = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct server_client *c = s->clients[i];
		const struct events_job *job = c->job, *first = next ? next->job : NULL;

		if (c->more == await_turn && !c->closing && (!first || job->turn < first->turn))
			next = c;
	}
	return next;
}

/* A stream whose client is slow lets the others read, and goes on behind its last whole event. */
static void give_way(struct events_job *job)
{
	if (!job->stream || !job->paused)
		return;
	job->client->more = more_stream;
	buf_free(&job->held);
	close_pipe(job);
}

/* ---- and out of it ---- */

/* Hands on the events that are whole, so that a reader that ends amid one does no harm, and notes the last of them. */
static void take_whole(struct events_job *job, struct span bytes)
{
	struct span rest, line;
	size_t whole;

	buf_add_span(&job->held, bytes);
	if (job->held.failed) {
		server_break(job->client);
		return;
	}
	for (whole = job->held.n; whole > 1; whole--)
		if (!memcmp(job->held.p + whole - 2, "\n\n", 2))
			break;
	if (whole < 2)
		return;
	rest = (struct span){job->held.p, whole};
	server_stream(job->client, rest);
	while (span_next(&rest, '\n', &line))
		if (span_starts(line, "id: "))
			text_number((struct span){line.p + 4, line.n - 4}, INT64_MAX, &job->reached);
	buf_drop(&job->held, whole);
	if (!job->held.n)
		buf_free(&job->held);
}

static bool ask_older(struct events_job *job, uint64_t wanted);

static void older_ended(struct events_job *job, bool whole)
{
	struct buf gap;

	close_pipe(job);
	if (!whole)
		log_line(LOG_WARNING, "api",
		    "The reading of events in AUTOHEAL_DATA_DIR was ended before its end; is there memory left, and does "
		    "the disk answer?");
	if (!job->stream && !whole) {
		refuse_list(job, "The events on disk could not be read to their end");
		return;
	}
	if (job->stream) {
		server_piece(job->client->server, &gap, SERVER_OUT_HIGH);
		if (!whole)
			tell_gap(job, &gap, job->before);
		server_stream(job->client, (struct span){gap.p, gap.n});
		buf_free(&gap);
		buf_free(&job->held);
		job->reached = job->before - 1;
		job->cursor = (struct audit_cursor){.seq = job->reached, .offset = UINT32_MAX};
	}
	job->client->more = job->stream ? more_stream : more_events;
	/* what the ring dropped while the disk was read is on the disk by now */
	job->since = job->before - 1;
	if (!job->stream)
		ask_older(job, UINT64_MAX);
	server_go_on(job->client);
}

static void older_ready(void *owner, unsigned what)
{
	struct events_job *job = owner;
	struct call_workspace *workspace = job->api->monitor->workspace;
	struct span came = {workspace->bytes, 0};
	ssize_t n = read(job->pipe, workspace->bytes, sizeof(workspace->bytes));
	bool whole = n > 0 && workspace->bytes[n - 1] == STORE_READ_WHOLE;

	(void)what;
	came.n = n > 0 ? (size_t)n - whole : 0;
	if (came.n && job->stream) {
		take_whole(job, came);
	} else if (came.n) {
		begin_answer(job);
		job->any = true;
		server_stream(job->client, came);
	}
	if (whole || n <= 0)
		older_ended(job, whole);
	else if (server_backlog(job->client) >= SERVER_OUT_HIGH) {
		loop_wants(job->api->monitor->loop, job->pipe, 0);
		job->paused = true;
		if (next_turn(job->api->server))
			give_way(job);
	}
}

/* The client has taken what came. */
static bool older_wanted(struct server_client *c)
{
	struct events_job *job = c->job;

	job->paused = false;
	loop_wants(job->api->monitor->loop, job->pipe, LOOP_READ);
	return false;
}

/* A stream comes back by itself, and misses nothing. */
static void waited_long(void *owner)
{
	struct events_job *job = owner;

	if (job->stream)
		server_break(job->client);
	else
		refuse_list(job, "The events on disk are being read for somebody else");
}

/* Has them read where the ring does not hold so many: then client->more goes on with them. false where there are none
 * to be had. */
static bool ask_older(struct events_job *job, uint64_t wanted)
{
	struct monitor *m = job->api->monitor;
	struct audit_cursor first = {0};
	struct audit_event e;

	job->before = audit_next(&m->audit, &first, &e) ? e.seq : m->audit.next_seq;
	job->older = wanted;
	if (!wanted || job->before <= job->since + 1)
		return false;
	job->pipe = store_read_apart(&m->memory.store, read_older, job);
	if (job->pipe == STORE_BUSY) {
		job->pipe = -1;
		job->turn = ++job->api->turns;
		job->patience = (struct loop_timer){.fire = waited_long, .owner = job};
		loop_after(m->loop, &job->patience, API_READER_MS);
		job->client->more = await_turn;
		if (job->api->reader)
			give_way(job->api->reader);
		return true;
	}
	if (job->pipe >= 0 && !loop_watch(m->loop, job->pipe, LOOP_READ, older_ready, job)) {
		close(job->pipe);
		job->pipe = -1;
		store_read_ended(&m->memory.store);
	}
	if (job->pipe < 0)
		return false;
	job->paused = false;
	job->api->reader = job;
	job->client->more = older_wanted;
	return true;
}

static uint64_t count_wanted(const struct events_job *job)
{
	struct audit_cursor cursor = job->cursor;
	struct audit_event e;
	uint64_t count = 0;

	while (audit_next(&job->api->monitor->audit, &cursor, &e))
		count += is_wanted(job, &e);
	return count;
}

/* Reads the query of GET /api/events; answers and returns false where it is wrong. */
static bool read_events_query(struct api *api, struct server_client *c, struct server_request *r,
    struct events_job *job, uint64_t *limit)
{
	char text[256], unknown[64];
	uint64_t since;

	*limit = EVENTS_DEFAULT;
	if (!api_query(r, "limit", text, sizeof(text)) ||
	    (text[0] && (!text_number(span_of(text), UINT32_MAX, limit) || !*limit))) {
		server_error(c, 400, "limit must be a number of events, from 1 to %llu",
		    (unsigned long long)api->settings->events);
		return false;
	}
	if (!api_query(r, "type", text, sizeof(text)) ||
	    !read_kinds(span_of(text), &job->kinds, unknown, sizeof(unknown))) {
		server_error(c, 400,
		    "type names the unknown kind '%s'; known are auto_monitor, restart, recovered and the others "
		    "of the documentation",
		    text[0] ? unknown : "");
		return false;
	}
	if (!api_query(r, "since", text, sizeof(text)) ||
	    (text[0] && !text_number(span_of(text), INT64_MAX, &since))) {
		server_error(c, 400, "since must be the seq of an event");
		return false;
	}
	if (text[0])
		job->cursor = (struct audit_cursor){.seq = job->since = since, .offset = UINT32_MAX};
	if (!api_query(r, "container", job->container, sizeof(job->container)) ||
	    !api_query(r, "host", job->host, sizeof(job->host))) {
		server_error(c, 400, "container and host must be percent-encoded texts");
		return false;
	}
	return true;
}

/* A job of what is asked for; answers and returns NULL where that is wrong. */
static struct events_job *new_job(
    struct api *api, struct server_client *c, struct server_request *r, uint64_t *limit)
{
	struct events_job *job = calloc(1, sizeof(*job));

	if (!job) {
		server_error(c, 500, "There is not enough memory for this answer");
		return NULL;
	}
	job->api = api;
	job->client = c;
	job->pipe = -1;
	buf_init(&job->held, HELD_MAX);
	job->sees_all = r->sees_all;
	if (!read_events_query(api, c, r, job, limit)) {
		free(job);
		return NULL;
	}
	return job;
}

static bool more_list(struct server_client *c)
{
	struct events_job *job = c->job;
	uint64_t count = count_wanted(job);

	job->skip = count > job->limit ? count - job->limit : 0;
	if (ask_older(job, job->limit - (count - job->skip)))
		return false;
	c->more = more_events;
	return true;
}

void api_events(struct api *api, struct server_client *c, struct server_request *r)
{
	uint64_t limit;
	struct events_job *job = new_job(api, c, r, &limit);

	if (!job)
		return;
	job->limit = limit < api->settings->events ? limit : api->settings->events;
	c->job = job;
	c->more = more_list;
	c->gone = end_events;
}

/* ---- a stream of them ---------------------------------------------------------------------- */

/* Writes what has come since, from the disk where the ring does not hold it any more. */
static bool more_stream(struct server_client *c)
{
	struct events_job *job = c->job;
	struct audit_event e;
	struct buf piece;
	bool more;

	if (server_backlog(c) >= STREAM_AHEAD)
		return true;
	job->since = job->reached;
	if (ask_older(job, UINT64_MAX))
		return false;
	server_piece(c->server, &piece, SERVER_OUT_HIGH);
	while ((more = audit_next(&job->api->monitor->audit, &job->cursor, &e))) {
		tell_gap(job, &piece, e.seq);
		if (is_wanted(job, &e))
			print_event(job, &piece, e);
		if (piece.n >= SERVER_PIECE)
			break;
	}
	server_stream(c, (struct span){piece.p, piece.n});
	buf_free(&piece);
	return more;
}

void api_told(void *owner)
{
	const struct server *s = ((struct api *)owner)->server;

	for (size_t i = 0; i < s->count; i++)
		if (s->clients[i]->more == more_stream)
			server_go_on(s->clients[i]);
}

/* As soon as one of them has the disk, the others go on waiting. */
void api_may_read(void *owner)
{
	const struct api *api = owner;
	const struct store *store = &api->monitor->memory.store;
	struct server_client *c;

	while (!store->reading && !store->reader && (c = next_turn(api->server))) {
		struct events_job *job = c->job;

		loop_cancel(api->monitor->loop, &job->patience);
		c->more = job->stream ? more_stream : more_list;
		if (c->more(c))
			server_go_on(c);
	}
}

/* Where a stream begins: behind what its client has, by its own word or by ?since, else behind all. */
static bool read_begin(
    struct server_client *c, const struct server_request *r, struct events_job *job)
{
	uint64_t newest = job->api->monitor->audit.next_seq - 1;
	struct span last = http_field(&r->head, "Last-Event-ID");

	job->reached = http_query(r->query, "since").n ? job->since : newest;
	if (last.n && !text_number(last, INT64_MAX, &job->reached)) {
		server_error(c, 400, "Last-Event-ID must be the seq of an event");
		return false;
	}
	return true;
}

void api_stream_events(struct api *api, struct server_client *c, struct server_request *r)
{
	const struct server *s = api->server;
	uint64_t newest = api->monitor->audit.next_seq - 1, limit;
	struct events_job *job = new_job(api, c, r, &limit);
	size_t streams = 0;
	char begin[128];

	if (!job)
		return;
	for (size_t i = 0; i < s->count; i++)
		streams += s->clients[i]->pulse != NULL;
	if (streams >= s->clients_max / 2) {
		server_error(c, 503, "Too many clients follow the events; half of all may do so");
		free(job);
		return;
	}
	if (!read_begin(c, r, job)) {
		free(job);
		return;
	}
	/* nginx would keep the events until it has enough of them */
	server_stream_begin(c, 200, "text/event-stream\r\nX-Accel-Buffering: no");
	if (c->head_only) {
		server_stream_end(c);
		free(job);
		return;
	}
	text_print(begin, sizeof(begin), "retry: %d\n", API_RETRY_MS);
	server_stream(c, span_of(begin));
	if (job->reached > newest) { /* of a service before this one, which kept nothing */
		text_print(begin, sizeof(begin), "event: gap\ndata: {\"from\":%llu,\"to\":null}\n",
		    (unsigned long long)job->reached);
		server_stream(c, span_of(begin));
		job->reached = 0;
	}
	text_print(begin, sizeof(begin), "id: %llu\n\n", (unsigned long long)job->reached);
	server_stream(c, span_of(begin));
	job->stream = true;
	job->cursor = (struct audit_cursor){.seq = job->reached, .offset = UINT32_MAX};
	c->job = job;
	c->more = more_stream;
	c->gone = end_events;
	server_endless(c, ":\n\n");
}

void api_clear_events(struct api *api, struct server_client *c, struct server_request *r)
{
	uint32_t deleted;
	struct json_writer w;
	struct buf body;

	(void)r;
	deleted = monitor_clear_events(api->monitor);
	monitor_tell(api->monitor, AUDIT_CONFIG, "events_cleared", monitor_any_host(api->monitor),
	    "The audit events were cleared by a person");
	log_line(LOG_INFO, "api", "%u audit events were cleared by a person", deleted);
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w, "{ deleted %u }", deleted);
	api_answer_stored(api, c, 200, &body);
}
