/* api_config.c - the configuration, read and changed, and who is told; of api.h. */
#include "api.h"

#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX \
	SERVER_LARGE_MAX /* bytes of an answer that is built whole: what was exported can be imported */
#define IGNORED_MAX (1024 * 1024) /* of them, names that an import passes over */

/* ---- reading ------------------------------------------------------------------------------ */

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

static void print_containers(struct json_writer *w, const struct monitor *m)
{
	json_print(w, "{ selected");
	memory_print_choices(w, &m->policy.containers, 1u << CHOICE_PERSON | 1u << CHOICE_LABEL);
	json_key(w, "excluded");
	memory_print_choices(w, &m->policy.containers, 1u << CHOICE_EXCLUDED);
	print_counts(w, m);
	json_close(w, '}');
}

/* section: "" all of it. */
static void print(const struct api *api, const char *section, bool plain, struct buf *body)
{
	struct buf containers, checks;
	struct json_writer w, given;

	buf_init(body, ANSWER_MAX);
	buf_init(&containers, ANSWER_MAX);
	buf_init(&checks, ANSWER_MAX);
	json_start(&given, &checks);
	json_start(&w, *section ? body : &containers);
	if (!*section || !strcmp(section, "containers"))
		print_containers(&w, api->monitor);
	else
		config_print_section(&w, api->settings, section);
	if (!*section) {
		healthchecks_print(&given, &api->monitor->checks, plain);
		config_print(api->settings, body, (struct span){containers.p, containers.n},
		    (struct span){checks.p, checks.n});
		body->failed |= containers.failed || checks.failed;
	}
	buf_free(&containers);
	buf_free(&checks);
}

/* ---- changing ----------------------------------------------------------------------------- */

static void refuse(struct server_client *c, const struct config_draft *d)
{
	if (d->status == 500)
		server_error(c, 500, "%s", d->error);
	else
		server_error_about(c, d->status, d->member[0] ? d->member : NULL, "%s%s%s",
		    d->member, d->member[0] ? " " : "The body ", d->error);
}

/* Reads the probes that the draft has; false where they cannot be, or not by this client, which was answered. */
static bool read_checks(const struct api *api, struct server_client *c,
    const struct config_draft *d, struct healthchecks *checks)
{
	const char *member = "", *why = NULL;
	char name[WATCH_NAME_MAX];

	if (d->checks >= 0)
		why = healthchecks_read(
		    checks, d->j, d->checks, true, &api->monitor->checks, &member);
	if (why)
		server_error_about(
		    c, 422, "custom_health_checks", "custom_health_checks: %s: %s", member, why);
	for (struct healthcheck *h = checks->first; h; h = h->next) {
		span_copy(span_of(h->container), name, sizeof(name));
		if (monitor_resolve(api->monitor, name) == 1 && !healthchecks_find(checks, name))
			memcpy(h->container, name, sizeof(name));
	}
	return !why && (!healthchecks_have_exec(checks) || server_may_write(c, true));
}

/* Changes what the body says. The body of the answer is the caller's; false where it was answered already. */
static bool change(struct api *api, struct server_client *c, struct server_request *r,
    const char *section, enum config_source source, struct buf *ignored)
{
	struct healthchecks checks = {0};
	struct config_draft draft;
	bool well;
	struct json j;

	if (!api_read_body(api, c, r, &j, "{\"restart\":{\"cooldown_seconds\":60}}", true))
		return false;
	well = config_draft(&draft, api->monitor->config, source, &j, section, NULL);
	if (!well)
		refuse(c, &draft);
	else
		/* whom autoheal calls is not for everybody to say, even where writes are open */
		well = (!draft.targets || server_may_write(c, true)) &&
		    read_checks(api, c, &draft, &checks);
	if (well &&
	    !monitor_configure(
		api->monitor, &draft, draft.checks < 0 ? NULL : &checks, source == CONFIG_IMPORT)) {
		server_error(c, 500, "There is not enough memory for this");
		well = false;
	}
	healthchecks_free(&checks);
	if (ignored)
		buf_print(
		    ignored, "{\"imported\":true,\"ignored\":[%.*s]}", JSON_SPAN(draft.ignored));
	config_drop(&draft);
	return well;
}

static void answer(
    struct api *api, struct server_client *c, const struct server_request *r, const char *section)
{
	struct buf body;

	print(api, section, r->sees_all, &body);
	if (span_is(r->head.method, "PUT")) {
		if (body.failed) { /* too many to show them; the change holds all the same */
			buf_free(&body);
			buf_init(&body, sizeof("{}"));
			buf_add_text(&body, "{}");
		}
		api_answer_stored(api, c, 200, &body);
		return;
	}
	api_answer(c, 200, &body);
}

void api_config(struct api *api, struct server_client *c, struct server_request *r)
{
	char section[CONFIG_MEMBER_MAX] = "";

	if (r->name.n >= sizeof(section) ||
	    (r->name.n && !config_is_section(r->name) && !span_is(r->name, "containers"))) {
		server_error(c, 404, "The configuration has no such section");
		return;
	}
	span_copy(r->name, section, sizeof(section));
	if (span_is(r->head.method, "PUT") && !change(api, c, r, section, CONFIG_PUT, NULL))
		return;
	answer(api, c, r, section);
}

void api_notifications(struct api *api, struct server_client *c, struct server_request *r)
{
	if (span_is(r->head.method, "PUT") && !change(api, c, r, "notifications", CONFIG_PUT, NULL))
		return;
	answer(api, c, r, "notifications");
}

void api_export(struct api *api, struct server_client *c, struct server_request *r)
{
	struct buf body;

	print(api, "", r->sees_all, &body);
	if (body.failed)
		server_error(c, 500, "There is not enough memory for this answer");
	else
		server_answer(c, 200, "application/json",
		    "Content-Disposition: attachment; filename=\"autoheal-config.json\"\r\n",
		    (struct span){body.p, body.n});
	buf_free(&body);
}

void api_import(struct api *api, struct server_client *c, struct server_request *r)
{
	struct buf body;

	buf_init(&body, IGNORED_MAX);
	if (change(api, c, r, "", CONFIG_IMPORT, &body))
		api_answer_stored(api, c, 200, &body);
	buf_free(&body);
}

/* ---- a test message ------------------------------------------------------------------------ */

struct test_job {
	struct api *api;
	struct server_client *client;
	struct notify_trial trial;
	char name[CONFIG_NAME_MAX];
};

static void end_job(struct server_client *c)
{
	struct test_job *job = c->job;

	notify_cancel(&job->trial);
	free(job);
}

static void tried(void *owner, bool good, int status, const char *kind)
{
	struct test_job *job = owner;
	struct server_client *c = job->client;
	struct json_writer w;
	struct buf body;

	buf_init(&body, 1024);
	json_start(&w, &body);
	json_print(&w, "{ name %s delivered %d status", job->name, good);
	if (status)
		json_number(&w, status);
	else
		json_null(&w);
	json_print(&w, "error %s }", kind);
	c->gone = NULL;
	free(job);
	api_answer(c, 200, &body);
}

void api_notify_test(struct api *api, struct server_client *c, struct server_request *r)
{
	struct notify *n = api->monitor->notify;
	struct config_service service;
	struct test_job *job;

	if (!config_find_service(api->settings, r->name, &service)) {
		server_error(c, 404,
		    "There is no service of that name; GET /api/notifications/config has them all");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (job) {
		job->api = api;
		job->client = c;
		memcpy(job->name, service.name, sizeof(job->name));
		job->trial = (struct notify_trial){.done = tried, .owner = job};
	}
	if (!job || !notify_try(n, &service, &job->trial)) {
		free(job);
		server_error(c, 503,
		    "No message can be sent to it now: its URL cannot be used, or too many are on their way");
		return;
	}
	c->job = job;
	c->gone = end_job;
}
