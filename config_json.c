/* config_json.c - the settings changed by JSON, of config_json.h. */
#include "config_json.h"

#include <stdlib.h>

#include "config_parts.h"
#include "notice.h"
#include "notify.h"

int config_init(struct config *c, char *const *environment, char *error, size_t error_size,
    void (*warn)(const char *sentence))
{
	static char *const nothing[] = {NULL};

	config_read(&c->kept, nothing, error, error_size, warn);
	return config_read(&c->now, environment, error, error_size, warn);
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < config_count; i++)
		if (config_is_text(&config_table[i]) && c->kept.changed[i])
			free((void *)(uintptr_t)config_words(&c->kept, &config_table[i]));
	*c = (struct config){0};
}

/* ---- what is wrong ------------------------------------------------------------------------- */

static void fail(struct config_draft *d, int status, const char *member, const char *format, ...)
    TEXT_PRINTS(4, 5);

static void fail(struct config_draft *d, int status, const char *member, const char *format, ...)
{
	char sentence[sizeof(d->error) + CONFIG_MEMBER_MAX + 16];
	va_list args;

	if (d->status)
		return;
	va_start(args, format);
	text_vprint(d->error, sizeof(d->error), format, args);
	va_end(args);
	if (d->source == CONFIG_STORED && status != 500) {
		text_print(sentence, sizeof(sentence), "config.json: %s %s", member, d->error);
		d->warn(sentence);
		return;
	}
	d->status = status;
	span_copy(span_of(member), d->member, sizeof(d->member));
}

static void fail_memory(struct config_draft *d)
{
	fail(d, 500, "", "There is not enough memory for this");
}

static void fail_value(struct config_draft *d, const char *member, const struct config_setting *s)
{
	char accepted[128];

	config_describe(s, true, accepted, sizeof(accepted));
	fail(d, 422, member, "must be %s", accepted);
}

/* A member that is none of ours. */
static void unknown(struct config_draft *d, const char *member)
{
	if (d->source != CONFIG_IMPORT)
		fail(d, 422, member, "is no member that is known here");
	else if (d->ignored.n < JSON_VALUE_MAX) /* the others are passed over in silence */
		json_cstring(&d->names, member);
}

/* ---- values -------------------------------------------------------------------------------- */

static size_t place_of(const char *member)
{
	size_t i = 0;

	while (i < config_count && strcmp(config_text(&config_table[i], CONFIG_MEMBER), member))
		i++;
	return i;
}

static bool is_same_list(const char *a, const char *b)
{
	struct span left = span_of(a), right = span_of(b), x, y;
	bool more;

	do {
		more = span_next(&left, ',', &x);
		if (span_next(&right, ',', &y) != more || (more && !span_equal(x, y)))
			return false;
	} while (more);
	return true;
}

/* Whether the field has this value. */
static bool is_same(const struct settings *of, const struct config_setting *s, const void *value)
{
	const char *text;

	if (!config_is_text(s))
		return !memcmp(config_field(of, s), value, config_size(s));
	memcpy(&text, value, sizeof(text));
	return s->type == TYPE_LIST ? is_same_list(config_words(of, s), text)
				    : !strcmp(config_words(of, s), text);
}

/* A text that is the draft's alone. */
static void drop_text(struct config_draft *d, size_t i)
{
	const struct config_setting *s = &config_table[i];
	const char *text = config_is_text(s) && d->kept.changed[i] ? config_words(&d->kept, s) : NULL;

	if (text && text != config_words(&d->config->kept, s))
		free((void *)(uintptr_t)text);
}

/* As before the body. */
static void forget(struct config_draft *d, size_t i)
{
	const struct config_setting *s = &config_table[i];

	drop_text(d, i);
	memcpy(config_field(&d->kept, s), config_field(&d->config->kept, s), config_size(s));
	d->kept.changed[i] = d->config->kept.changed[i];
}

/* value: as the field has it; a text is copied. */
static void keep(struct config_draft *d, size_t i, const void *value)
{
	const struct config_setting *s = &config_table[i];
	const char *text;

	if (config_is_text(s)) {
		memcpy(&text, value, sizeof(text));
		text = strdup(text);
		if (!text) {
			fail_memory(d);
			return;
		}
		drop_text(d, i);
		value = &text;
	}
	memcpy(config_field(&d->kept, s), value, config_size(s));
	d->kept.changed[i] = true;
	d->said[i] = false;
}

/* What was changed holds, as far as the environment does not hide it. */
static void hold(struct settings *now, const struct settings *kept)
{
	for (size_t i = 0; i < config_count; i++) {
		const struct config_setting *s = &config_table[i];

		if (!*config_text(s, CONFIG_MEMBER) || config_locks(now, i))
			continue;
		memcpy(config_field(now, s), config_field(kept, s), config_size(s));
		now->changed[i] = kept->changed[i];
	}
	config_settle(now);
}

static void fail_locked(struct config_draft *d, const char *member, const char *variable)
{
	fail(d, 409, member, "is locked: %s is set in the environment, which counts first", variable);
}

static void put(struct config_draft *d, size_t i, const char *member, const void *value)
{
	const struct settings *now = &d->config->now;
	const char *variable = config_locks(now, i);

	if (d->source == CONFIG_STORED)
		keep(d, i, value);
	else if (is_same(now, &config_table[i], value)) {
		forget(d, i); /* of a member that is given twice the last one counts */
		d->said[i] = !variable;
	} else if (variable)
		fail_locked(d, member, variable);
	else
		keep(d, i, value);
}

/* What was said is there now, but would not be with what else changes: then it is a change, too. */
static void keep_said(struct config_draft *d)
{
	struct settings then = d->config->now;

	hold(&then, &d->kept);
	for (size_t i = 0; i < config_count; i++) {
		const struct config_setting *s = &config_table[i];
		const char *value = config_field(&d->config->now, s);

		/* what the word `all` as the label switches on cannot be off beside it */
		if (d->said[i] && !is_same(&then, s, value) && (s->type != TYPE_BOOLEAN || *value))
			keep(d, i, value);
	}
}

static bool is_clean(struct span text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 127)
			return false;
	return text.n > 0;
}

/* A string of 1 to cap - 2 bytes without control characters; one that was cut is longer. */
static bool read_word(const struct json *j, int token, char *out, size_t cap)
{
	size_t n = json_text(j, token, out, cap);

	/* a character of several bytes is cut as a whole, and leaves room behind */
	return n < cap - 1 && (n + 4 < cap || json_is(j, token, out)) &&
	    is_clean((struct span){out, n}) && span_trim((struct span){out, n}).n == n;
}

static bool read_number(
    const struct json *j, int token, const struct config_setting *s, uint64_t *number)
{
	struct span raw = json_raw(j, token);

	*number = CONFIG_UNSET;
	if (raw.n && json_is_null(j, token) && !*config_text(s, CONFIG_FALLBACK))
		return true;
	if (json_is_string(j, token) || !config_read_decimal(raw, number))
		return false;
	if (s->type == TYPE_NUMBER) {
		if (*number % 1000)
			return false;
		*number /= 1000;
	}
	return config_in_bounds(s, *number);
}

static void take_list(struct config_draft *d, size_t i, const char *member, int token)
{
	char item[CONFIG_WORD_MAX + 2];
	struct span unknown_kind = {NULL, 0};
	bool well = json_is_array(d->j, token);
	struct buf list;
	int element = -1;
	uint32_t kinds;

	buf_init(&list, CONFIG_TEXT_MAX);
	while (well && json_next_element(d->j, token, &element)) {
		well = read_word(d->j, element, item, sizeof(item)) && !strchr(item, ',');
		buf_print(&list, "%s%s", list.n ? "," : "", item);
	}
	buf_add(&list, "", 1);
	if (!well || list.failed)
		fail_value(d, member, &config_table[i]);
	else if (config_table[i].offset == offsetof(struct settings, notify_events) &&
	    !notice_read_kinds(span_of(list.p), &kinds, &unknown_kind))
		fail(d, 422, member, "has '%.*s', which is no kind of event; `all` takes every one",
		    (int)unknown_kind.n, unknown_kind.p);
	else
		put(d, i, member, &list.p);
	buf_free(&list);
}

static void take_services(struct config_draft *d, size_t i, int token);

static void take_value(struct config_draft *d, size_t i, const char *member, int token)
{
	const struct config_setting *s = &config_table[i];
	struct settings read;
	char text[CONFIG_WORD_MAX + 2];
	const char *word = text;
	uint64_t number;
	struct span raw = json_raw(d->j, token);
	bool truth = span_is(raw, "true");

	switch ((enum config_type)s->type) {
	case TYPE_BOOLEAN:
		if (json_is_string(d->j, token) || (!truth && !span_is(raw, "false")))
			break;
		put(d, i, member, &truth);
		return;
	case TYPE_DURATION:
	case TYPE_NUMBER:
	case TYPE_DECIMAL:
		if (!read_number(d->j, token, s, &number))
			break;
		put(d, i, member, &number);
		return;
	case TYPE_LIST:
		take_list(d, i, member, token);
		return;
	case TYPE_SERVICES:
		take_services(d, i, token);
		return;
	case TYPE_TEXT:
		if (!read_word(d->j, token, text, sizeof(text)))
			break;
		put(d, i, member, &word);
		return;
	case TYPE_CHOICE:
	case TYPE_STORM:
	case TYPE_VERSION:
		if (!read_word(d->j, token, text, sizeof(text)) || !config_read_value(&read, s, text))
			break;
		put(d, i, member, config_field(&read, s));
		return;
	}
	fail_value(d, member, s);
}

/* ---- services ------------------------------------------------------------------------------ */

#define SERVICES "notifications.services"

static void add_service(struct buf *list, const char *name, struct span url, bool enabled)
{
	buf_print(list, "%s\t%.*s\t%d\n", name, (int)url.n, url.p, enabled);
}

/* Places in the queue that the environment's own take, and that this list does. */
static size_t count_targets(const struct settings *s, struct settings *with, const char *list)
{
	struct config_services at = {0};
	struct config_service service;
	struct notice_target to;
	struct span chats, chat;
	size_t n = s->heartbeat_url[0] != 0;

	*with = (struct settings){
	    .notify = list, .webhook_url = s->webhook_url, .apprise_url = s->apprise_url};
	while (config_next_service(with, &at, &service)) {
		if (!service.enabled)
			continue;
		notice_read_target(&to, service.url, NOTICE_GENERIC);
		chats = to.service == NOTICE_TELEGRAM ? notice_chats(&to) : span_of("-");
		while (span_next(&chats, ',', &chat))
			n++;
	}
	return n;
}

static void put_services(struct config_draft *d, size_t i, struct buf *list)
{
	struct settings with;

	buf_add(list, "", 1);
	if (list->failed) {
		fail_memory(d);
	} else if (d->source != CONFIG_STORED &&
	    count_targets(&d->config->now, &with, list->p) > NOTIFY_TARGETS_MAX) {
		fail(d, 422, SERVICES, "has more targets than the %d there is room for",
		    NOTIFY_TARGETS_MAX);
	} else if (d->source == CONFIG_STORED || strcmp(list->p, d->config->kept.notify)) {
		d->targets = true;
		keep(d, i, &list->p);
	} else {
		forget(d, i);
	}
}

/* One that the environment names may be there as it is. */
static void meet_given(struct config_draft *d, const char *member,
    const struct config_service *given, struct span url, bool enabled)
{
	if (!enabled || (!span_is(url, CONFIG_MASK) && !span_equal(url, given->url)))
		fail_locked(d, member, given->variable);
}

/* Reads the members of one; false where that cannot be, which was told. */
static bool read_service(struct config_draft *d, const char *member, int token,
    char name[CONFIG_NAME_MAX + 1], char url[CONFIG_URL_MAX + 2], bool *enabled)
{
	int key = -1, value;

	*enabled = true;
	name[0] = url[0] = 0;
	if (!json_is_object(d->j, token)) {
		fail(d, 422, member, "must be {\"name\":…,\"url\":…,\"enabled\":true}");
		return false;
	}
	while (json_next_member(d->j, token, &key, &value)) {
		struct span raw = json_raw(d->j, value);
		bool well = true;

		if (json_is(d->j, key, "name"))
			well = read_word(d->j, value, name, CONFIG_NAME_MAX + 1);
		else if (json_is(d->j, key, "url"))
			well = read_word(d->j, value, url, CONFIG_URL_MAX + 2);
		else if (json_is(d->j, key, "enabled"))
			well = !json_is_string(d->j, value) &&
			    ((*enabled = span_is(raw, "true")) || span_is(raw, "false"));
		if (!well) {
			fail(d, 422, member,
			    "needs a name of at most %d bytes, a url of at most %d, and enabled as true or false",
			    CONFIG_NAME_MAX - 1, CONFIG_URL_MAX);
			return false;
		}
	}
	if (name[0] && url[0])
		return true;
	fail(d, 422, member, "needs a name and a url");
	return false;
}

/* Whether the list, as far as it goes, has one of this name. */
static bool is_there(struct buf *list, const char *name)
{
	size_t n = strlen(name);
	struct span rest = {list->p, list->n}, line;

	while (span_next(&rest, '\n', &line))
		if (line.n > n && !memcmp(line.p, name, n) && line.p[n] == '\t')
			return true;
	return false;
}

static void take_service(struct config_draft *d, const char *member, int token, struct buf *list)
{
	char name[CONFIG_NAME_MAX + 1], url[CONFIG_URL_MAX + 2];
	struct config_service known = {0};
	struct notice_target to;
	struct span address;
	bool enabled, found;
	const char *why;

	if (!read_service(d, member, token, name, url, &enabled))
		return;
	address = span_of(url);
	found = d->source != CONFIG_STORED &&
	    config_find_service(&d->config->now, span_of(name), &known);
	if (is_there(list, name)) {
		fail(d, 422, member, "has a name that another one has");
		return;
	}
	if (found && known.variable)
		meet_given(d, member, &known, address, enabled);
	else if (d->source != CONFIG_STORED && config_locks(&d->config->now, place_of(SERVICES)))
		fail_locked(d, member, "AUTOHEAL_NOTIFY");
	if (d->status)
		return;
	if (span_is(address, CONFIG_MASK)) {
		address = known.url;
		if (!found && d->source == CONFIG_IMPORT) {
			json_cstring(&d->names, member);
			return;
		}
		if (!found) {
			fail(d, 422, member, "has a masked url, and none of its name is known");
			return;
		}
	}
	why = found && known.variable ? NULL : notice_read_target(&to, address, NOTICE_GENERIC);
	if (why)
		fail(d, 422, member, "has a url that cannot be used: it must be of the form %s", why);
	else
		add_service(list, name, address, enabled);
}

/* Takes the environment's own out again; false where some of AUTOHEAL_NOTIFY are not in the list. */
static bool leave_given(const struct config_draft *d, struct buf *list, struct buf *own)
{
	struct config_services at = {0};
	struct config_service service;
	struct span rest = {list->p, list->n}, line, name;
	bool whole = true;

	while (config_next_service(&d->config->now, &at, &service))
		whole &= !service.variable || strcmp(service.variable, "AUTOHEAL_NOTIFY") ||
		    is_there(list, service.name);
	while (span_next(&rest, '\n', &line)) {
		char text[CONFIG_NAME_MAX];
		struct span cut = line;

		span_next(&cut, '\t', &name);
		span_copy(name, text, sizeof(text));
		if (d->source == CONFIG_STORED ||
		    !config_find_service(&d->config->now, span_of(text), &service) ||
		    !service.variable)
			buf_print(own, "%.*s\n", (int)line.n, line.p);
	}
	return whole || d->source == CONFIG_STORED;
}

static void fail_services(struct config_draft *d)
{
	fail(d, 422, SERVICES, "may have %d elements at most", CONFIG_SERVICES_MAX);
}

static void take_services(struct config_draft *d, size_t i, int token)
{
	char member[CONFIG_MEMBER_MAX];
	struct buf list, own;
	int element = -1;
	unsigned n = 0;

	if (!json_is_array(d->j, token)) {
		fail_value(d, SERVICES, &config_table[i]);
		return;
	}
	buf_init(&list, CONFIG_SERVICES_MAX * (CONFIG_URL_MAX + CONFIG_NAME_MAX + 8));
	buf_init(&own, list.max);
	while (!d->status && json_next_element(d->j, token, &element)) {
		text_print(member, sizeof(member), SERVICES "[%u]", n);
		if (n++ < CONFIG_SERVICES_MAX)
			take_service(d, member, element, &list);
		else
			fail_services(d);
	}
	if (!d->status && !leave_given(d, &list, &own))
		fail_locked(d, SERVICES, "AUTOHEAL_NOTIFY");
	own.failed |= list.failed;
	if (!d->status && !(d->source != CONFIG_STORED && config_locks(&d->config->now, i)))
		put_services(d, i, &own);
	buf_free(&list);
	buf_free(&own);
}

/* What docker-autoheal keeps as alerts.webhook becomes a service of this name, beside the others. */
static void take_alerts(struct config_draft *d, int alerts)
{
	size_t place = place_of(SERVICES);
	int webhook = json_get(d->j, alerts, "webhook");
	char url[CONFIG_URL_MAX + 2];
	struct config_services at = {0};
	struct config_service service;
	struct notice_target to;
	const char *why;
	struct buf list;
	unsigned n = 0;

	if (!json_is_string(d->j, webhook) || !json_raw(d->j, webhook).n)
		return;
	if (config_locks(&d->config->now, place)) {
		json_cstring(&d->names, "alerts.webhook");
		return;
	}
	why = read_word(d->j, webhook, url, sizeof(url))
	    ? notice_read_target(&to, span_of(url), NOTICE_GENERIC)
	    : "https://HOST/PATH";
	if (why) {
		fail(d, 422, "alerts.webhook", "must be of the form %s", why);
		return;
	}
	buf_init(&list, CONFIG_SERVICES_MAX * (CONFIG_URL_MAX + CONFIG_NAME_MAX + 8));
	while (config_next_service(&d->kept, &at, &service))
		if (strcmp(service.name, "alerts")) {
			add_service(&list, service.name, service.url, service.enabled);
			if (++n == CONFIG_SERVICES_MAX)
				fail_services(d);
		}
	add_service(&list, "alerts", span_of(url),
	    json_bool(d->j, json_get(d->j, alerts, "enabled"), true));
	if (!d->status)
		put_services(d, place, &list);
	buf_free(&list);
}

/* ---- members ------------------------------------------------------------------------------- */

/* What only autoheal itself writes; passed over, so that what was read can be sent back. */
static bool is_read_only(const char *member)
{
	static const char members[] =
	    "containers.restart_counts\0containers.selected_by\0locked\0autoheal\0";

	for (const char *m = members; *m; m += strlen(m) + 1)
		if (!strcmp(m, member))
			return true;
	return false;
}

static void take_names(struct config_draft *d, const char *member, int token, int *out)
{
	char name[CONFIG_WORD_MAX + 2];
	int element = -1;
	bool well = json_is_array(d->j, token);

	while (well && json_next_element(d->j, token, &element))
		well = read_word(d->j, element, name, sizeof(name));
	if (well)
		*out = token;
	else
		fail(d, 422, member, "must be a list of names of at most %d bytes", CONFIG_WORD_MAX);
}

static void take_object(struct config_draft *d, int object, const char *path);

static void take_member(struct config_draft *d, const char *member, int value)
{
	size_t i = place_of(member);
	bool section = config_is_section(span_of(member)) || !strcmp(member, "restart.backoff") ||
	    !strcmp(member, "containers");

	if (!strcmp(member, "containers.selected_by"))
		d->selected_by = value;
	if (is_read_only(member))
		return;
	if (section && json_is_object(d->j, value))
		take_object(d, value, member);
	else if (section)
		fail(d, 422, member, "must be an object");
	else if (*member && i < config_count)
		take_value(d, i, member, value);
	else if (!strcmp(member, "containers.selected"))
		take_names(d, member, value, &d->selected);
	else if (!strcmp(member, "containers.excluded"))
		take_names(d, member, value, &d->excluded);
	else if (!strcmp(member, "custom_health_checks") &&
	    (json_is_array(d->j, value) ||
		(d->source == CONFIG_IMPORT && json_is_object(d->j, value))))
		d->checks = value;
	else if (d->source == CONFIG_IMPORT && !strcmp(member, "alerts") &&
	    json_is_object(d->j, value))
		take_object(d, value, member);
	else if (d->source != CONFIG_IMPORT ||
	    (strcmp(member, "alerts.webhook") && strcmp(member, "alerts.enabled")))
		unknown(d, member);
}

static void take_object(struct config_draft *d, int object, const char *path)
{
	char member[CONFIG_MEMBER_MAX], name[CONFIG_MEMBER_MAX];
	int key = -1, value;
	size_t n;

	while (!d->status && json_next_member(d->j, object, &key, &value)) {
		n = json_text(d->j, key, name, sizeof(name));
		text_print(member, sizeof(member), "%s%s%s", path, *path ? "." : "", name);
		/* a dot or a zero in it would make another's path of it */
		if (!is_clean((struct span){name, n}) || memchr(name, '.', n) ||
		    n == sizeof(name) - 1)
			unknown(d, member);
		else
			take_member(d, member, value);
	}
}

/* include_all was switched off, where the word `all` as the label has switched it on. */
static void take_label_back(struct config_draft *d)
{
	size_t label = place_of("monitor.label_key"), all = place_of("monitor.include_all");
	const char *usual = config_text(&config_table[label], CONFIG_FALLBACK);

	if (d->source != CONFIG_STORED && d->kept.changed[all] && !d->kept.include_all &&
	    d->config->now.include_all && d->kept.label == d->config->kept.label &&
	    !strcmp(d->kept.label, CONFIG_ALL))
		keep(d, label, &usual);
}

bool config_draft(struct config_draft *d, const struct config *c, enum config_source source,
    const struct json *j, const char *section, void (*warn)(const char *sentence))
{
	*d = (struct config_draft){.config = c,
	    .j = j,
	    .source = source,
	    .warn = warn,
	    .kept = c->kept,
	    .selected = -1,
	    .selected_by = -1,
	    .excluded = -1,
	    .checks = -1};
	buf_init(&d->ignored, 2 * JSON_VALUE_MAX);
	json_start(&d->names, &d->ignored);
	if (json_is_object(j, 0))
		take_object(d, 0, section);
	else
		fail(d, 422, section, "must be an object");
	if (!d->status && source == CONFIG_IMPORT)
		take_alerts(d, json_get(j, 0, "alerts"));
	take_label_back(d);
	if (source != CONFIG_STORED && !d->status)
		keep_said(d);
	return !d->status;
}

/* ---- from a draft on ----------------------------------------------------------------------- */

size_t config_commit(struct config *c, struct config_draft *d, char names[CONFIG_NAMES_MAX])
{
	struct settings before = c->kept;
	size_t count = 0, n = 0;

	names[0] = 0;
	c->kept = d->kept;
	d->kept = before;
	for (size_t i = 0; i < config_count; i++) {
		const struct config_setting *s = &config_table[i];

		if (c->kept.changed[i] != before.changed[i] ||
		    memcmp(config_field(&c->kept, s), config_field(&before, s), config_size(s))) {
			n += (size_t)text_print(names + n, CONFIG_NAMES_MAX - n, "%s%s",
			    count++ ? ", " : "", config_text(s, CONFIG_MEMBER));
			if (n >= CONFIG_NAMES_MAX)
				n = CONFIG_NAMES_MAX - 1;
		}
	}
	hold(&c->now, &c->kept);
	return count;
}

void config_drop(struct config_draft *d)
{
	for (size_t i = 0; i < config_count; i++)
		drop_text(d, i);
	buf_free(&d->ignored);
}
