/* api_routes.c - the calls of the API as one table, and finding the one that is meant; of api.h. */
#include <string.h>

#include "api.h"

#include "page.h"

#define ROUTE(call, summary, takes, statuses) call "\0" summary "\0" takes "\0" statuses
#define EVENTS_WANTED \
	"?type Only these kinds, separated by commas\n" \
	"?container Only of this name, stable id, or id of at least 4 digits\n" \
	"?since# Only those behind the event with this seq\n?host"
#define SECTIONS \
	"monitor% What GET shows there, or some of it\nrestart% Likewise\nfilters% Likewise\n" \
	"observability% Likewise\nnotifications% Likewise\ncontainers% selected and excluded"
#define UNTIL \
	"for~ How long: seconds, or with a unit such as 90s, 5m, 2h\nuntil Or until when, RFC 3339"

/* Of two paths that fit, the first counts: the one with more words stands before that with a name alone. */
const struct api_route api_routes[] = {
    {ROUTE("GET /health", "Whether the service is well", "", "200 503+"), api_health,
	API_NEED_NOTHING, API_OBJECT, 0},
    {ROUTE("GET /metrics", "Metrics for Prometheus", "", "200"), api_metrics, API_NEED_READ,
	API_METRICS, 0},
    {ROUTE("GET /api", "These calls, as OpenAPI 3.1", "", "200"), api_index, API_NEED_READ,
	API_OBJECT, 0},
    {ROUTE("GET /api/status", "Counts, engines, what the service is doing", "", "200"), api_status,
	API_NEED_READ, API_OBJECT, 0},
    {ROUTE("GET /api/config", "The whole configuration", "", "200"), api_config, API_NEED_READ,
	API_OBJECT, 0},
    {ROUTE("PUT /api/config", "Change it: what is left out keeps its value", SECTIONS,
	 "200 409 411 422 500 503"),
	api_config, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("GET /api/config/export", "The same as a file for import", "", "200"), api_export,
	API_NEED_READ, API_OBJECT, 0},
    {ROUTE("POST /api/config/import", "Take such a file, or docker-autoheal's", SECTIONS,
	 "200 409 411 422 500 503"),
	api_import, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("GET /api/config/*", "One section of the configuration", "", "200 404"), api_config,
	API_NEED_READ, API_OBJECT, 0},
    {ROUTE("PUT /api/config/*", "Change one section", "", "200 404 409 411 422 500 503"),
	api_config, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("GET /api/notifications/config", "Who is told of what", "", "200"), api_notifications,
	API_NEED_READ, API_OBJECT, 0},
    {ROUTE("PUT /api/notifications/config", "Change it",
	 "event_filters@ Kinds of events, or all\nservices& Each with name, url and enabled",
	 "200 409 411 422 500 503"),
	api_notifications, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("POST /api/notifications/test/*", "Send a test message to a service", "", "200 404 503"),
	api_notify_test, API_NEED_TOKEN, API_OBJECT, 0},
    {ROUTE("GET /api/events", "The newest audit events, the oldest of them first",
	 "?limit# So many at most\n" EVENTS_WANTED, "200 503"),
	api_events, API_NEED_READ, API_ARRAY, 0},
    {ROUTE("GET /api/events/stream", "The audit events as they come, as Server-Sent Events",
	 EVENTS_WANTED, "200 503"),
	api_stream_events, API_NEED_READ, API_STREAM, 0},
    {ROUTE("DELETE /api/events", "Forget all audit events, on disk too", "", "200 503"),
	api_clear_events, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("GET /api/containers", "The containers, and why each is watched or not",
	 "?include_stopped! Those too that do not run\n?host", "200 503"),
	api_list_containers, API_NEED_READ, API_ARRAY, 0},
    {ROUTE("POST /api/containers/select", "Select containers to be watched, or exclude them",
	 "container_ids@* Names, stable ids, or ids of at least 4 digits, 64 at most\n"
	 "enabled!* true selects, false excludes\n?host",
	 "200 404 409 411 503"),
	api_select_containers, API_NEED_WRITE, API_OBJECT, 0},
    {ROUTE("GET /api/containers/*/explain", "Why it is or is not watched, and what happens next",
	 "?host", "200 404 409 503"),
	api_one_container, API_NEED_READ, API_OBJECT, API_EXPLAIN},
    {ROUTE("GET /api/containers/*/incidents", "Its incidents that are kept, with evidence", "?host",
	 "200 404 409 503"),
	api_one_container, API_NEED_READ, API_ARRAY, API_INCIDENTS},
    {ROUTE("POST /api/containers/*/restart", "Restart it now", "?host", "202 404 409 503"),
	api_one_container, API_NEED_WRITE, API_OBJECT, API_RESTART},
    {ROUTE("POST /api/containers/*/unquarantine", "End its quarantine", "?host", "200 404 409 503"),
	api_one_container, API_NEED_WRITE, API_OBJECT, API_RELEASE},
    {ROUTE("POST /api/containers/*/snooze", "Leave it alone for a time; for 0 ends that",
	 UNTIL "\n?host", "200 404 409 411 503"),
	api_one_container, API_NEED_WRITE, API_OBJECT, API_SNOOZE},
    {ROUTE("GET /api/containers/*", "One container", "?host", "200 404 409 503"), api_one_container,
	API_NEED_READ, API_OBJECT, API_SHOW},
    {ROUTE("GET /api/maintenance/status", "Whether maintenance is on", "", "200"), api_maintenance,
	API_NEED_READ, API_OBJECT, API_SHOW},
    {ROUTE("POST /api/maintenance/enable", "Begin maintenance: nothing is restarted", UNTIL,
	 "200 503"),
	api_maintenance, API_NEED_WRITE, API_OBJECT, API_BEGIN},
    {ROUTE("POST /api/maintenance/disable", "End maintenance", "", "200 503"), api_maintenance,
	API_NEED_WRITE, API_OBJECT, API_END},
    {ROUTE("GET /api/healthchecks", "The probes that were given here", "", "200"), api_healthchecks,
	API_NEED_READ, API_ARRAY, API_SHOW},
    {ROUTE("POST /api/healthchecks", "Probe a container that has no HEALTHCHECK",
	 "container_id* A name, a stable id, or an id of at least 4 digits\n"
	 "check_type* http, tcp or exec\ninterval_seconds# 30\ntimeout_seconds# 10\nretries# 3\n"
	 "start_period_seconds# 0\nhttp_endpoint :PORT/PATH of the container, or http://HOST:PORT/PATH\n"
	 "http_expected_status# 200\ntcp_port# Of the container\n"
	 "exec_command@ The program and its arguments; needs the token even where writes are open",
	 "200 404 409 411 503"),
	api_healthchecks, API_NEED_WRITE, API_OBJECT, API_BEGIN},
    {ROUTE("GET /api/healthchecks/*", "The probe that was given for one container", "", "200 404 409"),
	api_one_healthcheck, API_NEED_READ, API_OBJECT, API_SHOW},
    {ROUTE("DELETE /api/healthchecks/*", "End it", "", "200 404 409 503"), api_one_healthcheck,
	API_NEED_WRITE, API_OBJECT, API_END},
    {ROUTE("POST /api/verdicts",
	 "An outside monitor's word; also the bodies that Uptime Kuma and Alertmanager send",
	 "container* What the label autoheal.monitor says, a stable id, or a name\n"
	 "status* down or up\nreason Why",
	 "202 404 409 411"),
	api_verdicts, API_NEED_WRITE, API_OBJECT, 0},
};
const size_t api_routes_count = sizeof(api_routes) / sizeof(api_routes[0]);

/* Whether the path is one of the pattern, whose star stands for the name. */
static bool path_matches(struct span pattern, struct span path, struct span *name)
{
	const char *star = memchr(pattern.p, '*', pattern.n);
	size_t before, after;

	if (!star)
		return span_equal(pattern, path);
	before = (size_t)(star - pattern.p);
	after = pattern.n - before - 1;
	if (path.n < pattern.n || memcmp(pattern.p, path.p, before) ||
	    memcmp(star + 1, path.p + path.n - after, after))
		return false;
	*name = (struct span){path.p + before, path.n - before - after};
	return true;
}

static bool method_matches(struct span method, struct span asked)
{
	return span_equal(asked, method) || (span_is(method, "GET") && span_is(asked, "HEAD"));
}

/* allow: the methods of this address. */
static void not_allowed(struct server_client *c, const char *allow)
{
	char extra[128];

	text_print(extra, sizeof(extra), "Allow: %s\r\n", allow);
	server_answer(c, 405, "application/json", extra,
	    span_of("{\"error\":\"This method is not for this address\"}"));
}

static bool route_page(struct server_client *c, const struct server_request *r)
{
	for (size_t i = 0; i < page_files_count; i++) {
		if (strcmp(r->path, page_files[i].path))
			continue;
		if (method_matches(span_of("GET"), r->head.method))
			api_page(c, r, &page_files[i]);
		else
			not_allowed(c, "GET, HEAD");
		return true;
	}
	return false;
}

static bool is_known_method(struct span method)
{
	struct span known = span_of("GET HEAD POST PUT DELETE PATCH OPTIONS"), word;

	while (span_next(&known, ' ', &word))
		if (span_equal(method, word))
			return true;
	return false;
}

static bool is_permitted(struct server_client *c, const struct api_route *route)
{
	return (route->need < API_NEED_READ || server_may_read(c)) &&
	    (route->need < API_NEED_WRITE || server_may_write(c, route->need == API_NEED_TOKEN));
}

void api_route(void *owner, struct server_client *c, struct server_request *r)
{
	struct span only = {
	    NULL, 0}; /* the path of one container that is meant: it is no container's name */
	size_t n = 0;
	char allow[96] = "";

	if (!is_known_method(r->head.method)) {
		server_error(c, 501, "This method is unknown here");
		return;
	}
	if (route_page(c, r))
		return;
	for (size_t i = 0; i < api_routes_count; i++) {
		struct span path = span_of(api_routes[i].texts), method;

		span_next(&path, ' ', &method);
		if ((only.p && !span_equal(only, path)) ||
		    !path_matches(path, span_of(r->path), &r->name))
			continue;
		if (span_find(path, "*/") || span_find(path, "config/"))
			only = path;
		if (method_matches(method, r->head.method)) {
			r->wish = api_routes[i].wish;
			if (is_permitted(c, &api_routes[i]))
				api_routes[i].handler(owner, c, r);
			return;
		}
		n += (size_t)text_print(allow + n, sizeof(allow) - n, "%s%.*s%s", n ? ", " : "",
		    (int)method.n, method.p, span_is(method, "GET") ? ", HEAD" : "");
	}
	if (n)
		not_allowed(c, allow);
	else
		server_error(c, 404, "There is nothing at this address; GET /api lists the calls");
}
