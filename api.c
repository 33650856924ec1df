/* api.c - the routes of the JSON API and the page, of api.h. Answers that only need what is in memory are here. */
#include "api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "page.h"

#define ANSWER_MAX (256 * 1024) /* bytes of an answer that is built whole */
#define EVENTS_DEFAULT 100

struct route {
	const char *method;
	const char *path; /* a * stands for a name, which the handler gets */
	void (*handler)(
	    struct api *api, struct server_client *c, struct server_request *r, struct span part);
};

/* ---- small things --------------------------------------------------------------------------- */

/* Whether a parameter stands in the query twice: then nobody can say which one counts. */
static bool is_repeated(struct span query, const char *name)
{
	struct span pair, key;
	size_t count = 0;

	while (span_next(&query, '&', &pair))
		count += span_next(&pair, '=', &key) && span_is(key, name);
	return count > 1;
}

/* A query value, decoded; "" when absent. false when it is empty, malformed or there twice. */
static bool query_text(const struct server_request *r, const char *name, char *out, size_t cap)
{
	struct span raw = http_query(r->query, name);
	int n;

	out[0] = 0;
	if (!raw.p)
		return true;
	if (!raw.n || is_repeated(r->query, name))
		return false;
	n = http_decode(raw, out, cap - 1);
	if (n < 0)
		return false;
	out[n] = 0;
	return true;
}

static void answer_json(struct server_client *c, int status, struct buf *body)
{
	server_answer_json(c, status, body);
	buf_free(body);
}

static bool any_connected(const struct monitor *m)
{
	for (size_t i = 0; i < m->engines_count; i++)
		if (m->engines[i].connected)
			return true;
	return false;
}

static const char *error_of(const struct docker *d)
{
	return d->error[0] ? d->error : NULL;
}

/* ---- answers that wait for the disk ------------------------------------------------------- */

struct api_pending {
	struct api_pending *next;
	struct api *api;
	struct server_client *client;
	struct buf body;
	int status;
	uint64_t ticket;
};

static void drop_pending(struct server_client *c)
{
	struct api_pending *p = c->job, **link = &p->api->pending;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	buf_free(&p->body);
	free(p);
}

void api_answer_stored(struct api *api, struct server_client *c, int status, struct buf *body)
{
	uint64_t ticket = monitor_remember(api->monitor, true);
	struct api_pending *p = ticket && !body->failed ? malloc(sizeof(*p)) : NULL;

	if (!p) {
		answer_json(c, status, body);
		return;
	}
	*p = (struct api_pending){.next = api->pending,
	    .api = api,
	    .client = c,
	    .body = *body,
	    .status = status,
	    .ticket = ticket};
	*body = (struct buf){0};
	api->pending = p;
	c->job = p;
	c->gone = drop_pending;
}

/* The disk has taken all up to the ticket, or has not. */
static void stored(void *owner, uint64_t ticket, const char *problem)
{
	struct api *api = owner;
	struct api_pending *p = api->pending, *next;

	for (; p; p = next) {
		struct server_client *c = p->client;
		struct buf body = p->body;
		int status = p->status;

		next = p->next;
		if (p->ticket > ticket)
			continue;
		p->body = (struct buf){0};
		drop_pending(c);
		c->gone = NULL;
		/* what ails the disk may pass, and so may 503 */
		if (problem)
			server_error(c, 503,
			    "The change holds until autoheal ends, but is not stored: %s", problem);
		else
			server_answer_json(c, status, &body);
		buf_free(&body);
	}
}

/* ---- /health, /api/status ---------------------------------------------------------------- */

static void health(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	struct monitor *m = api->monitor;
	char reason[DOCKER_ERROR_MAX + 64];
	bool well = monitor_is_healthy(m, reason, sizeof(reason));
	int64_t newest = 0;
	struct json_writer w;
	struct buf body;

	(void)r;
	(void)part;
	for (size_t i = 0; i < m->engines_count; i++)
		newest = m->engines[i].last_audit > newest ? m->engines[i].last_audit : newest;
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w, "{ status %s", well ? "healthy" : "unhealthy");
	if (!well)
		json_print(&w, "reason %s", reason);
	json_print(&w,
	    "timestamp %lli docker_connected %d monitoring_active %d last_audit %lli engines [",
	    (long long)m->loop->wall, any_connected(m), well, (long long)newest);
	for (size_t i = 0; i < m->engines_count; i++) {
		const struct docker *d = &m->engines[i];

		json_print(&w, "{ host %s connected %d last_audit %lli error %s }", d->name,
		    d->connected, (long long)d->last_audit, error_of(d));
	}
	json_print(&w, "] }");
	answer_json(c, well ? 200 : 503, &body);
}

static void print_engine(struct json_writer *w, const struct docker *d)
{
	const char *engine = d->podman ? "Podman" : "Docker";

	json_print(w,
	    "{ host %s url %s connected %d engine %s version %s api_version %s events %llu reconnects %llu "
	    "audit_repairs %llu last_audit %lli error %s }",
	    d->name, d->target.url, d->connected, d->version[0] ? engine : NULL,
	    d->version[0] ? d->version : NULL, d->api[0] ? d->api : NULL,
	    (unsigned long long)d->events, (unsigned long long)d->reconnects,
	    (unsigned long long)d->audit_repairs, (long long)d->last_audit, error_of(d));
}

static void status(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	struct monitor *m = api->monitor;
	int64_t total = 0;
	struct json_writer w;
	struct buf body;

	(void)r;
	(void)part;
	for (size_t i = 0; i < m->engines_count; i++)
		total += (int64_t)m->engines[i].containers;
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w,
	    "{ monitoring_active %d docker_connected %d total_containers %lld monitored_containers %lld "
	    "quarantined_containers %lld maintenance_mode %d maintenance_start_time %lli "
	    "maintenance_until %lli version %s uptime_seconds %llu dry_run %d storm %d",
	    any_connected(m) && !m->policy.stopping, any_connected(m), (long long)total,
	    (long long)m->policy.containers.count, (long long)monitor_quarantined(m),
	    m->policy.maintenance, (long long)m->maintenance_since, (long long)m->maintenance_until,
	    AUTOHEAL_VERSION, (unsigned long long)(m->loop->now - m->started) / 1000,
	    api->settings->dry_run, m->policy.storms != 0);
	json_print(&w, "sandbox { seccomp %d landlock %d no_new_privileges %d } engines [", false,
	    false, false);
	for (size_t i = 0; i < m->engines_count; i++)
		print_engine(&w, &m->engines[i]);
	json_print(&w, "] }");
	answer_json(c, 200, &body);
}

/* ---- /api/config ------------------------------------------------------------------------- */

static void print_counts(struct json_writer *w, const struct monitor *m)
{
	struct identity *identity = NULL;
	size_t bucket = 0;

	json_print(w, "restart_counts {");
	while ((identity = containers_next_identity(&m->policy.containers, &bucket, identity)))
		if (identity->restarts) {
			json_key(w, identity->name);
			json_number(w, identity->restarts);
		}
	json_print(w, "} selected_by {");
	identity = NULL;
	bucket = 0;
	while ((identity = containers_next_identity(&m->policy.containers, &bucket, identity)))
		if (identity->choice == CHOICE_PERSON || identity->choice == CHOICE_LABEL) {
			json_key(w, identity->name);
			json_cstring(w, identity->choice == CHOICE_PERSON ? "person" : "label");
		}
	json_close(w, '}');
}

static void config(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	struct buf containers, body;
	struct json_writer w;

	(void)r;
	(void)part;
	buf_init(&containers, ANSWER_MAX);
	buf_init(&body, 2 * ANSWER_MAX);
	json_start(&w, &containers);
	json_print(&w, "{ selected");
	memory_print_choices(
	    &w, &api->monitor->policy.containers, 1u << CHOICE_PERSON | 1u << CHOICE_LABEL);
	json_key(&w, "excluded");
	memory_print_choices(&w, &api->monitor->policy.containers, 1u << CHOICE_EXCLUDED);
	print_counts(&w, api->monitor);
	json_close(&w, '}');
	body.failed = containers.failed;
	config_print(api->settings, &body, (struct span){containers.p, containers.n});
	buf_free(&containers);
	answer_json(c, 200, &body);
}

/* ---- /api/events ------------------------------------------------------------------------- */

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
	if (!query_text(r, "limit", text, sizeof(text)) ||
	    (text[0] && (!text_number(span_of(text), UINT32_MAX, limit) || !*limit))) {
		server_error(c, 400, "limit must be a number of events, from 1 to %llu",
		    (unsigned long long)api->settings->events);
		return false;
	}
	if (!query_text(r, "type", text, sizeof(text)) ||
	    !read_kinds(span_of(text), &job->kinds, unknown, sizeof(unknown))) {
		server_error(c, 400,
		    "type names the unknown kind '%s'; known are auto_monitor, restart, recovered and the others "
		    "of the documentation",
		    text[0] ? unknown : "");
		return false;
	}
	if (!query_text(r, "since", text, sizeof(text)) ||
	    (text[0] && !text_number(span_of(text), INT64_MAX, &since))) {
		server_error(c, 400, "since must be the seq of an event");
		return false;
	}
	if (text[0])
		job->cursor = (struct audit_cursor){.seq = job->since = since, .offset = UINT32_MAX};
	if (!query_text(r, "container", job->container, sizeof(job->container)) ||
	    !query_text(r, "host", job->host, sizeof(job->host))) {
		server_error(c, 400, "container and host must be percent-encoded texts");
		return false;
	}
	return true;
}

static void events(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	struct events_job *job = calloc(1, sizeof(*job));
	uint64_t limit, count;

	(void)part;
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

static void clear_events(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	uint32_t deleted;
	struct json_writer w;
	struct buf body;

	(void)r;
	(void)part;
	if (!server_may_write(c))
		return;
	deleted = monitor_clear_events(api->monitor);
	monitor_tell(api->monitor, AUDIT_CONFIG, "events_cleared", monitor_any_host(api->monitor),
	    "The audit events were cleared by a person");
	log_line(LOG_INFO, "api", "%u audit events were cleared by a person", deleted);
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w, "{ deleted %u }", deleted);
	api_answer_stored(api, c, 200, &body);
}

/* ---- containers -------------------------------------------------------------------------- */

static void list_containers(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	(void)part;
	api_list_containers(api, c, r);
}

/* What is asked of one container: its last word says what. */
static void one_container(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	static const char *const words[] = {
	    NULL, "/explain", "/incidents", "/restart", "/unquarantine", "/snooze"};
	int wish = API_SNOOZE;
	int64_t until = 0;
	struct json j;

	while (wish && (part.p[part.n] != '/' || strcmp(part.p + part.n, words[wish])))
		wish--;
	if (wish >= API_RESTART &&
	    (!server_may_write(c) ||
		!api_read_body(api, c, r, &j, "{\"for\":\"2h\"}", wish == API_SNOOZE)))
		return;
	if (wish == API_SNOOZE && !api_read_until(api, c, &j, true, &until))
		return;
	api_one_container(api, c, r, part, (enum api_wish)wish, until);
}

static void maintenance(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	(void)part;
	api_maintenance(api, c, r);
}

static void metrics(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	(void)r;
	(void)part;
	api_metrics(api, c);
}

static void select_containers(
    struct api *api, struct server_client *c, struct server_request *r, struct span part)
{
	(void)part;
	if (server_may_write(c))
		api_select_containers(api, c, r);
}

/* ---- the page --------------------------------------------------------------------------- */

/* "q=0", "q=0.000" (RFC 9110 12.4.2): nothing in it but zeros. */
static bool is_zero_weight(struct span weight)
{
	bool zero = span_starts(weight, "q=0");

	for (size_t i = 0; i < weight.n; i++)
		zero &= weight.p[i] < '1' || weight.p[i] > '9';
	return zero;
}

/* Whether the client says outright that it takes no gzip; silence is consent. */
static bool refuses_gzip(const struct http_head *head)
{
	struct span rest = http_field(head, "Accept-Encoding"), item;

	while (span_next(&rest, ',', &item)) {
		struct span coding;

		if (!span_next(&item, ';', &coding) || !span_is_nocase(coding, "gzip"))
			continue;
		return is_zero_weight(span_trim(item));
	}
	return false;
}

static void page(
    struct server_client *c, const struct server_request *r, const struct page_file *file)
{
	struct span known = http_field(&r->head, "If-None-Match");
	char extra[512];

	if (refuses_gzip(&r->head)) {
		server_error(c, 406, "The page exists in gzip only, which this request refuses");
		return;
	}
	text_print(extra, sizeof(extra),
	    "ETag: %s\r\nCache-Control: no-cache\r\nContent-Encoding: gzip\r\nReferrer-Policy: no-referrer\r\n"
	    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n",
	    file->etag);
	if (known.p && span_is(known, file->etag))
		server_answer(c, 304, file->type, extra, (struct span){NULL, 0});
	else
		server_answer(c, 200, file->type, extra,
		    (struct span){(const char *)file->bytes, file->length});
}

/* ---- the table --------------------------------------------------------------------------- */

static const struct route routes[] = {
    {"GET", "/health", health},
    {"GET", "/metrics", metrics},
    {"GET", "/api/status", status},
    {"GET", "/api/config", config},
    {"GET", "/api/events", events},
    {"DELETE", "/api/events", clear_events},
    {"GET", "/api/containers", list_containers},
    {"POST", "/api/containers/select", select_containers},
    {"GET", "/api/containers/*/explain", one_container},
    {"GET", "/api/containers/*/incidents", one_container},
    {"POST", "/api/containers/*/restart", one_container},
    {"POST", "/api/containers/*/unquarantine", one_container},
    {"POST", "/api/containers/*/snooze", one_container},
    {"GET", "/api/containers/*", one_container},
    {"GET", "/api/maintenance/status", maintenance},
    {"POST", "/api/maintenance/enable", maintenance},
    {"POST", "/api/maintenance/disable", maintenance},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool path_matches(const char *pattern, const char *path, struct span *part)
{
	const char *star = strchr(pattern, '*');
	size_t before = star ? (size_t)(star - pattern) : 0, after = star ? strlen(star + 1) : 0;
	size_t n = strlen(path);

	*part = (struct span){NULL, 0};
	if (!star)
		return !strcmp(pattern, path);
	if (n <= before + after || strncmp(pattern, path, before) ||
	    strcmp(star + 1, path + n - after))
		return false;
	*part = (struct span){path + before, n - before - after};
	return true;
}

static bool method_matches(const char *method, struct span asked)
{
	return span_is(asked, method) || (!strcmp(method, "GET") && span_is(asked, "HEAD"));
}

static const struct page_file *find_page(const char *path)
{
	for (size_t i = 0; i < page_files_count; i++)
		if (!strcmp(path, page_files[i].path))
			return &page_files[i];
	return NULL;
}

static void not_allowed(struct server_client *c, const char *allow)
{
	char extra[128];

	text_print(extra, sizeof(extra), "Allow: %s\r\n", allow);
	server_answer(c, 405, "application/json", extra,
	    span_of("{\"error\":\"This method is not for this address\"}"));
}

/* The methods of a path, for Allow. */
static void add_method(char *allow, size_t cap, const char *method)
{
	size_t n = strlen(allow);

	if (strcmp(allow, method)) /* two routes of one path never share a method but for GET */
		text_print(allow + n, cap - n, "%s%s%s", n ? ", " : "", method,
		    strcmp(method, "GET") ? "" : ", HEAD");
}

static bool is_known_method(struct span method)
{
	static const char known[][8] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_is(method, known[i]))
			return true;
	return false;
}

void api_route(void *owner, struct server_client *c, struct server_request *r)
{
	struct api *api = owner;
	const struct page_file *file = find_page(r->path);
	char allow[96] = "";
	const char *only = NULL; /* the call of one container that is meant: its path is no container's name */
	struct span part;

	if (!is_known_method(r->head.method)) {
		server_error(c, 501, "This method is unknown here");
		return;
	}
	if (file) {
		if (method_matches("GET", r->head.method))
			page(c, r, file);
		else
			not_allowed(c, "GET, HEAD");
		return;
	}
	for (size_t i = 0; i < ROUTES; i++) {
		if (only || !path_matches(routes[i].path, r->path, &part))
			continue;
		if (span_find(span_of(routes[i].path), "*/"))
			only = routes[i].path;
		if (method_matches(routes[i].method, r->head.method)) {
			routes[i].handler(api, c, r, part);
			return;
		}
		add_method(allow, sizeof(allow), routes[i].method);
	}
	if (allow[0])
		not_allowed(c, allow);
	else
		server_error(c, 404,
		    "There is nothing at this address; the documentation lists the calls of the API");
}

void api_init(struct api *api, struct monitor *monitor, const struct settings *settings,
    struct server *server)
{
	*api = (struct api){.monitor = monitor, .settings = settings, .server = server};
	monitor->memory.saved = stored;
	monitor->memory.saved_owner = api;
	server->route = api_route;
	server->owner = api;
}
