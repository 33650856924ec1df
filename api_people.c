/* api_people.c - what people want through the API: maintenance, snooze, release, a restart, and to know why; of api.h. */
#include <string.h>

#include "api.h"

#include "json.h"

#define STEPS_MAX (64 * 1024) /* bytes of an explanation */
#define UNTIL_MAX_MS (10ll * 366 * 24 * 3600 * 1000)

/* ---- what is sent ------------------------------------------------------------------------ */

static bool is_json_type(const struct http_head *head)
{
	struct span type = http_field(head, "Content-Type"), word;

	return span_next(&type, ';', &word) && span_is_nocase(word, "application/json");
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
	if (json_parse(j, body, api->monitor->workspace->tokens, JSON_TOKENS_MAX)) {
		server_error(c, 400, "The body has more values than are read here");
		return false;
	}
	return true;
}

/* The text of a string or number. */
static size_t text_of(const struct json *j, int token, char *out, size_t cap)
{
	if (json_is_string(j, token))
		return json_text(j, token, out, cap);
	return span_copy(json_raw(j, token), out, cap);
}

static bool is_wrong(struct server_client *c, const char *member, const char *sentence)
{
	server_error_about(c, 422, member, "%s", sentence);
	return false;
}

bool api_read_until(
    struct api *api, struct server_client *c, const struct json *j, bool needed, int64_t *until)
{
	int64_t now = api->monitor->loop->wall;
	int lasts = json_get(j, 0, "for"), end = json_get(j, 0, "until"), key = -1, value;
	char text[64];
	uint64_t ms;
	size_t n;

	*until = 0;
	if (!json_is_object(j, 0))
		return is_wrong(c, "",
		    "The body must be an object: {\"for\":\"2h\"} or {\"until\":\"2030-01-31T06:00:00Z\"}");
	while (json_next_member(j, 0, &key, &value))
		if (value != lasts && value != end) {
			json_text(j, key, text, sizeof(text));
			return is_wrong(c, text, "Known are for and until");
		}
	if (lasts >= 0 && end >= 0)
		return is_wrong(c, "until", "Either for or until, not both");
	if (lasts < 0 && end < 0)
		return !needed ||
		    is_wrong(c, "for",
			"Say how long: {\"for\":\"2h\"}, or {\"until\":\"2030-01-31T06:00:00Z\"}");
	n = text_of(j, lasts >= 0 ? lasts : end, text, sizeof(text));
	if (lasts >= 0) {
		if (!text_duration((struct span){text, n}, &ms))
			return is_wrong(c, "for",
			    "for must be a time such as \"90s\", \"30m\", \"2h\" or \"1d\"");
		if (!ms && !needed)
			return is_wrong(c, "for",
			    "for must be longer than 0; POST /api/maintenance/disable ends it");
		*until = ms ? now + (int64_t)ms : 0;
		return true;
	}
	if (!json_is_string(j, end) || !text_read_time((struct span){text, n}, until) ||
	    *until <= now || *until - now > UNTIL_MAX_MS)
		return is_wrong(c, "until",
		    "until must be a time to come, within ten years, such as \"2030-01-31T06:00:00Z\"");
	return true;
}

/* ---- maintenance ------------------------------------------------------------------------- */

static void key_string(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_cstring(w, value);
}

void api_maintenance_status(struct api *api, struct server_client *c)
{
	const struct monitor *m = api->monitor;
	struct json_writer w;
	struct buf body;

	buf_init(&body, STEPS_MAX);
	json_start(&w, &body);
	json_open(&w, '{');
	json_key(&w, "maintenance_mode");
	json_bool_value(&w, m->policy.maintenance);
	json_key(&w, "maintenance_start_time");
	json_time(&w, m->maintenance_since);
	json_key(&w, "until");
	json_time(&w, m->maintenance_until);
	json_close(&w, '}');
	server_answer_json(c, 200, &body);
	buf_free(&body);
}

void api_begin_maintenance(struct api *api, struct server_client *c, const struct server_request *r)
{
	struct monitor *m = api->monitor;
	struct json j;
	int64_t until;

	if (!api_read_body(api, c, r, &j, "", false) || !api_read_until(api, c, &j, false, &until))
		return;
	if (!m->policy.maintenance || m->maintenance_until != until)
		monitor_begin_maintenance(m, until);
	api_maintenance_status(api, c);
}

void api_end_maintenance(struct api *api, struct server_client *c, const struct server_request *r)
{
	struct json none;

	if (!api_read_body(api, c, r, &none, "", false))
		return;
	if (api->monitor->policy.maintenance)
		monitor_end_maintenance(api->monitor,
		    "A person ended it: what fell sick meanwhile is looked at anew and healed");
	api_maintenance_status(api, c);
}

/* ---- why ----------------------------------------------------------------------------------- */

static void print_step(
    struct json_writer *w, const char *question, const char *answer, const char *because)
{
	json_open(w, '{');
	key_string(w, "question", question);
	key_string(w, "answer", answer);
	key_string(w, "because", because);
	json_close(w, '}');
}

/* The rules of who is watched, up to the one that decides. */
static void print_watch_steps(
    struct json_writer *w, const struct monitor *m, enum watch_reason decided)
{
	char reason[160];

	for (int i = 0; i < (int)decided; i++)
		print_step(
		    w, watch_question((enum watch_reason)i), "no", "this rule does not fit it");
	watch_say(decided, m->settings, reason, sizeof(reason));
	print_step(w, watch_question(decided), "yes", reason);
}

static void add_next(struct buf *text, const struct monitor *m, const struct container *c)
{
	uint64_t at;
	const char *why, *action = policy_next_action(&m->policy, c, &at, &why);

	if (!action)
		return;
	buf_print(text, " Next: %s", action);
	if (at)
		buf_print(text, " in %llu s",
		    at > m->loop->now ? (unsigned long long)(at - m->loop->now + 999) / 1000 : 0);
	buf_print(text, " (%s).", why);
}

static void explain(struct monitor *m, const struct docker *d, const struct monitor_view *view,
    const char *name, struct buf *body)
{
	struct container *c = view->container;
	struct policy_reasons reasons = {0};
	struct json_writer w;
	struct buf text;
	char reason[160];
	bool watched = api_say_watched(m, view, reason, sizeof(reason));

	buf_init(&text, STEPS_MAX);
	buf_print(&text, "'%s' on %s is %s: %s.", name, d->name,
	    watched ? "watched" : "not watched", reason);
	if (watched)
		policy_explain(&m->policy, c, m->loop->now, &reasons);
	json_start(&w, body);
	json_open(&w, '{');
	key_string(&w, "container", name);
	key_string(&w, "host", d->name);
	json_key(&w, "watched");
	json_bool_value(&w, watched);
	key_string(
	    &w, "phase", watched ? policy_state_name((enum container_state)c->state) : "unwatched");
	json_key(&w, "steps");
	json_open(&w, '[');
	print_watch_steps(&w, m, view->reason);
	if (!watched && watch_is_watched(view->reason))
		print_step(&w, "does it run?", "no", reason);
	if (watched)
		buf_print(&text, " Now: %s.", reasons.phase);
	for (size_t i = 0; i < reasons.count; i++) {
		const struct policy_reason *r = &reasons.list[i];

		print_step(&w, r->question, r->answer, r->because);
		if (r->tells)
			buf_print(&text, " %s %s: %s.", r->question, r->answer, r->because);
	}
	json_close(&w, ']');
	api_print_next_action(&w, m, watched ? c : NULL);
	if (watched)
		add_next(&text, m, c);
	json_key(&w, "text");
	json_string(&w, (struct span){text.p, text.n});
	json_close(&w, '}');
	buf_free(&text);
}

/* ---- what is done with one container ----------------------------------------------------- */

static int refuse(struct buf *body, const char *name, const char *why)
{
	char sentence[400];
	struct json_writer w;

	text_print(sentence, sizeof(sentence), "'%.100s': %s", name, why);
	json_start(&w, body);
	json_open(&w, '{');
	key_string(&w, "error", sentence);
	json_close(&w, '}');
	return 409;
}

static int restart(struct monitor *m, struct container *c, const char *name, struct buf *body)
{
	uint64_t incident = 0;
	const char *why = monitor_restart(m, c, &incident);
	char number[24];
	struct json_writer w;

	if (why)
		return refuse(body, name, why);
	text_print(number, sizeof(number), "%llx", (unsigned long long)incident);
	json_start(&w, body);
	json_open(&w, '{');
	key_string(&w, "incident", number);
	json_close(&w, '}');
	return 202;
}

static int release(struct monitor *m, struct container *c, const char *name, struct buf *body)
{
	const struct heal *h = c->identity->heal;
	struct json_writer w;

	if (!h || !h->quarantined)
		return refuse(body, name, "it is not in quarantine");
	monitor_release(m, c);
	json_start(&w, body);
	json_open(&w, '{');
	json_key(&w, "quarantined");
	json_bool_value(&w, false);
	json_close(&w, '}');
	return 200;
}

static int snooze(
    struct monitor *m, struct identity *identity, int64_t until, const char *name, struct buf *body)
{
	struct json_writer w;

	if (!monitor_snooze(m, identity, until))
		return refuse(body, name, "there is no memory left for it");
	json_start(&w, body);
	json_open(&w, '{');
	json_key(&w, "until");
	json_time(&w, until);
	json_close(&w, '}');
	return 200;
}

int api_grant(struct api *api, enum api_wish wish, int64_t until, const struct docker *d,
    const struct monitor_view *view, const char *name, struct buf *body)
{
	struct monitor *m = api->monitor;
	struct container *c = view->container;
	char reason[160], sentence[200];

	if (wish == API_EXPLAIN) {
		explain(m, d, view, name, body);
		return 200;
	}
	if (!api_say_watched(m, view, reason, sizeof(reason))) {
		text_print(sentence, sizeof(sentence), "it is not watched: %s", reason);
		return refuse(body, name, sentence);
	}
	if (wish == API_RESTART)
		return restart(m, c, name, body);
	if (wish == API_RELEASE)
		return release(m, c, name, body);
	return snooze(m, c->identity, until, name, body);
}
