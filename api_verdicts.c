/* api_verdicts.c - an outside monitor's word on containers, in a form of our own and in those of Uptime Kuma and
 * Alertmanager; of api.h. It is matched with what is watched, in memory, so that it is heard while an engine is away. */
#include <string.h>

#include "api.h"

#include "log.h"

#define NAME_MAX_BYTES 300
#define REASON_MAX 201
#define ANSWER_MAX (1024 * 1024)
#define SHAPE "{\"container\":\"web\",\"status\":\"down\",\"reason\":\"…\"}"

/* The word in one body on one name. */
struct word {
	enum policy_says says;
	char name[NAME_MAX_BYTES], reason[REASON_MAX];
};

enum heard { HEARD_NOT, HEARD_IGNORED, HEARD_MATCHED }; /* container.heard, while a body is read */

struct hearing {
	struct monitor *monitor;
	struct json_writer unknown; /* names that nobody watched has, into an array */
	struct buf unknown_text;
	bool any, ambiguous;
	const char *note;
	char first[NAME_MAX_BYTES]; /* of the unknown ones */
};

/* ---- whom it is about ----------------------------------------------------------------------- */

/* By what a name may mean a container; the first that fits one counts. */
enum tier { BY_LABEL, BY_STABLE_ID, BY_NAME, TIERS };

static bool is_meant(
    const struct monitor *m, const struct container *c, const char *name, enum tier by)
{
	if (c->dropped)
		return false;
	if (by == BY_LABEL)
		return c->own && c->own->monitor && !strcmp(c->own->monitor, name);
	if (by == BY_STABLE_ID)
		return !strcmp(c->identity->name, name);
	return monitor_match(name, m->engines[c->engine].name, c->name, c->id, "") ==
	    MONITOR_MATCH_NAME;
}

static size_t count_meant(struct monitor *m, const char *name, enum tier by)
{
	const struct container *c;
	size_t at = 0, count = 0;

	while ((c = containers_next(&m->policy.containers, &at)))
		count += is_meant(m, c, name, by);
	return count;
}

/* What one body says first of a container holds: of several alerts those that fire are given first. */
static void tell(struct hearing *h, struct container *c, const struct word *word)
{
	if (c->heard == HEARD_MATCHED)
		return;
	h->any = true;
	c->heard = HEARD_IGNORED;
	if (word->says == SAYS_NOTHING || (word->says == SAYS_DOWN && !policy_heeds_verdict(c)))
		return;
	c->heard = HEARD_MATCHED;
	monitor_verdict(h->monitor, c, word->says == SAYS_DOWN, word->reason);
}

static bool is_excluded(struct monitor *m, const char *name)
{
	const struct identity *identity = containers_identity(
	    &m->policy.containers, span_of(name), false);

	return (identity && identity->choice == CHOICE_EXCLUDED) ||
	    watch_in_list(m->settings->exclude, span_of(name));
}

/* Several may carry the same label; a name that several hosts know means nobody. */
static void hear(struct hearing *h, const struct word *word)
{
	struct monitor *m = h->monitor;
	struct container *c;
	size_t count = 0, at = 0;
	enum tier by = BY_LABEL;

	while (by < TIERS && !(count = count_meant(m, word->name, by)))
		by++;
	if (by == BY_NAME && count > 1)
		h->ambiguous = true;
	else if (count) {
		while ((c = containers_next(&m->policy.containers, &at)))
			if (is_meant(m, c, word->name, by))
				tell(h, c, word);
		return;
	}
	h->any |= is_excluded(m, word->name);
	if (!h->first[0])
		memcpy(h->first, word->name, sizeof(h->first));
	json_cstring(&h->unknown, word->name);
}

/* ---- what is said --------------------------------------------------------------------------- */

static bool read_name(const struct json *j, int token, char out[NAME_MAX_BYTES])
{
	return json_text(j, token, out, NAME_MAX_BYTES) > 0;
}

/* "down" or "up", in the words of the form. */
static bool read_status(
    const struct json *j, int token, const char *down, const char *up, enum policy_says *says)
{
	*says = json_is(j, token, down) ? SAYS_DOWN : SAYS_UP;
	return *says == SAYS_DOWN || json_is(j, token, up);
}

/* Returns NULL, or what is wrong with *member. */
static const char *read_own(const struct json *j, struct word *word, const char **member)
{
	int reason = json_get(j, 0, "reason");

	*member = "container";
	if (!read_name(j, json_get(j, 0, "container"), word->name))
		return "It must be the name of a container: " SHAPE;
	*member = "status";
	if (!read_status(j, json_get(j, 0, "status"), "down", "up", &word->says))
		return "It must be \"down\" or \"up\"";
	*member = "reason";
	if (!json_is_null(j, reason) && !json_is_string(j, reason))
		return "It must be a text";
	json_text(j, reason, word->reason, sizeof(word->reason));
	return NULL;
}

/* 0 down, 1 up, 2 pending, 3 maintenance, of which the last two say nothing. */
static const char *read_kuma(const struct json *j, struct word *word, const char **member)
{
	int64_t status = json_int(j, json_get(j, 0, "heartbeat.status"), -1);

	*member = "monitor.name";
	if (!read_name(j, json_get(j, 0, "monitor.name"), word->name))
		return "It must be the monitor's name";
	*member = "heartbeat.status";
	if (status < 0 || status > 3)
		return "It must be 0 (down), 1 (up), 2 or 3";
	word->says = status == 0 ? SAYS_DOWN : status == 1 ? SAYS_UP : SAYS_NOTHING;
	if (!json_text(j, json_get(j, 0, "heartbeat.msg"), word->reason, sizeof(word->reason)))
		json_text(j, json_get(j, 0, "msg"), word->reason, sizeof(word->reason));
	return NULL;
}

static const char *read_alert(const struct json *j, int alert, struct word *word, const char **member)
{
	char name[64], summary[REASON_MAX];

	*member = "alerts.status";
	if (!read_status(j, json_get(j, alert, "status"), "firing", "resolved", &word->says))
		return "It must be \"firing\" or \"resolved\"";
	*member = "alerts.labels.container";
	if (!json_is_object(j, json_get(j, alert, "labels")))
		return "Every alert needs labels, with the name of its container";
	json_text(j, json_get(j, alert, "labels.alertname"), name, sizeof(name));
	if (!json_text(j, json_get(j, alert, "annotations.summary"), summary, sizeof(summary)))
		json_text(j, json_get(j, alert, "annotations.description"), summary, sizeof(summary));
	text_print(word->reason, sizeof(word->reason), "%s%s%s", name,
	    *name && *summary ? ": " : "", summary);
	if (!read_name(j, json_get(j, alert, "labels.container"), word->name))
		word->name[0] = 0; /* about something else */
	return NULL;
}

/* First whether all can be read, then those that fire, then those that are resolved: a container with one of each is
 * down. */
static const char *hear_alerts(
    struct hearing *h, const struct json *j, int alerts, const char **member)
{
	struct word word;
	const char *wrong;

	for (int pass = 0; pass < 3; pass++) {
		int alert = -1;

		for (unsigned n = 0; json_next_element(j, alerts, &alert); n++) {
			if (n == API_VERDICTS_MAX) {
				h->note = "Only the first 128 alerts were read: group them by container";
				break;
			}
			wrong = read_alert(j, alert, &word, member);
			if (wrong)
				return wrong;
			if (pass && word.name[0] && (word.says == SAYS_DOWN) == (pass == 1))
				hear(h, &word);
		}
	}
	return NULL;
}

static const char *hear_body(struct hearing *h, const struct json *j, const char **member)
{
	int alerts = json_get(j, 0, "alerts"), container = json_get(j, 0, "container");
	bool kuma = json_get(j, 0, "heartbeat") >= 0 || json_get(j, 0, "monitor") >= 0;
	struct word word = {.says = SAYS_NOTHING};
	const char *wrong;

	if (container < 0 && json_is_array(j, alerts))
		return hear_alerts(h, j, alerts, member);
	kuma &= container < 0;
	if (kuma && json_is_null(j, json_get(j, 0, "heartbeat")) &&
	    json_is_null(j, json_get(j, 0, "monitor"))) {
		h->any = true; /* a test, or a certificate that runs out */
		h->note = "It has arrived, and is about no monitor: no container is meant";
		return NULL;
	}
	wrong = kuma ? read_kuma(j, &word, member) : read_own(j, &word, member);
	if (!wrong)
		hear(h, &word);
	return wrong;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void print_heard(struct json_writer *w, struct containers *t, enum heard heard)
{
	struct container *c;
	size_t at = 0;

	while ((c = containers_next(t, &at)))
		if (c->heard == heard)
			json_cstring(w, c->identity->name);
}

static void answer(struct hearing *h, struct server_client *c)
{
	struct containers *t = &h->monitor->policy.containers;
	struct json_writer w;
	struct buf body;

	buf_init(&body, ANSWER_MAX);
	json_start(&w, &body);
	json_print(&w, "{ matched [");
	print_heard(&w, t, HEARD_MATCHED);
	json_print(&w, "] ignored [");
	print_heard(&w, t, HEARD_IGNORED);
	if (h->unknown_text.n)
		json_raw_value(&w, (struct span){h->unknown_text.p, h->unknown_text.n});
	json_close(&w, ']');
	if (h->note)
		json_print(&w, "message %s", h->note);
	json_close(&w, '}');
	log_line(LOG_INFO, "api", "An outside monitor's word: %.*s", (int)body.n,
	    body.failed ? "" : body.p);
	api_answer(c, 202, &body);
}

void api_verdicts(struct api *api, struct server_client *c, struct server_request *r)
{
	struct hearing h = {.monitor = api->monitor};
	struct containers *t = &api->monitor->policy.containers;
	const char *member = NULL, *wrong;
	struct container *one;
	struct json j;
	size_t at = 0;

	if (!api_read_body(api, c, r, &j, SHAPE, true))
		return;
	while ((one = containers_next(t, &at)))
		one->heard = HEARD_NOT;
	buf_init(&h.unknown_text, ANSWER_MAX);
	json_start(&h.unknown, &h.unknown_text);
	wrong = hear_body(&h, &j, &member);
	monitor_settle(api->monitor);
	if (wrong)
		server_error_about(c, 422, member, "%s", wrong);
	else if (h.any)
		answer(&h, c);
	else if (h.ambiguous)
		server_error(c, 409,
		    "'%s' is on several hosts: say HOST/NAME, or use the label autoheal.monitor",
		    h.first);
	else if (h.first[0])
		server_error(c, 404,
		    "No watched container is called '%s', nor has one the label autoheal.monitor=%s",
		    h.first, h.first);
	else
		server_error(c, 404, "None of the alerts has the label container");
	buf_free(&h.unknown_text);
}
