/* config.c - the table of settings, and their reading from the environment, of config.h. */
#include "config_parts.h"

enum { GROUP_ENGINES, GROUP_SELECTION, GROUP_POLICY, GROUP_API, GROUP_NOTICES, GROUP_COUNT };

static const char *const group_names[GROUP_COUNT] = {
    "Engines", "Selection", "Policy", "API and log", "Notices"};

#define TEXTS(name, fallback, member, words) name "\0" fallback "\0" member "\0" words

#define AT(field) offsetof(struct settings, field)
#define SECONDS 1000u
#define WHOLE_MONTH (31 * 24 * 3600 * SECONDS)

const struct config_setting config_table[] = {
    {TEXTS("DOCKER_HOST", "", "", ""), AT(docker_host), TYPE_TEXT, GROUP_ENGINES, 0, 0},
    {TEXTS("DOCKER_TLS_VERIFY", "false", "", ""), AT(tls_verify), TYPE_BOOLEAN, GROUP_ENGINES, 0, 0},
    {TEXTS("DOCKER_CERT_PATH", "/certs", "", ""), AT(cert_path), TYPE_TEXT, GROUP_ENGINES, 0, 0},
    {TEXTS("DOCKER_API_VERSION", "", "", ""), AT(api_version), TYPE_VERSION, GROUP_ENGINES, 0, 0},
    {TEXTS("AUTOHEAL_HOSTS", "", "", ""), AT(hosts), TYPE_TEXT, GROUP_ENGINES, 0, 0},
    {TEXTS("AUTOHEAL_HOST_NAME", "local", "", ""), AT(host_name), TYPE_TEXT, GROUP_ENGINES, 0, 0},
    {TEXTS("DOCKER_SOCK", "", "", ""), AT(docker_sock), TYPE_TEXT, GROUP_ENGINES, 0, 0},
    {TEXTS("CURL_TIMEOUT", "30", "", ""), AT(curl_timeout), TYPE_DURATION, GROUP_ENGINES, 1,
	WHOLE_MONTH},

    {TEXTS("AUTOHEAL_CONTAINER_LABEL", "autoheal", "monitor.label_key", ""), AT(label), TYPE_TEXT,
	GROUP_SELECTION, 0, 0},
    {TEXTS("AUTOHEAL_LABEL_VALUE", "true", "monitor.label_value", ""), AT(label_value), TYPE_TEXT,
	GROUP_SELECTION, 0, 0},
    /* no variable of its own: AUTOHEAL_CONTAINER_LABEL=all says it */
    {TEXTS("", "false", "monitor.include_all", ""), AT(include_all), TYPE_BOOLEAN, GROUP_SELECTION,
	0, 0},
    {TEXTS("AUTOHEAL_INCLUDE", "", "filters.whitelist_names", ""), AT(include), TYPE_LIST,
	GROUP_SELECTION, 0, 0},
    {TEXTS("AUTOHEAL_EXCLUDE", "", "filters.blacklist_names", ""), AT(exclude), TYPE_LIST,
	GROUP_SELECTION, 0, 0},
    {TEXTS("AUTOHEAL_PROJECT", "", "filters.projects", ""), AT(projects), TYPE_LIST,
	GROUP_SELECTION, 0, 0},
    {TEXTS("AUTOHEAL_SWARM_TASKS", "false", "", ""), AT(swarm_tasks), TYPE_BOOLEAN, GROUP_SELECTION,
	0, 0},

    {TEXTS("AUTOHEAL_RESTART_MODE", "both", "restart.mode", "health|on-failure|both"), AT(mode),
	TYPE_CHOICE, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_START_PERIOD", "0", "monitor.start_period_seconds", ""), AT(start_period),
	TYPE_DURATION, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_INTERVAL", "30", "monitor.interval_seconds", ""), AT(interval), TYPE_DURATION,
	GROUP_POLICY, 1, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_DEFAULT_STOP_TIMEOUT", "", "restart.stop_timeout_seconds", ""),
	AT(stop_timeout), TYPE_DURATION, GROUP_POLICY, 0, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_UNHEALTHY_FOR", "0", "restart.unhealthy_for_seconds", ""), AT(unhealthy_for),
	TYPE_DURATION, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_COOLDOWN", "60", "restart.cooldown_seconds", ""), AT(cooldown), TYPE_DURATION,
	GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_MAX_RESTARTS", "3", "restart.max_restarts", ""), AT(max_restarts), TYPE_NUMBER,
	GROUP_POLICY, 0, CONFIG_RESTARTS_MAX},
    {TEXTS("AUTOHEAL_RESTART_WINDOW", "600", "restart.max_restarts_window_seconds", ""),
	AT(restart_window), TYPE_DURATION, GROUP_POLICY, 1, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_BACKOFF", "true", "restart.backoff.enabled", ""), AT(backoff), TYPE_BOOLEAN,
	GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_BACKOFF_INITIAL", "10", "restart.backoff.initial_seconds", ""),
	AT(backoff_initial), TYPE_DURATION, GROUP_POLICY, 0, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_BACKOFF_MULTIPLIER", "2", "restart.backoff.multiplier", ""),
	AT(backoff_multiplier), TYPE_DECIMAL, GROUP_POLICY, 1, 100000},
    {TEXTS("AUTOHEAL_BACKOFF_MAX", "300", "restart.backoff.max_seconds", ""), AT(backoff_max),
	TYPE_DURATION, GROUP_POLICY, 0, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_RECOVERY_TIMEOUT", "120", "restart.recovery_timeout_seconds", ""),
	AT(recovery_timeout), TYPE_DURATION, GROUP_POLICY, 1, WHOLE_MONTH},
    {TEXTS("AUTOHEAL_QUARANTINE_RETRY", "1h", "restart.quarantine_retry_seconds", ""),
	AT(quarantine_retry), TYPE_DURATION, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_DEPENDENTS", "true", "restart.dependents", ""), AT(dependents), TYPE_BOOLEAN,
	GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_MAX_PARALLEL", "32", "restart.max_parallel", ""), AT(max_parallel),
	TYPE_NUMBER, GROUP_POLICY, 1, 256},
    {TEXTS("AUTOHEAL_STORM", "50%", "restart.storm", ""), AT(storm), TYPE_STORM, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_DRAIN", "8", "", ""), AT(drain), TYPE_DURATION, GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_DRY_RUN", "false", "restart.dry_run", ""), AT(dry_run), TYPE_BOOLEAN,
	GROUP_POLICY, 0, 0},
    {TEXTS("AUTOHEAL_ONLY_MONITOR_RUNNING", "true", "", ""), AT(only_running), TYPE_BOOLEAN,
	GROUP_POLICY, 0, 0},

    {TEXTS("AUTOHEAL_LISTEN", "127.0.0.1:8080", "", ""), AT(listen), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_API_TOKEN", "", "", ""), AT(api_token), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_API_TOKEN_FILE", "", "", ""), AT(api_token_file), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_API_WRITES", "token", "", "token|open"), AT(writes_open), TYPE_CHOICE,
	GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_API_READS", "safe", "", "safe|token|open"), AT(reads), TYPE_CHOICE, GROUP_API,
	0, 0},
    {TEXTS("AUTOHEAL_API_HOSTS", "", "", ""), AT(api_hosts), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_EVENTS", "1000", "", ""), AT(events), TYPE_NUMBER, GROUP_API, 1, 100000},
    {TEXTS("AUTOHEAL_INSTANCE", "", "", ""), AT(instance), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_LOG_LEVEL", "INFO", "observability.log_level", "DEBUG|INFO|WARNING|ERROR"),
	AT(log_level), TYPE_CHOICE, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_LOG_FORMAT", "text", "observability.log_format", "text|json"), AT(log_format),
	TYPE_CHOICE, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_DATA_DIR", "", "", ""), AT(data_dir), TYPE_TEXT, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_SANDBOX", "true", "", ""), AT(sandbox), TYPE_BOOLEAN, GROUP_API, 0, 0},
    {TEXTS("AUTOHEAL_NOTIFY", "", "notifications.services", ""), AT(notify), TYPE_SERVICES,
	GROUP_NOTICES, 0, 0},
    {TEXTS("AUTOHEAL_NOTIFY_EVENTS",
	 "restart,recovered,not_recovered,quarantine,auto_unquarantine,stranded,crash_loop,storm,"
	 "engine_lost",
	 "notifications.event_filters", ""),
	AT(notify_events), TYPE_LIST, GROUP_NOTICES, 0, 0},
    {TEXTS("WEBHOOK_URL", "", "", ""), AT(webhook_url), TYPE_TEXT, GROUP_NOTICES, 0, 0},
    {TEXTS("WEBHOOK_JSON_KEY", "text", "", ""), AT(webhook_json_key), TYPE_TEXT, GROUP_NOTICES, 0, 0},
    {TEXTS("APPRISE_URL", "", "", ""), AT(apprise_url), TYPE_TEXT, GROUP_NOTICES, 0, 0},
    {TEXTS("AUTOHEAL_HEARTBEAT_URL", "", "", ""), AT(heartbeat_url), TYPE_TEXT, GROUP_NOTICES, 0, 0},
    {TEXTS("AUTOHEAL_CA_FILE", "/etc/ssl/certs/ca-certificates.crt", "", ""), AT(ca_file),
	TYPE_TEXT, GROUP_NOTICES, 0, 0},
    {TEXTS("POST_RESTART_SCRIPT", "", "", ""), AT(post_restart_script), TYPE_TEXT, GROUP_NOTICES, 0,
	0},
};

#define SETTINGS (sizeof(config_table) / sizeof(config_table[0]))
const size_t config_count = SETTINGS;
_Static_assert(SETTINGS <= CONFIG_SETTINGS_MAX, "from_environment has a place for every setting");
/* writes_open is a choice of two, so that its place in the words is its truth */

const char *config_text(const struct config_setting *s, unsigned which)
{
	return text_nth(s->texts, which);
}

size_t config_size(const struct config_setting *s)
{
	return s->type == TYPE_BOOLEAN ? sizeof(bool)
	    : s->type == TYPE_CHOICE   ? sizeof(int)
				       : sizeof(uint64_t);
}
_Static_assert(sizeof(char *) == sizeof(uint64_t), "what is neither truth nor choice has one size");

bool config_is_text(const struct config_setting *s)
{
	return s->type == TYPE_TEXT || s->type == TYPE_LIST || s->type == TYPE_SERVICES ||
	    s->type == TYPE_STORM || s->type == TYPE_VERSION;
}

void config_describe(const struct config_setting *s, bool json, char *out, size_t cap)
{
	switch ((enum config_type)s->type) {
	case TYPE_BOOLEAN:
		text_print(out, cap, "true or false");
		return;
	case TYPE_DURATION:
		text_print(out, cap, "%s%s, at most %s",
		    json ? "a number of seconds" : "seconds or a time such as 90, 90s, 5m or 1h",
		    s->least ? ", at least 1 second" : "", s->most ? "31d" : "10 years");
		return;
	case TYPE_NUMBER:
		text_print(out, cap, "a whole number from %u to %u", s->least, s->most);
		return;
	case TYPE_DECIMAL:
		text_print(out, cap, "a number from %u to %u, such as 1.5", s->least, s->most / 1000);
		return;
	case TYPE_CHOICE:
		text_print(out, cap, "one of %s", config_text(s, CONFIG_WORDS));
		return;
	case TYPE_STORM:
		text_print(out, cap, "off, or a share of the watched containers such as 50%%");
		return;
	case TYPE_VERSION:
		text_print(out, cap, "an API version of the engine such as 1.43");
		return;
	case TYPE_LIST:
		text_print(out, cap,
		    "a list of texts without commas and control characters, together at most %d bytes",
		    CONFIG_TEXT_MAX);
		return;
	case TYPE_SERVICES:
		text_print(out, cap, "a list of {\"name\",\"url\",\"enabled\"}");
		return;
	case TYPE_TEXT:
		break;
	}
	text_print(out, cap, "a text of 1 to %d bytes without control characters", CONFIG_WORD_MAX);
}

/* "1.43" in its two numbers; nothing before, between or behind them. */
static bool read_dotted(struct span text, struct span *left, struct span *right)
{
	const char *dot = text.n ? memchr(text.p, '.', text.n) : NULL;

	*left = text;
	*right = (struct span){NULL, 0};
	if (!dot)
		return true;
	left->n = (size_t)(dot - text.p);
	*right = (struct span){dot + 1, text.n - left->n - 1};
	return left->n && right->n;
}

/* "2", "1.5" -> thousandths, at most three decimals. */
bool config_read_decimal(struct span text, uint64_t *out)
{
	struct span whole, decimals;
	uint64_t value, part = 0;
	uint64_t scale = 1000;

	if (!read_dotted(text, &whole, &decimals) ||
	    !text_number(whole, CONFIG_LONGEST / 1000, &value))
		return false;
	if (decimals.n > 3 || (decimals.n && !text_number(decimals, 999, &part)))
		return false;
	for (size_t i = 0; i < decimals.n; i++)
		scale /= 10;
	*out = value * 1000 + part * scale;
	return true;
}

static bool read_choice(struct span text, const char *words, int *out)
{
	struct span rest = span_of(words), word;
	int place = 0;

	while (span_next(&rest, '|', &word)) {
		char buffer[32];

		span_copy(word, buffer, sizeof(buffer));
		if (span_is_nocase(text, buffer)) {
			*out = place;
			return true;
		}
		place++;
	}
	return false;
}

/* In percent; 0 = off. */
static bool read_storm(struct span text, uint64_t *share)
{
	*share = 0;
	if (span_is_nocase(text, "off"))
		return true;
	if (text.n && text.p[text.n - 1] == '%')
		text.n--;
	return text_number(text, 100, share) && *share;
}

uint64_t config_storm_share(const struct settings *settings)
{
	uint64_t share;

	return read_storm(span_of(settings->storm), &share) ? share : 0;
}

static bool is_version(struct span text)
{
	struct span major, minor;
	uint64_t v;

	if (!text.n)
		return true;
	return read_dotted(text, &major, &minor) && minor.n && text_number(major, 9, &v) &&
	    text_number(minor, 999, &v);
}

bool config_in_bounds(const struct config_setting *s, uint64_t value)
{
	return value >= (s->type == TYPE_NUMBER ? s->least : s->least * 1000u) &&
	    value <= (s->most ? s->most : CONFIG_LONGEST);
}

/* The value is the field's text, and stays the environment's. */
bool config_read_value(struct settings *settings, const struct config_setting *s, const char *value)
{
	char *field = config_field(settings, s);
	struct span text = span_trim(span_of(value));
	uint64_t number = 0;
	bool truth;
	int choice;

	switch ((enum config_type)s->type) {
	case TYPE_STORM:
		if (!read_storm(
			span_of(value), &number)) /* kept as it stands, so blanks are not cut off */
			return false;
		break;
	case TYPE_VERSION:
		if (!is_version(span_of(value)))
			return false;
		break;
	case TYPE_TEXT:
	case TYPE_LIST:
	case TYPE_SERVICES:
		break;
	case TYPE_BOOLEAN:
		if (!text_boolean(text, &truth))
			return false;
		memcpy(field, &truth, sizeof(truth));
		return true;
	case TYPE_CHOICE:
		if (!read_choice(text, config_text(s, CONFIG_WORDS), &choice))
			return false;
		if (s->offset == AT(writes_open))
			settings->writes_open = choice == 1;
		else
			memcpy(field, &choice, sizeof(choice));
		return true;
	case TYPE_DURATION:
	case TYPE_NUMBER:
	case TYPE_DECIMAL:
		if (s->type == TYPE_DURATION     ? !text_duration(text, &number)
			: s->type == TYPE_NUMBER ? !text_number(text, UINT64_MAX, &number)
						 : !config_read_decimal(text, &number))
			return false;
		if (!config_in_bounds(s, number))
			return false;
		memcpy(field, &number, sizeof(number));
		return true;
	}
	memcpy(field, &value, sizeof(value));
	return true;
}

static const char *lookup(char *const *environment, const char *name)
{
	size_t n = strlen(name);

	for (; *environment; environment++)
		if (!strncmp(*environment, name, n) && (*environment)[n] == '=')
			return *environment + n + 1;
	return NULL;
}

static bool is_known(struct span name)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (span_is(name, config_table[i].texts))
			return true;
	return false;
}

static void warn_of_names(char *const *environment, void (*warn)(const char *))
{
	char sentence[256];

	for (; *environment; environment++) {
		const char *end = strchr(*environment, '=');
		struct span name = {*environment, end ? (size_t)(end - *environment) : 0};

		if (!span_starts(name, "AUTOHEAL_") || is_known(name))
			continue;
		text_print(sentence, sizeof(sentence),
		    "%.*s is no setting of autoheal; `autoheal --help` names them all",
		    (int)(name.n < 80 ? name.n : 80), name.p);
		warn(sentence);
	}
}

static size_t place_of(size_t offset)
{
	size_t i = 0;

	while (config_table[i].offset != offset)
		i++;
	return i;
}

bool config_mode_is_set(const struct settings *s)
{
	size_t mode = place_of(AT(mode));

	return s->from_environment[mode] || s->changed[mode];
}

void config_settle(struct settings *s)
{
	s->include_all |= !strcmp(s->label, CONFIG_ALL);
	/* nobody wants every one-shot job of the host started again */
	if (!config_mode_is_set(s))
		s->mode = s->include_all ? MODE_HEALTH : MODE_BOTH;
}

int config_read(struct settings *settings, char *const *environment, char *error, size_t error_size,
    void (*warn)(const char *))
{
	*settings = (struct settings){.stop_timeout = CONFIG_UNSET};
	for (size_t i = 0; i < SETTINGS; i++) {
		const struct config_setting *s = &config_table[i];
		const char *value = lookup(environment, s->texts),
			   *fallback = config_text(s, CONFIG_FALLBACK);
		char accepted[128], shown[96];

		if (fallback[0] || config_is_text(s))
			config_read_value(settings, s, fallback);
		if (!s->texts[0] || !value || !span_trim(span_of(value)).n)
			continue;
		if (!config_read_value(settings, s, value)) {
			config_describe(s, false, accepted, sizeof(accepted));
			text_escape(span_of(value), shown, sizeof(shown));
			text_print(error, error_size, "%s is '%s', but must be %s", s->texts, shown,
			    accepted);
			return -1;
		}
		settings->from_environment[i] = true;
	}
	config_settle(settings);
	warn_of_names(environment, warn);
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct span config_scheme(struct span target)
{
	size_t n = 0;

	while (n < target.n && ((target.p[n] | 32) >= 'a' && (target.p[n] | 32) <= 'z'))
		n++;
	return (struct span){target.p, n + 3 <= target.n && !memcmp(target.p + n, "://", 3) ? n : 0};
}

bool config_next_target(struct span *rest, struct span *target)
{
	size_t n = 0;

	while (rest->n && (is_space(*rest->p) || *rest->p == ','))
		*rest = (struct span){rest->p + 1, rest->n - 1};
	while (n < rest->n && !is_space(rest->p[n]) &&
	    (rest->p[n] != ',' || !config_scheme((struct span){rest->p + n + 1, rest->n - n - 1}).n))
		n++;
	*target = (struct span){rest->p, n};
	*rest = (struct span){rest->p + n, rest->n - n};
	return n > 0;
}

bool config_watches_all(const struct settings *s)
{
	return s->include_all;
}

const char *config_label(const struct settings *s)
{
	return strcmp(s->label, CONFIG_ALL) ? s->label : "autoheal";
}

const char *config_locks(const struct settings *s, size_t place)
{
	if (config_table[place].offset == AT(include_all))
		place = place_of(AT(label));
	return s->from_environment[place] ? config_table[place].texts : NULL;
}

/* How many of the targets before it have the same scheme. */
static unsigned namesakes(struct span before, struct span scheme)
{
	struct span target;
	unsigned n = 0;

	while (config_next_target(&before, &target))
		n += span_equal(config_scheme(target), scheme);
	return n;
}

static void given_service(struct config_service *out, const char *variable, struct span name,
    struct span url, unsigned same)
{
	char number[12] = "";

	if (same)
		text_print(number, sizeof(number), "-%u", same + 1);
	text_print(out->name, sizeof(out->name), "%.*s%s", (int)name.n, name.p, number);
	out->url = url;
	out->enabled = true;
	out->variable = variable;
}

#define WEBHOOK "webhook"
#define APPRISE "apprise-url"

bool config_next_service(
    const struct settings *s, struct config_services *at, struct config_service *out)
{
	const char *given = config_locks(s, place_of(AT(notify)));
	const char *list = s->notify;
	struct span line, name;

	if (!at->rest.p)
		at->rest = span_of(list);
	if (given && config_next_target(&at->rest, &out->url)) {
		name = config_scheme(out->url);
		given_service(out, given, name, out->url,
		    namesakes((struct span){list, (size_t)(out->url.p - list)}, name));
		return true;
	}
	while (!given && span_next(&at->rest, '\n', &line)) {
		span_next(&line, '\t', &name);
		/* the environment's own of this name counts first */
		if ((s->webhook_url[0] && span_is(name, WEBHOOK)) ||
		    (s->apprise_url[0] && span_is(name, APPRISE)))
			continue;
		span_next(&line, '\t', &out->url);
		span_copy(name, out->name, sizeof(out->name));
		out->enabled = line.n && *line.p == '1';
		out->variable = NULL;
		return true;
	}
	while (at->single < 2) {
		const char *url = at->single++ ? s->apprise_url : s->webhook_url;

		if (!url[0])
			continue;
		if (at->single == 1)
			given_service(out, "WEBHOOK_URL", span_of(WEBHOOK), span_of(url), 0);
		else
			given_service(out, "APPRISE_URL", span_of(APPRISE), span_of(url), 0);
		return true;
	}
	return false;
}

bool config_find_service(const struct settings *s, struct span name, struct config_service *out)
{
	struct config_services at = {0};

	while (config_next_service(s, &at, out))
		if (span_is(name, out->name))
			return true;
	return false;
}

void config_help(struct buf *out)
{
	for (int group = 0; group < GROUP_COUNT; group++) {
		size_t column = 0;

		buf_print(out, "%s:\n", group_names[group]);
		for (size_t i = 0; i < SETTINGS; i++) {
			size_t n = strlen(config_table[i].texts);

			if (!n || config_table[i].group != group)
				continue;
			if (column && column + n + 1 > 78) {
				buf_add_text(out, "\n");
				column = 0;
			}
			buf_print(out, "%s%s", column ? " " : "  ", config_table[i].texts);
			column += n + (column ? 1 : 2);
		}
		buf_add_text(out, "\n");
	}
}
