/* api_people.c - what people want through the API: maintenance, snooze, release, a restart, and to know why; of api.h. */
#include <string.h>

#include "api.h"

#include "json.h"

#define ANSWER_MAX (64 * 1024)
#define UNTIL_MAX_MS (10ll * 366 * 24 * 3600 * 1000)

/* ---- what is sent ------------------------------------------------------------------------ */

static bool is_json_type(const struct http_head *head)
{
	struct span type = http_field(head, "Content-Type"), word;

	return span_next(&type, ';', &word) && span_is_nocase(word, "application/json");
}

/* More values than the workspace has room for, where so large a body may be. */
static bool parse_large(struct server_request *r, struct json *j, struct span body)
{
	int room;

	if (r->body.max <= SERVER_BODY_MAX)
		return false;
	r->tokens = json_tokens(body, &room);
	return r->tokens && !json_parse(j, body, r->tokens, room);
}

bool api_read_body(struct api *api, struct server_client *c, const struct server_request *r,
    struct json *j, const char *example, bool needed)
{
	struct span body = {r->body.p, r->body.n};
	size_t at;

	if (!body.n && !needed)
		body = span_of("{}");
	else if (!body.n) {
		server_error(c, r->head.framing == HTTP_NO_BODY ? 411 : 400, "A body is needed: %s",
		    example);
		return false;
	} else if (!is_json_type(&r->head)) {
		server_error(c, 415, "The body must be sent as Content-Type: application/json");
		return false;
	}
	if (!json_valid(body, &at)) {
		server_error(c, 400, "The body is no JSON: something is wrong at byte %zu", at);
		return false;
	}
	if (json_parse(j, body, api->monitor->workspace->tokens, JSON_TOKENS_MAX) &&
	    !parse_large(c->request, j, body)) {
		server_error(c, 400, "The body has more values than are read here");
		return false;
	}
	return true;
}

static bool is_wrong(struct server_client *c, const char *member)
{
	server_error_about(c, 422, member,
	    "Say {\"for\":\"2h\"} or {\"until\":\"2030-01-31T06:00:00Z\"}: a time to come, within ten years");
	return false;
}

bool api_read_until(
    struct api *api, struct server_client *c, const struct json *j, bool snoozes, int64_t *until)
{
	int64_t now = api->monitor->loop->wall;
	int key = -1, value, last = -1;
	char name[64] = "for", text[64];
	struct span raw;
	uint64_t ms;
	size_t n;

	*until = 0;
	if (!json_is_object(j, 0))
		return is_wrong(c, NULL);
	while (json_next_member(j, 0, &key, &value)) {
		json_text(j, key, name, sizeof(name));
		if (last >= 0) /* one says it all */
			return is_wrong(c, name);
		last = value;
	}
	if (last < 0)
		return !snoozes || is_wrong(c, name);
	n = json_text(j, last, text, sizeof(text));
	raw = json_is_string(j, last) ? (struct span){text, n} : json_raw(j, last);
	if (!strcmp(name, "for")) {
		if (!text_duration(raw, &ms) || (!ms && !snoozes))
			return is_wrong(c, name);
		*until = ms ? now + (int64_t)ms : 0;
		return true;
	}
	if (strcmp(name, "until") || !text_read_time(raw, until) || *until <= now ||
	    *until - now > UNTIL_MAX_MS)
		return is_wrong(c, name);
	return true;
}

/* ---- maintenance ------------------------------------------------------------------------- */

void api_maintenance(struct api *api, struct server_client *c, struct server_request *r)
{
	struct monitor *m = api->monitor;
	bool enable = r->wish == API_BEGIN;
	struct json_writer w;
	struct buf body;
	struct json j;
	int64_t until;

	if (r->wish != API_SHOW) {
		if (!api_read_body(api, c, r, &j, "", false) ||
		    (enable && !api_read_until(api, c, &j, false, &until)))
			return;
		if (enable && (!m->policy.maintenance || m->maintenance_until != until))
			monitor_begin_maintenance(m, until);
		else if (!enable && m->policy.maintenance)
			monitor_end_maintenance(m);
	}
	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w, "{ maintenance_mode %d maintenance_start_time %lli until %lli }",
	    m->policy.maintenance, (long long)m->maintenance_since, (long long)m->maintenance_until);
	if (r->wish == API_SHOW)
		api_answer(c, 200, &body);
	else
		api_answer_stored(api, c, 200, &body);
}

/* ---- why --------------------------------------------------------------------------------- */

struct explanation {
	struct json_writer w;
	struct buf text;
};

static void say(void *owner, const char *what, bool holds, const char *because)
{
	struct explanation *e = owner;
	char question[200];

	text_print(question, sizeof(question), "%s?", what);
	json_print(
	    &e->w, "{ question %s answer %s because %s }", question, holds ? "yes" : "no", because);
	if (holds)
		buf_print(&e->text, "; %s (%s)", what, because);
}

static void explain(struct monitor *m, const struct docker *d, const struct monitor_view *view,
    const struct container_facts *facts, struct buf *body)
{
	struct container *c = view->container;
	struct explanation e;
	char reason[160];
	bool watched = api_say_watched(m, view, facts_status(&facts->now), reason, sizeof(reason));
	const char *phase = watched ? policy_state_name((enum container_state)c->state) : "unwatched";
	const char *action, *why;
	uint64_t at;

	buf_init(&e.text, ANSWER_MAX);
	buf_print(&e.text, "'%s' on %s is %s", facts->name, d->name, phase);
	json_start(&e.w, body);
	json_print(&e.w, "{ container %s host %s watched %d phase %s steps [", facts->name, d->name,
	    watched, phase);
	for (int i = 0; i <= (int)view->reason; i++) {
		char rule[160];

		watch_say((enum watch_reason)i, m->settings, rule, sizeof(rule));
		say(&e, rule, i == (int)view->reason,
		    i == (int)view->reason ? "it decides" : "it does not fit");
	}
	say(&e, watched ? "it is watched" : "it is not watched", true, reason);
	if (watched)
		policy_explain(&m->policy, c, m->loop->now, say, &e);
	json_close(&e.w, ']');
	api_print_next_action(&e.w, m, watched ? c : NULL);
	action = watched ? policy_next_action(&m->policy, c, &at, &why) : NULL;
	if (action)
		buf_print(&e.text, "; next: %s (%s)", action, why);
	json_print(&e.w, "text %.*s }", JSON_SPAN(e.text));
	buf_free(&e.text);
}

/* ---- what is done with one container ----------------------------------------------------- */

const char *api_grant(struct api *api, enum api_wish wish, int64_t until, const struct docker *d,
    const struct monitor_view *view, const struct container_facts *facts, struct buf *body)
{
	struct monitor *m = api->monitor;
	struct container *c = view->container;
	const char *why = NULL;
	char time[TEXT_TIME_SIZE];
	uint64_t incident;

	if (wish == API_EXPLAIN) {
		explain(m, d, view, facts, body);
		return NULL;
	}
	if (view->reason == REASON_SELF)
		return "It is autoheal's own container";
	if (!c || c->dropped)
		return "It is not watched";
	if (wish == API_RESTART) {
		why = monitor_restart(m, c, &incident);
		buf_print(body, "{\"incident\":\"%llx\"}", (unsigned long long)incident);
		return why;
	}
	if (wish == API_RELEASE) {
		if (!monitor_release(m, c))
			return "It is not in quarantine";
		buf_add_text(body, "{\"quarantined\":false}");
		return NULL;
	}
	if (!monitor_snooze(m, c->identity, until))
		return "There is no memory left for it";
	text_time(time, until);
	buf_print(body, until ? "{\"until\":\"%s\"}" : "{\"until\":null}", time);
	return NULL;
}
