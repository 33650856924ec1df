/* config_print.c - the settings as JSON, for the API and for config.json; of config_json.h. */
#include "config_json.h"

#include <string.h>

#include "config_parts.h"

static const char sections[] = "monitor\0restart\0filters\0observability\0notifications\0";

bool config_is_section(struct span name)
{
	for (const char *s = sections; *s; s += strlen(s) + 1)
		if (span_is(name, s))
			return true;
	return false;
}

static void print_choice(struct json_writer *w, const char *words, int place)
{
	struct span rest = span_of(words), word = {0};

	while (place-- >= 0)
		span_next(&rest, '|', &word);
	json_string(w, word);
}

static void print_list(struct json_writer *w, const char *list)
{
	struct span rest = span_of(list), item;

	json_open(w, '[');
	while (span_next(&rest, ',', &item))
		json_string(w, item);
	json_close(w, ']');
}

static void print_decimal(struct json_writer *w, uint64_t thousandths)
{
	char text[32];
	int n = text_print(text, sizeof(text), "%llu.%03llu",
	    (unsigned long long)thousandths / 1000, (unsigned long long)thousandths % 1000);

	while (n > 0 && text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	json_raw_value(w, (struct span){text, (size_t)n});
}

static void print_services(struct json_writer *w, const struct settings *settings, bool plain)
{
	struct config_services at = {0};
	struct config_service service;

	json_open(w, '[');
	while (config_next_service(settings, &at, &service)) {
		struct span url = plain ? service.url : span_of(CONFIG_MASK);

		json_print(w, "{ name %s url %.*s enabled %d }", service.name, JSON_SPAN(url),
		    service.enabled);
	}
	json_close(w, ']');
}

static void print_number(struct json_writer *w, unsigned type, uint64_t number)
{
	if (number == CONFIG_UNSET)
		json_null(w);
	else if (type == TYPE_DURATION)
		json_seconds(w, number);
	else if (type == TYPE_NUMBER)
		json_number(w, (int64_t)number);
	else
		print_decimal(w, number);
}

static void print_value(struct json_writer *w, const struct settings *settings,
    const struct config_setting *s, bool plain)
{
	const char *field = config_field(settings, s);
	uint64_t number;
	int choice;

	switch ((enum config_type)s->type) {
	case TYPE_BOOLEAN:
		json_bool_value(w, *(const bool *)field);
		return;
	case TYPE_CHOICE:
		memcpy(&choice, field, sizeof(choice));
		print_choice(w, config_text(s, CONFIG_WORDS), choice);
		return;
	case TYPE_DURATION:
	case TYPE_NUMBER:
	case TYPE_DECIMAL:
		memcpy(&number, field, sizeof(number));
		print_number(w, s->type, number);
		return;
	case TYPE_LIST:
		print_list(w, config_words(settings, s));
		return;
	case TYPE_SERVICES:
		print_services(w, settings, plain);
		return;
	case TYPE_TEXT:
	case TYPE_STORM:
	case TYPE_VERSION:
		break;
	}
	json_cstring(w, config_words(settings, s));
}

static bool is_inside(const char *member, const char *section)
{
	size_t n = strlen(section);

	return !strncmp(member, section, n) && member[n] == '.';
}

static bool has_changed(const struct settings *settings, const char *section)
{
	for (size_t i = 0; i < config_count; i++)
		if (settings->changed[i] &&
		    is_inside(config_text(&config_table[i], CONFIG_MEMBER), section))
			return true;
	return false;
}

/* changed: only what was, and secrets as they are. */
static void print_section(
    struct json_writer *w, const struct settings *settings, const char *section, bool changed)
{
	size_t n = strlen(section);

	json_open(w, '{');
	for (size_t i = 0; i < config_count; i++) {
		const char *member = config_text(&config_table[i], CONFIG_MEMBER);

		if (!is_inside(member, section) || strchr(member + n + 1, '.') ||
		    (changed && !settings->changed[i]))
			continue;
		json_key(w, member + n + 1);
		print_value(w, settings, &config_table[i], changed);
	}
	if (!strcmp(section, "restart") && (!changed || has_changed(settings, "restart.backoff"))) {
		json_key(w, "backoff");
		print_section(w, settings, "restart.backoff", changed);
	}
	json_close(w, '}');
}

void config_print_section(struct json_writer *w, const struct settings *s, const char *section)
{
	print_section(w, s, section, false);
}

static void print_sections(struct json_writer *w, const struct settings *settings, bool changed)
{
	for (const char *s = sections; *s; s += strlen(s) + 1) {
		if (changed && !has_changed(settings, s))
			continue;
		json_key(w, s);
		print_section(w, settings, s, changed);
	}
}

static void print_locked(struct json_writer *w, const struct settings *settings)
{
	json_print(w, "locked [");
	for (size_t i = 0; i < config_count; i++) {
		const char *member = config_text(&config_table[i], CONFIG_MEMBER);

		if (*member && config_locks(settings, i))
			json_cstring(w, member);
	}
	json_close(w, ']');
}

void config_print(
    const struct settings *settings, struct buf *out, struct span containers, struct span checks)
{
	struct json_writer w;

	json_start(&w, out);
	json_open(&w, '{');
	print_sections(&w, settings, false);
	json_key(&w, "containers");
	json_raw_value(&w, containers);
	json_key(&w, "custom_health_checks");
	json_raw_value(&w, checks);
	print_locked(&w, settings);
	json_close(&w, '}');
}

void config_print_changed(struct json_writer *w, const struct settings *kept)
{
	print_sections(w, kept, true);
}
