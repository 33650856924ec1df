/* facts.c - reading the engine's JSON, of facts.h. */
#include "facts.h"

#include <string.h>

#define NANO_PER_SECOND 1000000000ll

/* ---- events --------------------------------------------------------------------------------- */

static const struct {
	char word[26]; /* in place: a pointer would cost a relocation beside itself */
	enum engine_action action;
} actions[] = {
    {"create", ENGINE_CREATE},
    {"start", ENGINE_START},
    {"die", ENGINE_DIE},
    {"died", ENGINE_DIE}, /* Podman's own word */
    {"stop", ENGINE_STOP},
    {"kill", ENGINE_KILL},
    {"pause", ENGINE_PAUSE},
    {"unpause", ENGINE_UNPAUSE},
    {"restart", ENGINE_RESTART},
    {"destroy", ENGINE_DESTROY},
    {"remove", ENGINE_DESTROY}, /* Podman's own word */
    {"rename", ENGINE_RENAME},
    {"health_status: healthy", ENGINE_HEALTHY},
    {"health_status: unhealthy", ENGINE_UNHEALTHY},
};

static enum engine_action read_action(const struct json *j, struct span word)
{
	int health;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (span_is(word, actions[i].word))
			return actions[i].action;
	if (!span_is(word, "health_status"))
		return ENGINE_OTHER;
	health = json_get(j, 0, "HealthStatus"); /* Podman: the value stands beside */
	if (json_is(j, health, "unhealthy"))
		return ENGINE_UNHEALTHY;
	return json_is(j, health, "healthy") ? ENGINE_HEALTHY : ENGINE_OTHER;
}

/* A string's text; its raw bytes where nothing in them is escaped, which is always so with known
 * engines. */
static struct span whole_text(const struct json *j, int token, char *out, size_t cap)
{
	struct span raw = json_raw(j, token);

	if (!memchr(raw.p, '\\', raw.n))
		return raw;
	return (struct span){out, json_text(j, token, out, cap)};
}

/* Seconds as nanoseconds; 0, unknown, where that makes no sense. */
static int64_t whole_seconds(int64_t seconds)
{
	return seconds > 0 && seconds <= INT64_MAX / NANO_PER_SECOND ? seconds * NANO_PER_SECOND : 0;
}

bool facts_read_event(const struct json *j, struct engine_event *event)
{
	int type = json_get(j, 0, "Type"), action = json_get(j, 0, "Action");
	int actor = json_get(j, 0, "Actor"), id = json_get(j, actor, "ID");
	char word[64];

	if (type >= 0 && !json_is(j, type, "container"))
		return false;
	if (action < 0)
		action = json_get(j, 0, "status"); /* the legacy form, gone since API 1.52 */
	if (id < 0)
		id = json_get(j, 0, "id");
	if (!json_is_string(j, action) || !json_is_string(j, id))
		return false;
	event->action = read_action(j, whole_text(j, action, word, sizeof(word)));
	if (event->action == ENGINE_OTHER || !text_unhex(json_raw(j, id), event->id, 32))
		return false;
	event->time_nano = json_int(j, json_get(j, 0, "timeNano"), 0);
	if (event->time_nano <= 0)
		event->time_nano = whole_seconds(json_int(j, json_get(j, 0, "time"), 0));
	event->attributes = json_get(j, actor, "Attributes");
	return true;
}

/* ---- the list ------------------------------------------------------------------------------- */

static void read_state(struct policy_facts *f, const struct json *j, int state)
{
	f->paused = json_is(j, state, "paused");
	f->restarting = json_is(j, state, "restarting");
	f->stopping = json_is(j, state, "stopping");
	f->running = f->paused || f->restarting || json_is(j, state, "running");
}

static bool ends_with(struct span s, const char *end)
{
	size_t n = strlen(end);

	return s.n >= n && !memcmp(s.p + s.n - n, end, n);
}

/* "Up 5 minutes (unhealthy)": the list's only word on health before API 1.52. */
static enum container_health health_in_status(struct span status, bool says_all)
{
	if (ends_with(status, "(unhealthy)"))
		return HEALTH_BAD;
	if (ends_with(status, "(healthy)"))
		return HEALTH_GOOD;
	if (ends_with(status, "(health: starting)") || ends_with(status, "(starting)"))
		return HEALTH_STARTING;
	return says_all ? HEALTH_NONE : HEALTH_UNKNOWN;
}

static enum container_health read_health(const struct json *j, int status)
{
	if (json_is(j, status, "unhealthy"))
		return HEALTH_BAD;
	if (json_is(j, status, "healthy"))
		return HEALTH_GOOD;
	if (json_is(j, status, "starting"))
		return HEALTH_STARTING;
	return HEALTH_NONE;
}

static void read_name(const struct json *j, int token, struct container_facts *out)
{
	char name[WATCH_NAME_MAX + 1];
	size_t n = json_text(j, token, name, sizeof(name));
	size_t slash = n && name[0] == '/';

	span_copy((struct span){name + slash, n - slash}, out->name, sizeof(out->name));
}

/* The first name without a second slash: the others are links of other containers to this one. */
static int own_name(const struct json *j, int names)
{
	int element = -1, first = -1;

	while (json_next_element(j, names, &element)) {
		struct span raw = json_raw(j, element);

		if (first < 0)
			first = element;
		if (raw.n > 1 && !memchr(raw.p + 1, '/', raw.n - 1))
			return element;
	}
	return first;
}

static uint32_t as_uint32(int64_t v)
{
	if (v < 0)
		return 0;
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* Only then the list has room for a word on its health: "Up 2 minutes (Paused)" has none. */
static bool is_just_running(const struct policy_facts *f)
{
	return f->running && !f->paused && !f->restarting;
}

bool facts_read_listed(const struct json *j, bool podman, struct container_facts *out)
{
	int health = json_get(j, 0, "Health");

	*out = (struct container_facts){.now = {.age_ms = -1, .stop_timeout = WATCH_UNSET}};
	if (!text_unhex(json_raw(j, json_get(j, 0, "Id")), out->id, 32))
		return false;
	read_name(j, own_name(j, json_get(j, 0, "Names")), out);
	out->labels = json_get(j, 0, "Labels");
	out->created = as_uint32(json_int(j, json_get(j, 0, "Created"), 0));
	read_state(&out->now, j, json_get(j, 0, "State"));
	if (json_is_object(j, health)) {
		out->now.health = read_health(j, json_get(j, health, "Status"));
		out->now.streak = as_uint32(json_int(j, json_get(j, health, "FailingStreak"), 0));
	} else {
		out->now.health = health_in_status(
		    json_raw(j, json_get(j, 0, "Status")), !podman && is_just_running(&out->now));
	}
	return true;
}

/* ---- inspect -------------------------------------------------------------------------------- */

/* ms since 1970; 0 unknown, or never. */
static int64_t read_time(const struct json *j, int token)
{
	char text[48];
	size_t n = json_text(j, token, text, sizeof(text));
	int64_t wall;

	return text_read_time((struct span){text, n}, &wall) ? wall : 0;
}

/* Docker's defaults hold where a healthcheck leaves a value at 0. */
static int64_t nanoseconds(const struct json *j, int token, int64_t otherwise)
{
	int64_t v = json_int(j, token, 0);

	return v > 0 ? v : otherwise;
}

static void read_healthcheck(struct policy_facts *f, const struct json *j, int check)
{
	int64_t interval = nanoseconds(j, json_get(j, check, "Interval"), 30 * NANO_PER_SECOND);
	int64_t start = nanoseconds(j, json_get(j, check, "StartPeriod"), 0);
	int64_t retries = json_int(j, json_get(j, check, "Retries"), 0);
	int64_t limit = 24 * 3600 * NANO_PER_SECOND;

	f->check_retries = as_uint32(retries);
	if (retries <= 0)
		retries = 3;
	if (interval > limit || start > limit || retries > 1000) {
		f->check_time = 24 * 3600;
		return;
	}
	f->check_time = as_uint32((start + interval / 1000 * retries * 1000) / NANO_PER_SECOND);
}

/* How long ago the last probe ended, or where none has, the container was started; and how long the next may take:
 * it comes an interval after that, and ends at its timeout. */
static void read_probes(
    struct policy_facts *f, const struct json *j, int health, int check, int64_t last, int64_t date)
{
	int64_t interval = nanoseconds(j, json_get(j, check, "Interval"), 30 * NANO_PER_SECOND);
	int64_t timeout = nanoseconds(j, json_get(j, check, "Timeout"), 30 * NANO_PER_SECOND);
	int log = json_get(j, health, "Log"), element = -1;

	if (!date || !last || f->health == HEALTH_NONE || !json_is_object(j, check))
		return;
	while (json_next_element(j, log, &element)) {
		int64_t end = read_time(j, json_get(j, element, "End"));

		if (end > last)
			last = end;
	}
	interval /= 1000000;
	timeout /= 1000000;
	f->probe_due = (uint64_t)(interval + (timeout > 2 * interval ? timeout : 2 * interval));
	f->probe_age = date > last ? (uint64_t)(date - last) : 0;
}

static uint32_t read_stop_timeout(const struct json *j, int token)
{
	int64_t seconds = json_int(j, token, 10); /* absent: Docker's default */

	/* what no clock will see is for ever, too */
	return seconds < 0 || seconds >= WATCH_FOREVER ? WATCH_FOREVER : (uint32_t)seconds;
}

/* What tells whose business it is when it exits by itself. */
static void read_ending(struct policy_facts *f, const struct json *j, int state)
{
	int host = json_get(j, 0, "HostConfig"), policy = json_get(j, host, "RestartPolicy");
	int name = json_get(j, policy, "Name"), error = json_get(j, state, "Error");

	f->oom_killed = json_bool(j, json_get(j, state, "OOMKilled"), false);
	f->auto_remove = json_bool(j, json_get(j, host, "AutoRemove"), false);
	f->start_failed = json_is_string(j, error) && !json_is(j, error, "");
	if (json_is(j, name, "on-failure"))
		f->restart_policy = RESTARTS_ON_FAILURE;
	else if (json_is_string(j, name) && !json_is(j, name, "no") && !json_is(j, name, ""))
		f->restart_policy = RESTARTS_ALWAYS;
	f->restarts_most = as_uint32(json_int(j, json_get(j, policy, "MaximumRetryCount"), 0));
	f->restarts_done = as_uint32(json_int(j, json_get(j, 0, "RestartCount"), 0));
}

/* How long ago that was by the engine's clock, -1 where one of the two is unknown. */
static int64_t age_of(int64_t at, int64_t date)
{
	if (!date || !at)
		return -1;
	return date > at ? date - at : 0;
}

bool facts_read_inspected(const struct json *j, int64_t date, struct container_facts *out)
{
	int state = json_get(j, 0, "State"), config = json_get(j, 0, "Config");
	int health = json_get(j, state, "Health");
	int64_t ended;

	*out = (struct container_facts){.now = {.whole = true, .age_ms = -1, .ended_ms = -1}};
	if (health < 0)
		health = json_get(j, state, "Healthcheck"); /* Podman before 4.4 */
	if (!text_unhex(json_raw(j, json_get(j, 0, "Id")), out->id, 32) || !json_is_object(j, state))
		return false;
	read_name(j, json_get(j, 0, "Name"), out);
	out->labels = json_get(j, config, "Labels");
	read_state(&out->now, j, json_get(j, state, "Status"));
	if (json_bool(j, json_get(j, state, "Paused"), false))
		out->now.paused = true;
	if (json_bool(j, json_get(j, state, "Restarting"), false))
		out->now.restarting = true;
	out->now.health = read_health(j, json_get(j, health, "Status"));
	out->now.streak = as_uint32(json_int(j, json_get(j, health, "FailingStreak"), 0));
	out->now.exit_code = (int32_t)json_int(j, json_get(j, state, "ExitCode"), 0);
	out->now.stop_timeout = read_stop_timeout(j, json_get(j, config, "StopTimeout"));
	if (json_is_object(j, json_get(j, config, "Healthcheck")))
		read_healthcheck(&out->now, j, json_get(j, config, "Healthcheck"));
	read_ending(&out->now, j, state);
	out->started = read_time(j, json_get(j, state, "StartedAt"));
	ended = read_time(j, json_get(j, state, "FinishedAt"));
	read_probes(&out->now, j, health, json_get(j, config, "Healthcheck"), out->started, date);
	out->now.age_ms = age_of(out->started, date);
	out->now.ended_ms = age_of(ended, date);
	return true;
}

const char *facts_status(const struct policy_facts *f)
{
	if (f->paused)
		return "paused";
	if (f->restarting)
		return "restarting";
	return f->running ? "running" : "exited";
}

unsigned facts_untold(const struct container *c, const struct policy_facts *f, bool podman)
{
	bool known = c->health == HEALTH_GOOD || c->health == HEALTH_BAD ||
	    c->health == HEALTH_STARTING;

	if (policy_is_stale(c, f) || f->restarting || c->restarting)
		return 0;
	if (f->running != c->running)
		return f->running ? 1u << ENGINE_START : 1u << ENGINE_DIE | 1u << ENGINE_STOP;
	if (f->paused != c->paused)
		return f->paused ? 1u << ENGINE_PAUSE : 1u << ENGINE_UNPAUSE;
	/* a pause and an exit turn the health without a word, and no event tells of `starting` */
	if (podman || !known || c->flipped || !is_just_running(f) || f->health == c->health)
		return 0;
	if (f->health == HEALTH_BAD)
		return 1u << ENGINE_UNHEALTHY;
	return f->health == HEALTH_GOOD ? 1u << ENGINE_HEALTHY : 0;
}
