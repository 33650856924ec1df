/* watch.c - who is watched and why, of watch.h. */
#include "watch.h"

#include <string.h>

static void unreadable(struct watch_labels *out, const char *label, struct span value)
{
	char *text;

	if (out->unreadable_count == WATCH_UNREADABLE_MAX)
		return;
	text = out->unreadable[out->unreadable_count++];
	text_print(text, sizeof(out->unreadable[0]), "%s=%.*s", label,
	    (int)(value.n < 48 ? value.n : 48), value.p);
}

static void read_time(struct watch_labels *out, const char *label, struct span value, uint32_t *field)
{
	uint64_t ms;

	if (!text_duration(value, &ms) || ms >= WATCH_FOREVER) {
		unreadable(out, label, value);
		return;
	}
	*field = (uint32_t)ms;
	out->has_own = true;
}

static void read_stop_timeout(struct watch_labels *out, const char *label, struct span value)
{
	uint32_t ms = 0;

	if (span_is(value, "-1")) {
		out->own.stop_timeout = WATCH_FOREVER;
		out->has_own = true;
		return;
	}
	ms = WATCH_UNSET;
	read_time(out, label, value, &ms);
	if (ms != WATCH_UNSET)
		out->own.stop_timeout = ms / 1000;
}

static void read_count(
    struct watch_labels *out, const char *label, struct span value, uint32_t *field)
{
	uint64_t n;

	if (!text_number(value, CONFIG_RESTARTS_MAX, &n)) {
		unreadable(out, label, value);
		return;
	}
	*field = (uint32_t)n;
	out->has_own = true;
}

static void read_switch(struct watch_labels *out, const char *label, struct span value, bool *off)
{
	bool on;

	if (!text_boolean(value, &on)) {
		unreadable(out, label, value);
		return;
	}
	*off = !on;
}

static void read_monitor(struct watch_labels *out, struct span value)
{
	if (!value.n || value.n >= sizeof(out->monitor)) {
		unreadable(out, "autoheal.monitor", value);
		return;
	}
	span_copy(value, out->monitor, sizeof(out->monitor));
	out->own.monitor = out->monitor;
	out->has_own = true;
}

/* Either of two labels may want that a container is only told about. */
static void tell_only(struct watch_labels *out, bool only)
{
	out->own.no_restart |= only;
	out->has_own |= only;
}

static void read_action(struct watch_labels *out, struct span value)
{
	if (span_is(value, "notify"))
		tell_only(out, true);
	else if (span_is(value, "stop"))
		out->own.action = WATCH_STOP;
	else if (span_is(value, "kill"))
		out->own.action = WATCH_KILL;
	else if (!span_is(value, "restart"))
		unreadable(out, "autoheal.action", value);
	out->has_own |= out->own.action != WATCH_RESTART;
}

static bool read_port(struct watch_check *check, struct span value)
{
	uint64_t port;

	if (!text_number(value, UINT16_MAX, &port) || !port)
		return false;
	check->port = (uint16_t)port;
	return true;
}

/* What could end the line of a request is no path. */
bool watch_read_endpoint(struct watch_check *check, struct span value)
{
	const char *slash = memchr(value.p, '/', value.n);
	struct span path = span_of("/");

	if (!value.n || value.p[0] != ':')
		return false;
	if (slash) {
		path = (struct span){slash, value.n - (size_t)(slash - value.p)};
		value.n -= path.n;
	}
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] <= ' ' || path.p[i] > '~')
			return false;
	span_copy(path, check->what, sizeof(check->what));
	return read_port(check, (struct span){value.p + 1, value.n - 1});
}

static bool read_probe(struct watch_check *check, enum watch_check_kind kind, struct span value)
{
	if (!value.n || value.n >= WATCH_CHECK_MAX - 1)
		return false;
	if (kind == CHECK_HTTP)
		return watch_read_endpoint(check, value);
	if (kind == CHECK_TCP)
		return read_port(check, value);
	span_copy(value, check->what, sizeof(check->what));
	return true;
}

/* Docker's 0 is its default. */
static void read_check_time(
    struct watch_labels *out, const char *label, struct span value, uint64_t least, uint32_t *field)
{
	uint64_t ms;

	if (!text_duration(value, &ms) || ms >= WATCH_FOREVER || (ms && ms < least))
		unreadable(out, label, value);
	else if (ms)
		*field = (uint32_t)ms;
}

static void read_check(struct watch_labels *out, const char *label, struct span value)
{
	static const char kinds[][5] = {
	    [CHECK_HTTP] = "http", [CHECK_TCP] = "tcp", [CHECK_EXEC] = "exec"};
	const char *word = label + strlen("autoheal.check.");
	struct watch_check *check = &out->check;
	uint64_t n;

	if (!strcmp(word, "interval"))
		read_check_time(out, label, value, WATCH_CHECK_LEAST, &check->interval);
	else if (!strcmp(word, "timeout"))
		read_check_time(out, label, value, 1, &check->timeout);
	else if (!strcmp(word, "start.period"))
		read_check_time(out, label, value, 0, &check->start_period);
	else if (!strcmp(word, "retries") && !text_number(value, 1000, &n))
		unreadable(out, label, value);
	else if (!strcmp(word, "retries") && n)
		check->retries = (uint32_t)n;
	for (int kind = CHECK_HTTP; kind <= CHECK_EXEC; kind++) {
		if (strcmp(word, kinds[kind]))
			continue;
		check->several |= check->kind != CHECK_NONE;
		if (!check->kind && read_probe(check, (enum watch_check_kind)kind, value))
			check->kind = (uint8_t)kind;
		else if (!check->kind)
			unreadable(out, label, value);
	}
}

static void read_own_label(struct watch_labels *out, struct span key, struct span value)
{
	struct label_settings *own = &out->own;

	if (span_is(key, "autoheal.stop.timeout"))
		read_stop_timeout(out, "autoheal.stop.timeout", value);
	else if (span_is(key, "autoheal.monitor"))
		read_monitor(out, value);
	else if (span_is(key, "autoheal.monitor.enable"))
		read_switch(out, "autoheal.monitor.enable", value, &out->monitor_off);
	else if (span_is(key, "autoheal.restart.enable")) {
		bool off = false;

		read_switch(out, "autoheal.restart.enable", value, &off);
		tell_only(out, off);
	} else if (span_is(key, "autoheal.notify")) {
		read_switch(out, "autoheal.notify", value, &own->no_notices);
		out->has_own |= own->no_notices;
	} else if (span_is(key, "autoheal.action"))
		read_action(out, value);
	else if (span_is(key, "autoheal.unhealthy.for"))
		read_time(out, "autoheal.unhealthy.for", value, &own->unhealthy_for);
	else if (span_is(key, "autoheal.start.period"))
		read_time(out, "autoheal.start.period", value, &own->start_period);
	else if (span_is(key, "autoheal.cooldown"))
		read_time(out, "autoheal.cooldown", value, &own->cooldown);
	else if (span_is(key, "autoheal.max.restarts"))
		read_count(out, "autoheal.max.restarts", value, &own->max_restarts);
	else if (span_starts(key, "autoheal.check."))
		read_check(out, key.p, value);
}

static void read_compose_label(struct watch_labels *out, struct span key, struct span value)
{
	uint64_t number;

	if (span_is(key, "com.docker.compose.project"))
		span_copy(value, out->project, sizeof(out->project));
	else if (span_is(key, "com.docker.compose.service"))
		span_copy(value, out->service, sizeof(out->service));
	else if (span_is(key, "com.docker.compose.container-number") &&
	    text_number(value, 1000000, &number))
		out->number = (uint32_t)number;
	else if (span_is(key, "com.docker.compose.oneoff"))
		out->one_off = span_is_nocase(value, "true");
}

/* The label that selects. A "false" is not taken back by another label that says yes. */
static void read_choice(
    struct watch_labels *out, const struct settings *s, struct span key, struct span value)
{
	bool is_usual = span_is(key, "autoheal");
	bool is_wanted = config_watches_all(s) ? is_usual : span_is(key, s->label);

	if (out->label == WATCH_LABEL_FALSE)
		return;
	if ((is_wanted || is_usual) && span_is(value, "false") &&
	    !span_is(span_of(s->label_value), "false"))
		out->label = WATCH_LABEL_FALSE;
	else if (is_wanted)
		out->label = span_is(value, s->label_value) ? WATCH_LABEL_YES : WATCH_LABEL_OTHER;
}

static void read_label(
    struct watch_labels *out, const struct settings *s, struct span key, struct span value)
{
	read_choice(out, s, key, value);
	if (span_starts(key, "autoheal."))
		read_own_label(out, key, value);
	else if (span_starts(key, "com.docker.compose."))
		read_compose_label(out, key, value);
	else if (span_is(key, "com.docker.swarm.task.id"))
		out->swarm_task = true;
	else if (span_is(key, "monitoring.id"))
		span_copy(value, out->monitoring_id, sizeof(out->monitoring_id));
}

void watch_read_labels(
    struct watch_labels *out, const struct settings *s, const struct json *j, int object)
{
	int key = -1, value;
	char name[160], text[WATCH_CHECK_MAX];

	*out = (struct watch_labels){0};
	out->own = (struct label_settings){WATCH_UNSET, WATCH_UNSET, WATCH_UNSET, WATCH_UNSET,
	    WATCH_UNSET, false, WATCH_RESTART, false, NULL};
	out->check.interval = WATCH_CHECK_INTERVAL;
	out->check.timeout = WATCH_CHECK_TIMEOUT;
	out->check.retries = WATCH_CHECK_RETRIES;
	out->check.status = 200;
	while (json_next_member(j, object, &key, &value)) {
		size_t n = json_text(j, key, name, sizeof(name));
		size_t m = json_text(j, value, text, sizeof(text));

		read_label(out, s, (struct span){name, n}, (struct span){text, m});
	}
}

size_t watch_stable_id(
    char out[WATCH_NAME_MAX], const struct watch_labels *labels, struct span name, const char *host)
{
	char prefix[72] = "";
	int n;

	if (host && *host && strcmp(host, "local"))
		text_print(prefix, sizeof(prefix), "%.64s/", host);
	if (labels->monitoring_id[0])
		n = text_print(out, WATCH_NAME_MAX, "%s%s", prefix, labels->monitoring_id);
	else if (labels->project[0] && labels->service[0] && labels->number > 1)
		n = text_print(out, WATCH_NAME_MAX, "%s%s_%s_%u", prefix, labels->project,
		    labels->service, labels->number);
	else if (labels->project[0] && labels->service[0])
		n = text_print(
		    out, WATCH_NAME_MAX, "%s%s_%s", prefix, labels->project, labels->service);
	else
		n = text_print(out, WATCH_NAME_MAX, "%s%.*s", prefix,
		    (int)(name.n < 255 ? name.n : 255), name.p);
	if (n < 0)
		return 0;
	return n < WATCH_NAME_MAX ? (size_t)n : WATCH_NAME_MAX - 1;
}

bool watch_in_list(const char *list, struct span name)
{
	struct span rest = span_of(list), pattern;

	while (span_next(&rest, ',', &pattern))
		if (text_glob(pattern, name))
			return true;
	return false;
}

static bool named_in(const char *list, const struct watch_candidate *c)
{
	return watch_in_list(list, c->name) || watch_in_list(list, c->stable_id);
}

static bool outside_projects(const struct settings *s, const struct watch_labels *labels)
{
	struct span rest = span_of(s->projects), project;
	bool any = false;

	while (span_next(&rest, ',', &project)) {
		if (span_is(project, labels->project))
			return false;
		any = true;
	}
	return any;
}

/* Whether the rule of this reason fits. */
static bool fits(enum watch_reason reason, const struct settings *s, const struct watch_candidate *c)
{
	const struct watch_labels *labels = c->labels;

	switch (reason) {
	case REASON_SELF:
		return c->self;
	case REASON_EXCLUDE_SETTING:
		return named_in(s->exclude, c);
	case REASON_EXCLUDED:
		return c->choice == CHOICE_EXCLUDED;
	case REASON_LABEL_FALSE:
		return labels->label == WATCH_LABEL_FALSE;
	case REASON_MONITOR_OFF:
		return labels->monitor_off;
	case REASON_ONE_OFF:
		return labels->one_off;
	case REASON_SWARM_TASK:
		return labels->swarm_task && !s->swarm_tasks;
	case REASON_OTHER_PROJECT:
		return outside_projects(s, labels);
	case REASON_PERSON:
		return c->choice == CHOICE_PERSON;
	case REASON_INCLUDE:
		return named_in(s->include, c);
	case REASON_LABEL:
		return labels->label == WATCH_LABEL_YES;
	case REASON_ALL:
		return config_watches_all(s);
	case REASON_NO_LABEL:
	case REASON_COUNT:
		break;
	}
	return true;
}

enum watch_reason watch_decide(const struct settings *s, const struct watch_candidate *c)
{
	enum watch_reason reason = REASON_SELF;

	while (!fits(reason, s, c))
		reason++;
	return reason;
}

bool watch_is_watched(enum watch_reason reason)
{
	return reason == REASON_PERSON || reason == REASON_INCLUDE || reason == REASON_LABEL ||
	    reason == REASON_ALL;
}

bool watch_is_unasked(enum watch_reason reason, const struct watch_labels *labels)
{
	return (reason == REASON_INCLUDE || reason == REASON_ALL) && labels->label != WATCH_LABEL_YES;
}

size_t watch_say(enum watch_reason reason, const struct settings *s, char *out, size_t cap)
{
	static const char *const words[REASON_COUNT] = {
	    [REASON_SELF] = "it is autoheal's own container",
	    [REASON_EXCLUDE_SETTING] = "AUTOHEAL_EXCLUDE names it",
	    [REASON_EXCLUDED] = "a person excluded it",
	    [REASON_LABEL_FALSE] = "its label says autoheal=false",
	    [REASON_MONITOR_OFF] = "its label says autoheal.monitor.enable=false",
	    [REASON_ONE_OFF] = "it is a one-off run of Compose",
	    [REASON_SWARM_TASK] = "Swarm replaces its own tasks",
	    [REASON_OTHER_PROJECT] = "it is outside the projects of AUTOHEAL_PROJECT",
	    [REASON_PERSON] = "a person selected it",
	    [REASON_INCLUDE] = "AUTOHEAL_INCLUDE names it",
	    [REASON_ALL] = "every container is watched (AUTOHEAL_CONTAINER_LABEL=all)",
	};
	int n;

	if (reason == REASON_LABEL)
		n = text_print(out, cap, "it has the label %s=%s", config_label(s), s->label_value);
	else if (reason == REASON_NO_LABEL)
		n = text_print(out, cap, "it has no label %s=%s", s->label, s->label_value);
	else
		n = text_print(out, cap, "%s", words[reason]);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}
