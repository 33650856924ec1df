/* api_events.c - the audit events, of api.h: a list of them, and forgetting them. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"

#include "log.h"

#define ANSWER_MAX 1024 /* bytes of what tells how many were forgotten */
#define EVENTS_DEFAULT 100

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
	/* those on disk that the ring does not hold any more come before its own */
	int pipe;                      /* out of which they come; -1: none do */
	uint64_t since, before, older; /* seq; how many of them; to be passed over */
	bool counting;
	struct store_sink *sink;
	bool sees_all;
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

static void print_event(struct events_job *job, struct buf *out, struct audit_event e)
{
	struct json_writer w;

	buf_add_text(out, job->any ? "," : "[");
	job->any = true;
	json_start(&w, out);
	if (!job->sees_all && e.health_output.n)
		e.health_output = span_of("***");
	audit_print(&w, &e);
}

static void close_pipe(struct events_job *job)
{
	if (job->pipe < 0)
		return;
	loop_forget(job->api->monitor->loop, job->pipe);
	close(job->pipe);
	job->pipe = -1;
}

static void end_events(struct server_client *c)
{
	close_pipe(c->job);
	free(c->job);
}

/* Writes the next events, up to some KiB. */
static bool more_events(struct server_client *c)
{
	struct events_job *job = c->job;
	struct audit_event e;
	struct buf piece;
	bool last = true;

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
		free(job);
	}
	return true;
}

/* ---- in the child that reads older ones ---- */

static void take_older(void *owner, const struct audit_event *e)
{
	struct events_job *job = owner;

	if (e->seq <= job->since || e->seq >= job->before || !is_wanted(job, e))
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

/* Counts them, then prints the newest that are still wanted. */
static void read_older(void *owner, struct store_sink *sink)
{
	struct events_job *job = owner;
	uint64_t wanted = job->older;

	job->sink = sink;
	for (int pass = 0; pass < 2; pass++) {
		job->counting = !pass;
		job->older = pass && job->older > wanted ? job->older - wanted : 0;
		monitor_stored_events(job->api->monitor, 2 * STORE_EVENTS_MAX, take_older, job);
	}
}

/* ---- and out of it ---- */

static void older_ready(void *owner, unsigned what)
{
	struct events_job *job = owner;
	struct call_workspace *workspace = job->api->monitor->workspace;
	ssize_t n = read(job->pipe, workspace->bytes, sizeof(workspace->bytes));

	(void)what;
	if (n > 0) {
		job->any = true;
		server_stream(job->client, (struct span){workspace->bytes, (size_t)n});
		if (server_backlog(job->client) >= SERVER_OUT_HIGH)
			loop_wants(job->api->monitor->loop, job->pipe, 0);
		return;
	}
	close_pipe(job);
	store_read_ended(&job->api->monitor->memory.store);
	job->client->more = more_events;
	more_events(job->client);
}

/* The client has taken what came. */
static bool older_wanted(struct server_client *c)
{
	struct events_job *job = c->job;

	loop_wants(job->api->monitor->loop, job->pipe, LOOP_READ);
	return false;
}

/* Has them read where the ring does not hold so many; false where there are none to be had. */
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
	return job->pipe >= 0 && loop_watch(m->loop, job->pipe, LOOP_READ, older_ready, job);
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

void api_events(struct api *api, struct server_client *c, struct server_request *r)
{
	struct events_job *job = calloc(1, sizeof(*job));
	uint64_t limit, count;

	if (!job) {
		server_error(c, 500, "There is not enough memory for this answer");
		return;
	}
	job->api = api;
	job->pipe = -1;
	job->sees_all = r->sees_all;
	if (!read_events_query(api, c, r, job, &limit)) {
		free(job);
		return;
	}
	limit = limit < api->settings->events ? limit : api->settings->events;
	count = count_wanted(job);
	job->skip = count > limit ? count - limit : 0;
	job->client = c;
	server_stream_begin(c, 200, "application/json");
	c->job = job;
	c->more = ask_older(job, limit - (count - job->skip)) ? older_wanted : more_events;
	c->gone = end_events;
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
