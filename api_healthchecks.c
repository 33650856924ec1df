/* api_healthchecks.c - probes that people give through the API; of api.h. Whom one is for is looked up in what is
 * known, without asking an engine: one that is watched, or that was. */
#include <string.h>

#include "api.h"

#include "log.h"

#define ANSWER_MAX (1024 * 1024)
#define SHAPE \
	"{\"container_id\":\"web\",\"check_type\":\"http\",\"http_endpoint\":\":8080/health\"}"

static void print_one(
    struct json_writer *w, struct monitor *m, const struct healthcheck *h, bool plain)
{
	healthcheck_print(w, h, plain);
	json_print(w, "warning %s }", monitor_check_idle(m, h->container));
}

/* Makes of what a person wrote the stable identity. Answers and returns false where nobody, or more than one, is meant. */
static bool find(struct api *api, struct server_client *c, char name[WATCH_NAME_MAX])
{
	struct monitor *m = api->monitor;
	size_t count = healthchecks_find(&m->checks, name) ? 1 : monitor_resolve(m, name);

	if (count == 1)
		return true;
	if (count)
		server_error(c, 409, "'%s' is ambiguous: %zu containers are called so", name, count);
	else
		server_error(c, 404,
		    "No container '%s' is watched: select it first, with POST /api/containers/select",
		    name);
	return false;
}

static void tell(struct api *api, const char *name, const char *what)
{
	char message[WATCH_NAME_MAX + 64];

	text_print(
	    message, sizeof(message), "The healthcheck of '%s' was %s by a person", name, what);
	monitor_tell(api->monitor, AUDIT_CONFIG, "changed", monitor_any_host(api->monitor), message);
	log_line(LOG_INFO, "api", "%s", message);
}

static void show_all(struct api *api, struct buf *body, bool plain)
{
	struct json_writer w;

	json_start(&w, body);
	json_open(&w, '[');
	for (const struct healthcheck *h = api->monitor->checks.first; h; h = h->next)
		print_one(&w, api->monitor, h, plain);
	json_close(&w, ']');
}

static void put(struct api *api, struct server_client *c, const struct server_request *r)
{
	struct healthcheck one;
	const char *member, *wrong;
	struct json_writer w;
	struct json j;
	struct buf body;

	if (!api_read_body(api, c, r, &j, SHAPE, true))
		return;
	wrong = healthcheck_read(&j, 0, &one, &member);
	if (wrong) {
		server_error_about(c, 422, member, "%s", wrong);
		return;
	}
	if ((one.check.kind == CHECK_EXEC && !server_may_write(c, true)) ||
	    !find(api, c, one.container))
		return;
	wrong = healthchecks_unmask(&api->monitor->checks, &one, &member);
	if (wrong) {
		server_error_about(c, 422, member, "%s", wrong);
		return;
	}
	wrong = monitor_check_put(api->monitor, &one);
	if (wrong) {
		server_error(c, 409, "%s", wrong);
		return;
	}
	tell(api, one.container, "set");
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	print_one(&w, api->monitor, &one, r->sees_all);
	api_answer_stored(api, c, 200, &body);
}

void api_healthchecks(struct api *api, struct server_client *c, struct server_request *r)
{
	struct buf body;

	if (r->wish == API_BEGIN) {
		put(api, c, r);
		return;
	}
	buf_init(&body, ANSWER_MAX);
	show_all(api, &body, r->sees_all);
	api_answer(c, 200, &body);
}

void api_one_healthcheck(struct api *api, struct server_client *c, struct server_request *r)
{
	const struct healthcheck *h;
	char name[WATCH_NAME_MAX];
	struct json_writer w;
	struct buf body;

	span_copy(r->name, name, sizeof(name));
	if (!find(api, c, name))
		return;
	h = healthchecks_find(&api->monitor->checks, name);
	if (!h) {
		server_error(c, 404, "'%s' has no healthcheck that was given here", name);
		return;
	}
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	if (r->wish == API_END) {
		monitor_check_drop(api->monitor, name);
		tell(api, name, "taken away");
		json_print(&w, "{ deleted %u }", 1u);
		api_answer_stored(api, c, 200, &body);
		return;
	}
	print_one(&w, api->monitor, h, r->sees_all);
	api_answer(c, 200, &body);
}
