/* api.c - of api.h: what the calls share, the answers that only need what is in memory, and the page. */
#include "api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "page.h"

#define ANSWER_MAX (256 * 1024) /* bytes of an answer that is built whole */

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

bool api_query(const struct server_request *r, const char *name, char *out, size_t cap)
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

void api_answer(struct server_client *c, int status, struct buf *body)
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
		api_answer(c, status, body);
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

void api_health(struct api *api, struct server_client *c, struct server_request *r)
{
	struct monitor *m = api->monitor;
	char reason[DOCKER_ERROR_MAX + 64];
	bool well = monitor_is_healthy(m, reason, sizeof(reason));
	int64_t newest = 0;
	struct json_writer w;
	struct buf body;

	(void)r;
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
	api_answer(c, well ? 200 : 503, &body);
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

void api_status(struct api *api, struct server_client *c, struct server_request *r)
{
	struct monitor *m = api->monitor;
	int64_t total = 0;
	struct json_writer w;
	struct buf body;

	(void)r;
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
	json_print(&w, "sandbox { seccomp %d landlock %d no_new_privileges %d } engines [",
	    api->sandbox.seccomp, api->sandbox.landlock, api->sandbox.no_new_privileges);
	for (size_t i = 0; i < m->engines_count; i++)
		print_engine(&w, &m->engines[i]);
	json_print(&w, "] }");
	api_answer(c, 200, &body);
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

void api_page(struct server_client *c, const struct server_request *r, const struct page_file *file)
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

void api_init(struct api *api, struct monitor *monitor, const struct settings *settings,
    struct server *server)
{
	*api = (struct api){.monitor = monitor, .settings = settings, .server = server, .statm = -1};
	monitor->memory.saved = stored;
	monitor->memory.may_read = api_may_read;
	monitor->memory.saved_owner = api;
	monitor->told = api_told;
	monitor->told_owner = api;
	server->route = api_route;
	server->large = "PUT /api/config\0POST /api/config/import\0";
	server->owner = api;
}
