/* test_config_json.c - what config_json.h promises: every member of the table can be changed within its bounds, whole or
 * not at all; what the environment sets is locked; what was printed can be read back; secrets stay where they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config_json.h"
#include "config_parts.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct config config;
static struct config_draft draft;
static char names[CONFIG_NAMES_MAX];
static char warnings[8][512];
static size_t warned;

static void warn(const char *sentence)
{
	if (warned < COUNT(warnings))
		snprintf(warnings[warned], sizeof(warnings[0]), "%s", sentence);
	warned++;
}

static jsmntok_t tokens[8192];
static struct json json;

static void parse(const char *text)
{
	size_t at;

	if (!json_valid(span_of(text), &at))
		fail_msg("no JSON at %zu: %.200s", at, text);
	assert_int_equal(json_parse(&json, span_of(text), tokens, COUNT(tokens)), 0);
}

static void forget(void)
{
	config_free(&config);
}

/* The environment: "NAME=VALUE" texts, NULL at the end. */
static void begin(char *const *environment)
{
	char error[256];

	warned = 0;
	assert_int_equal(config_init(&config, environment, error, sizeof(error), warn), 0);
}

static void begin_plain(void)
{
	begin((char *[]){NULL});
}

/* Takes it, and returns the status: 200 when it holds now. */
static int take(enum config_source source, const char *section, const char *text)
{
	int status = 200;

	parse(text);
	if (config_draft(&draft, &config, source, &json, section, warn))
		config_commit(&config, &draft, names);
	else
		status = draft.status;
	config_drop(&draft);
	return status;
}

static int put(const char *text)
{
	return take(CONFIG_PUT, "", text);
}

static void assert_refused(const char *text, int status, const char *member)
{
	struct config before = config;
	int got = put(text);

	if (got != status || strcmp(draft.member, member))
		fail_msg("%.300s: %d at '%s' (%s)", text, got, draft.member, draft.error);
	assert_memory_equal(&before, &config, sizeof(config));
}

static struct buf printed;
static jsmntok_t printed_tokens[2048];
static struct json answer;

static const char *print(void)
{
	buf_free(&printed);
	buf_init(&printed, 1 << 20);
	config_print(&config.now, &printed, span_of("{\"selected\":[]}"), span_of("[]"));
	assert_false(printed.failed);
	assert_int_equal(json_parse(&answer, (struct span){printed.p, printed.n}, printed_tokens,
			     COUNT(printed_tokens)),
	    0);
	buf_add(&printed, "", 1);
	return printed.p;
}

static struct buf file;

static char *print_file(void)
{
	struct json_writer w;

	buf_free(&file);
	buf_init(&file, 1 << 20);
	json_start(&w, &file);
	json_print(&w, "{ autoheal %u", 1u);
	config_print_changed(&w, &config.kept);
	json_close(&w, '}');
	buf_add(&file, "", 1);
	assert_false(file.failed);
	return file.p;
}

static void assert_member(const char *member, const char *expected)
{
	struct span raw;
	int token;

	print();
	token = json_get(&answer, 0, member);
	raw = json_raw(&answer, token);
	if (json_is_string(&answer, token) ? !json_is(&answer, token, expected)
					   : !span_is(raw, expected))
		fail_msg("%s is %.*s, not %s", member, (int)raw.n, raw.p, expected);
}

static int teardown(void **state)
{
	(void)state;
	forget();
	buf_free(&printed);
	buf_free(&file);
	return 0;
}

/* {"a":{"b":VALUE}} of a.b */
static const char *nested(const char *member, const char *value)
{
	static char text[20000];
	char path[CONFIG_MEMBER_MAX], closing[8] = "";
	size_t n = 0;
	char *rest = path, *part;

	snprintf(path, sizeof(path), "%s", member);
	while ((part = strsep(&rest, "."))) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "{\"%s\":", part);
		strcat(closing, "}");
	}
	snprintf(text + n, sizeof(text) - n, "%s%s", value, closing);
	return text;
}

/* ---- every member ---------------------------------------------------------------------------- */

struct row {
	const char *member;
	const char *good[4]; /* that print as they were given; the first is not the default */
	const char *bad[8];
};

#define NO_TEXT "1", "null", "true", "[]", "{}", "\"\""
#define NO_NUMBER "\"5\"", "null", "true", "[]", "{}", "-1"
#define NO_BOOL "\"true\"", "null", "1", "[]", "{}", "0"

static const struct row rows[] = {
    {"monitor.label_key", {"\"heal\"", "\"a b\"", "\"\xC3\xA4\""}, {NO_TEXT, "\"a\\nb\"", "\" a\""}},
    {"monitor.label_value", {"\"yes\"", "\"1\""}, {NO_TEXT, "\"\\u0001\"", "\"a\\u007f\""}},
    {"monitor.include_all", {"true", "false"}, {NO_BOOL}},
    {"monitor.interval_seconds", {"1", "2678400", "1.5"}, {NO_NUMBER, "0", "2678401"}},
    {"monitor.start_period_seconds", {"7", "0", "316224000"}, {NO_NUMBER, "316224001", "1e3"}},
    {"restart.mode", {"\"health\"", "\"on-failure\"", "\"both\""}, {NO_TEXT, "\"all\""}},
    {"restart.cooldown_seconds", {"0", "0.001", "90"}, {NO_NUMBER, "0.0001", "316224001"}},
    {"restart.max_restarts", {"0", "64"}, {NO_NUMBER, "65", "1.5"}},
    {"restart.max_restarts_window_seconds", {"1", "2678400"}, {NO_NUMBER, "0.5", "2678401"}},
    {"restart.backoff.enabled", {"false", "true"}, {NO_BOOL}},
    {"restart.backoff.initial_seconds", {"0", "2678400"}, {NO_NUMBER, "2678401"}},
    {"restart.backoff.multiplier", {"1.0", "100.0", "1.125"}, {NO_NUMBER, "0.999", "100.001"}},
    {"restart.backoff.max_seconds", {"0", "2678400"}, {NO_NUMBER, "2678401"}},
    {"restart.recovery_timeout_seconds", {"1", "2678400"}, {NO_NUMBER, "0", "2678401"}},
    {"restart.quarantine_retry_seconds", {"0", "316224000"}, {NO_NUMBER, "99999999999999999999"}},
    {"restart.unhealthy_for_seconds", {"5", "316224000"}, {NO_NUMBER, "316224001"}},
    {"restart.stop_timeout_seconds", {"5", "0", "null"},
	{"\"5\"", "true", "[]", "{}", "-1", "2678401"}},
    {"restart.dependents", {"false", "true"}, {NO_BOOL}},
    {"restart.max_parallel", {"1", "256"}, {NO_NUMBER, "0", "257"}},
    {"restart.storm", {"\"off\"", "\"1%\"", "\"100%\""}, {NO_TEXT, "\"101%\"", "\"0%\""}},
    {"restart.dry_run", {"true", "false"}, {NO_BOOL}},
    {"filters.whitelist_names", {"[\"a\",\"b-*\"]", "[]"},
	{"\"a\"", "null", "{}", "[1]", "[\"a,b\"]", "[\"\"]", "[\" a\"]", "[\"a\\tb\"]"}},
    {"filters.blacklist_names", {"[\"x\"]", "[]"}, {"\"a\"", "null", "[null]", "[[\"a\"]]"}},
    {"filters.projects", {"[\"shop\"]", "[]"}, {"\"a\"", "null", "[true]"}},
    {"observability.log_level", {"\"DEBUG\"", "\"ERROR\"", "\"INFO\""},
	{NO_TEXT, "\"LOUD\"", "\"TRACE\""}},
    {"observability.log_format", {"\"json\"", "\"text\""}, {NO_TEXT, "\"xml\""}},
    {"notifications.event_filters",
	{"[\"restart\"]", "[\"all\"]", "[]", "[\"storm\",\"quarantine\"]"},
	{"\"all\"", "null", "[1]", "[\"nothing\"]", "[\"restart\",\"x\"]", "[\"restart,storm\"]"}},
    {"notifications.services", {"[{\"name\":\"a\",\"url\":\"***\",\"enabled\":true}]", "[]"},
	{"null", "{}", "\"https://x\"", "[1]", "[{}]", "[{\"name\":\"z\"}]",
	    "[{\"name\":\"z\",\"url\":\"***\"}]"}},
};

static void test_every_member_of_the_table_is_among_these(void **state)
{
	size_t members = 0;

	(void)state;
	for (size_t i = 0; i < config_count; i++) {
		const char *member = config_text(&config_table[i], CONFIG_MEMBER);
		size_t k = 0;

		if (!*member)
			continue;
		members++;
		while (k < COUNT(rows) && strcmp(rows[k].member, member))
			k++;
		if (k == COUNT(rows))
			fail_msg("%s is not tested", member);
	}
	assert_int_equal(members, COUNT(rows));
}

/* What is set prints as it was given, is stored, and read back after a restart. */
static void test_every_member_can_be_set(void **state)
{
	static const char service[] =
	    "{\"notifications\":{\"services\":[{\"name\":\"a\",\"url\":\"https://h/p\"}]}}";
	char value[256], *stored;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		begin_plain();
		if (!strcmp(rows[i].member, "notifications.services"))
			assert_int_equal(put(service), 200);
		for (size_t k = 0; k < COUNT(rows[i].good) && rows[i].good[k]; k++) {
			const char *good = rows[i].good[k];
			size_t n = strlen(good);

			if (put(nested(rows[i].member, good)) != 200)
				fail_msg("%s: %s: %s", rows[i].member, good, draft.error);
			snprintf(value, sizeof(value), "%s", good);
			if (good[0] == '"') {
				value[n - 1] = 0;
				memmove(value, value + 1, n - 1);
			}
			assert_member(rows[i].member, value);
			stored = strdup(print_file());
			forget();
			begin_plain();
			assert_int_equal(take(CONFIG_STORED, "", stored), 200);
			assert_int_equal(warned, 0);
			assert_member(rows[i].member, value);
			free(stored);
		}
		forget();
	}
}

static void test_the_first_change_is_named_and_the_same_once_more_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i + 1 < COUNT(rows); i++) {
		begin_plain();
		assert_int_equal(put(nested(rows[i].member, rows[i].good[0])), 200);
		assert_string_equal(names, rows[i].member);
		assert_int_equal(put(nested(rows[i].member, rows[i].good[0])), 200);
		assert_string_equal(names, "");
		forget();
	}
}

static void test_what_is_wrong_is_named_and_nothing_changes(void **state)
{
	static const char first[] = "{\"restart\":{\"max_restarts\":9,\"cooldown_seconds\":1,"
				    "\"backoff\":{\"initial_seconds\":3,\"max_seconds\":\"x\"}},"
				    "\"filters\":{\"projects\":[\"a\"]}}";

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t k = 0; k < COUNT(rows[i].bad) && rows[i].bad[k]; k++) {
			const char *bad = rows[i].bad[k];
			int status = put(nested(rows[i].member, bad));

			if (status != 422 ||
			    strncmp(draft.member, rows[i].member, strlen(rows[i].member)))
				fail_msg(
				    "%s: %s: %d at %s", rows[i].member, bad, status, draft.member);
		}
	assert_refused(first, 422, "restart.backoff.max_seconds");
	assert_string_equal(print_file(), "{\"autoheal\":1}");
}

/* config.json is a person's to mend: each wrong value is told with its member, and the others hold. */
static void test_a_wrong_value_in_the_file_is_a_warning_and_the_others_hold(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(
	    take(CONFIG_STORED, "",
		"{\"autoheal\":1,\"restart\":{\"cooldown_seconds\":\"soon\",\"max_restarts\":7},"
		"\"monitor\":[],\"later\":{\"x\":1},\"filters\":{\"whitelist_names\":[\"a\"]},"
		"\"notifications\":{\"services\":[{\"name\":\"a\",\"url\":\"discord://x\"},"
		"{\"name\":\"b\",\"url\":\"https://h/s3cret\"}]}}"),
	    200);
	assert_int_equal(warned, 4);
	assert_non_null(strstr(warnings[0], "restart.cooldown_seconds must be a number of seconds"));
	assert_non_null(strstr(warnings[1], "monitor must be an object"));
	assert_non_null(strstr(warnings[2], "later is no member"));
	assert_non_null(
	    strstr(warnings[3], "notifications.services[0] has a url that cannot be used"));
	assert_null(strstr(warnings[3], "discord://x"));
	assert_member("restart.cooldown_seconds", "60");
	assert_member("restart.max_restarts", "7");
	assert_member("filters.whitelist_names", "[\"a\"]");
	assert_member(
	    "notifications.services", "[{\"name\":\"b\",\"url\":\"***\",\"enabled\":true}]");
}

/* ---- members and sections -------------------------------------------------------------------- */

static void test_what_is_no_member_is_refused(void **state)
{
	static const struct {
		const char *text, *member;
	} tries[] = {
	    {"{\"x\":1}", "x"},
	    {"{\"restart\":{\"cooldown_second\":1}}", "restart.cooldown_second"},
	    {"{\"restart\":{\"backoff\":{\"x\":1}}}", "restart.backoff.x"},
	    {"{\"restart.cooldown_seconds\":5}", "restart.cooldown_seconds"},
	    {"{\"restart\":{\"backoff.enabled\":false}}", "restart.backoff.enabled"},
	    {"{\"restart\":{\"mode\\u0000\":\"health\"}}", "restart.mode\xEF\xBF\xBD"},
	    {"{\"\":1}", ""},
	    {"{\"restart\":{\"\":1}}", "restart."},
	    {"{\"restart\":5}", "restart"},
	    {"{\"restart\":null}", "restart"},
	    {"{\"restart\":{\"backoff\":true}}", "restart.backoff"},
	    {"{\"containers\":[]}", "containers"},
	    {"{\"containers\":{\"selected\":\"a\"}}", "containers.selected"},
	    {"{\"containers\":{\"excluded\":[1]}}", "containers.excluded"},
	    {"{\"containers\":{\"x\":1}}", "containers.x"},
	    {"{\"custom_health_checks\":{}}", "custom_health_checks"},
	    /* never to be set from outside */
	    {"{\"docker_host\":\"unix:///x\"}", "docker_host"},
	    {"{\"DOCKER_HOST\":\"unix:///x\"}", "DOCKER_HOST"},
	    {"{\"restart\":{\"post_restart_script\":\"/x\"}}", "restart.post_restart_script"},
	    {"{\"observability\":{\"data_dir\":\"/x\"}}", "observability.data_dir"},
	    {"{\"alerts\":{\"webhook\":\"https://x\"}}", "alerts"},
	    {"[]", ""},
	    {"5", ""},
	};

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(tries); i++)
		assert_refused(tries[i].text, 422, tries[i].member);
}

static void test_read_only_members_are_passed_over(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(put("{\"locked\":5,\"autoheal\":1,\"custom_health_checks\":[],"
			     "\"containers\":{\"restart_counts\":[],\"selected_by\":{\"a\":\"x\"}}}"),
	    200);
	assert_string_equal(names, "");
}

static void test_a_section_stands_for_itself(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(
	    take(CONFIG_PUT, "restart", "{\"cooldown_seconds\":5,\"backoff\":{\"multiplier\":3}}"),
	    200);
	assert_string_equal(names, "restart.cooldown_seconds, restart.backoff.multiplier");
	assert_int_equal(take(CONFIG_PUT, "restart", "{\"interval_seconds\":5}"), 422);
	assert_string_equal(draft.member, "restart.interval_seconds");
	assert_int_equal(take(CONFIG_PUT, "monitor", "[]"), 422);
	assert_string_equal(draft.member, "monitor");
	assert_true(config_is_section(span_of("monitor")));
	assert_false(config_is_section(span_of("restart.backoff")));
	assert_false(config_is_section(span_of("")));
}

static void test_the_choices_of_people_are_handed_on(void **state)
{
	int element = -1;

	(void)state;
	begin_plain();
	parse("{\"containers\":{\"selected\":[\"a\",\"b\"],\"excluded\":[]}}");
	assert_true(config_draft(&draft, &config, CONFIG_PUT, &json, "", NULL));
	assert_true(json_next_element(&json, draft.selected, &element));
	assert_true(json_is(&json, element, "a"));
	assert_true(json_is_array(&json, draft.excluded));
	config_drop(&draft);
	parse("{}");
	assert_true(config_draft(&draft, &config, CONFIG_PUT, &json, "", NULL));
	assert_int_equal(draft.selected, -1);
	assert_int_equal(draft.excluded, -1);
	config_drop(&draft);
}

static void test_what_was_printed_can_be_sent_back(void **state)
{
	char *whole;

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(rows) - 1; i++)
		assert_int_equal(put(nested(rows[i].member, rows[i].good[0])), 200);
	assert_int_equal(
	    put("{\"notifications\":{\"services\":[{\"name\":\"a\",\"url\":\"https://h/s3cret\","
		"\"enabled\":false}]}}"),
	    200);
	whole = strdup(print());
	assert_int_equal(put(whole), 200);
	assert_string_equal(names, "");
	assert_int_equal(take(CONFIG_IMPORT, "", whole), 200);
	assert_string_equal(names, "");
	/* and on another one, where the secrets are not */
	forget();
	begin_plain();
	parse(whole);
	assert_true(config_draft(&draft, &config, CONFIG_IMPORT, &json, "", NULL));
	assert_int_equal(draft.ignored.n, strlen("\"notifications.services[0]\""));
	config_commit(&config, &draft, names);
	config_drop(&draft);
	assert_member("notifications.services", "[]");
	assert_member("restart.backoff.multiplier", "1.0");
	free(whole);
}

/* ---- what follows from several --------------------------------------------------------------- */

static void test_include_all_and_the_word_all(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(put("{\"monitor\":{\"include_all\":true,\"label_key\":\"heal\"}}"), 200);
	assert_true(config_watches_all(&config.now));
	assert_string_equal(config_label(&config.now), "heal");
	assert_int_equal(config.now.mode, MODE_HEALTH);
	assert_int_equal(put("{\"monitor\":{\"include_all\":false}}"), 200);
	assert_int_equal(config.now.mode, MODE_BOTH);
	assert_string_equal(config_label(&config.now), "heal");
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"all\"}}"), 200);
	assert_true(config_watches_all(&config.now));
	assert_string_equal(config_label(&config.now), "autoheal");
	assert_member("monitor.include_all", "true");
	/* as a form sends it: everything that it shows, with the one switch off */
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"all\",\"include_all\":false}}"), 200);
	assert_false(config_watches_all(&config.now));
	assert_member("monitor.label_key", "autoheal");
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"all\",\"include_all\":false}}"), 200);
	assert_true(config_watches_all(&config.now)); /* nothing but the label was changed */
}

static void test_a_mode_that_was_set_stays_with_include_all(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(put("{\"restart\":{\"mode\":\"on-failure\"}}"), 200);
	assert_true(config_mode_is_set(&config.now));
	assert_int_equal(put("{\"monitor\":{\"include_all\":true}}"), 200);
	assert_int_equal(config.now.mode, MODE_ON_FAILURE);
}

/* ---- the environment counts first ------------------------------------------------------------ */

static void test_a_locked_member_takes_its_present_value_only(void **state)
{
	(void)state;
	begin((char *[]){"AUTOHEAL_COOLDOWN=90s", "AUTOHEAL_INCLUDE=a , b", "AUTOHEAL_DRY_RUN=no",
	    "AUTOHEAL_RESTART_MODE=Both", "AUTOHEAL_CONTAINER_LABEL=all", NULL});
	assert_int_equal(
	    put("{\"restart\":{\"cooldown_seconds\":90,\"dry_run\":false,\"mode\":\"both\"},"
		"\"filters\":{\"whitelist_names\":[\"a\",\"b\"]},\"monitor\":{\"include_all\":true,"
		"\"label_key\":\"all\"}}"),
	    200);
	assert_string_equal(names, "");
	assert_refused("{\"restart\":{\"cooldown_seconds\":91}}", 409, "restart.cooldown_seconds");
	assert_non_null(strstr(draft.error, "AUTOHEAL_COOLDOWN "));
	assert_refused("{\"filters\":{\"whitelist_names\":[\"a\"]}}", 409, "filters.whitelist_names");
	assert_refused("{\"restart\":{\"dry_run\":true}}", 409, "restart.dry_run");
	assert_refused("{\"monitor\":{\"include_all\":false}}", 409, "monitor.include_all");
	assert_non_null(strstr(draft.error, "AUTOHEAL_CONTAINER_LABEL "));
	/* what cannot be is that, locked or not */
	assert_refused("{\"restart\":{\"cooldown_seconds\":-1}}", 422, "restart.cooldown_seconds");
	assert_refused("{\"restart\":{\"max_restarts\":9,\"cooldown_seconds\":1}}", 409,
	    "restart.cooldown_seconds");
}

/* What the file says of a member that the environment sets comes back when that sets it no more. */
static void test_what_the_environment_hides_is_kept(void **state)
{
	char *stored;

	(void)state;
	begin((char *[]){"AUTOHEAL_COOLDOWN=5", "AUTOHEAL_NOTIFY=https://e/x", NULL});
	assert_int_equal(take(CONFIG_STORED, "",
			     "{\"restart\":{\"cooldown_seconds\":7},\"notifications\":{\"services\":"
			     "[{\"name\":\"https\",\"url\":\"https://h/p\",\"enabled\":true}]}}"),
	    200);
	assert_int_equal(warned, 0);
	assert_int_equal(config.now.cooldown, 5000);
	assert_string_equal(config.now.notify, "https://e/x");
	assert_int_equal(put("{\"restart\":{\"max_restarts\":9}}"), 200);
	stored = strdup(print_file());
	forget();
	begin_plain();
	assert_int_equal(take(CONFIG_STORED, "", stored), 200);
	assert_int_equal(config.now.cooldown, 7000);
	assert_int_equal(config.now.max_restarts, 9);
	assert_member(
	    "notifications.services", "[{\"name\":\"https\",\"url\":\"***\",\"enabled\":true}]");
	free(stored);
}

/* ---- services -------------------------------------------------------------------------------- */

#define SERVICES(list) "{\"notifications\":{\"services\":[" list "]}}"
#define ONE(name, url) "{\"name\":\"" name "\",\"url\":\"" url "\"}"

static void assert_services(const char *const *urls, size_t count)
{
	struct config_services at = {0};
	struct config_service service;
	size_t n = 0;

	while (config_next_service(&config.now, &at, &service)) {
		assert_true(n < count);
		if (!span_is(service.url, urls[n]))
			fail_msg("%s: %.*s, not %s", service.name, (int)service.url.n,
			    service.url.p, urls[n]);
		n++;
	}
	assert_int_equal(n, count);
}

static void test_a_masked_url_keeps_the_stored_one(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(
	    put(SERVICES(ONE("a", "https://h/one") "," ONE("b", "discord://tok@1"))), 200);
	assert_true(draft.targets);
	assert_int_equal(put(SERVICES(ONE("b", "***") "," ONE("c", "https://h/three"))), 200);
	assert_services((const char *[]){"discord://tok@1", "https://h/three"}, 2);
	assert_int_equal(put(SERVICES(ONE("b", "***") "," ONE("c", "***"))), 200);
	assert_false(draft.targets);
	assert_string_equal(names, "");
	assert_int_equal(put("{\"notifications\":{\"services\":[" ONE(
			     "b", "***") ",{\"enabled\":false,\"name\":\"c\","
					 "\"url\":\"***\"}]}}"),
	    200);
	assert_true(draft.targets);
	assert_non_null(strstr(print_file(), "\"url\":\"https://h/three\",\"enabled\":false"));
	assert_null(strstr(print(), "three"));
	assert_null(strstr(print(), "tok"));
	assert_refused(SERVICES(ONE("z", "***")), 422, "notifications.services[0]");
}

static void test_a_service_that_cannot_be_is_refused(void **state)
{
	static const char *const tries[] = {ONE("a", "ftp://x/"), ONE("a", "discord://x"),
	    ONE("a", "https://"), ONE("a", "no url"), ONE("a", "https://h/\\u0001"), ONE("a", ""),
	    ONE("", "https://h/"), "{\"name\":\"a\"}", "{\"url\":\"https://h/\"}", "5", "null",
	    "[]", "{\"name\":5,\"url\":\"https://h/\"}", "{\"name\":\"a\",\"url\":5}",
	    "{\"name\":\"a\",\"url\":\"https://h/\",\"enabled\":1}",
	    "{\"name\":\"a\",\"url\":\"https://h/\",\"enabled\":\"true\"}",
	    ONE("a\\tb", "https://h/"),
	    ONE("0123456789012345678901234567890123456789012345678901234567890123", "https://h/")};
	char text[512];

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(tries); i++) {
		snprintf(text, sizeof(text), SERVICES("%s"), tries[i]);
		assert_refused(text, 422, "notifications.services[0]");
	}
	assert_refused(SERVICES(ONE("a", "https://h/") "," ONE("a", "https://i/")), 422,
	    "notifications.services[1]");
}

static void test_services_are_counted(void **state)
{
	char text[8192] = "{\"notifications\":{\"services\":[";

	(void)state;
	begin((char *[]){"WEBHOOK_URL=http://h/", NULL});
	for (int i = 0; i < 15; i++)
		sprintf(text + strlen(text), "%s" ONE("n%d", "https://h/"), i ? "," : "", i);
	strcat(text, "]}}");
	assert_int_equal(put(text), 200);
	text[strlen(text) - 3] = 0;
	strcat(text, "," ONE("more", "https://h/") "]}}");
	assert_refused(text, 422, "notifications.services");
	text[strlen(text) - 3] = 0;
	strcat(text, "," ONE("and more", "https://h/") "]}}");
	assert_refused(text, 422, "notifications.services");
	assert_refused(SERVICES(ONE("t",
			   "telegram://1:x@telegram?chats=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16")),
	    422, "notifications.services");
	/* a disabled one takes no place */
	assert_int_equal(
	    put(SERVICES("{\"name\":\"t\",\"enabled\":false,\"url\":\"telegram://1:x@telegram?chats="
			 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16\"}")),
	    200);
}

static void test_services_of_the_environment(void **state)
{
	(void)state;
	begin((char *[]){"WEBHOOK_URL=http://h/w", "APPRISE_URL=http://h/a", NULL});
	assert_services((const char *[]){"http://h/w", "http://h/a"}, 2);
	/* others beside them; they need not be named, and may be as they are */
	assert_int_equal(put(SERVICES(ONE("a", "https://h/one"))), 200);
	assert_services((const char *[]){"https://h/one", "http://h/w", "http://h/a"}, 3);
	assert_int_equal(put(print()), 200);
	assert_string_equal(names, "");
	assert_int_equal(put(SERVICES(ONE("webhook", "http://h/w"))), 200);
	assert_services((const char *[]){"http://h/w", "http://h/a"}, 2);
	assert_refused(SERVICES(ONE("webhook", "http://h/x")), 409, "notifications.services[0]");
	assert_non_null(strstr(draft.error, "WEBHOOK_URL "));
	assert_refused(SERVICES("{\"name\":\"apprise-url\",\"url\":\"***\",\"enabled\":false}"),
	    409, "notifications.services[0]");
	assert_non_null(strstr(draft.error, "APPRISE_URL "));
	forget();

	begin((char *[]){"AUTOHEAL_NOTIFY=https://h/1 discord://a@1,https://h/2", NULL});
	assert_non_null(strstr(print(), "\"name\":\"https-2\""));
	assert_int_equal(put(print()), 200);
	assert_string_equal(names, "");
	assert_refused(SERVICES(""), 409, "notifications.services");
	assert_refused(SERVICES(ONE("https", "***")), 409, "notifications.services");
	assert_refused(SERVICES(ONE("https", "***") "," ONE("discord", "***") "," ONE(
			   "https-2", "***") "," ONE("new", "https://h/")),
	    409, "notifications.services[3]");
	assert_refused(SERVICES(ONE("https", "https://h/x")), 409, "notifications.services[0]");
}

/* ---- docker-autoheal's file ------------------------------------------------------------------ */

static const char python[] =
    "{\"monitor\":{\"interval_seconds\":45,\"label_key\":\"heal\",\"label_value\":\"yes\",\"include_all\":false},"
    "\"containers\":{\"selected\":[\"web\"],\"excluded\":[\"db\"],\"restart_counts\":{\"web\":3}},"
    "\"restart\":{\"mode\":\"on-failure\",\"cooldown_seconds\":61,\"max_restarts\":4,"
    "\"max_restarts_window_seconds\":601,\"backoff\":{\"enabled\":true,\"initial_seconds\":11,\"multiplier\":2.5},"
    "\"respect_manual_stop\":true},\"filters\":{\"whitelist_names\":[\"a\"],\"blacklist_names\":[\"b\"]},"
    "\"ui\":{\"enable\":true,\"listen_port\":3131},"
    "\"alerts\":{\"enabled\":true,\"webhook\":\"https://h/s3cret\",\"notify_on_quarantine\":true},"
    "\"observability\":{\"prometheus_enabled\":true,\"metrics_port\":9090,\"log_level\":\"DEBUG\"},"
    "\"uptime_kuma\":{\"enabled\":false},\"custom_health_checks\":[]}";

static void test_the_file_of_docker_autoheal(void **state)
{
	(void)state;
	begin_plain();
	parse(python);
	assert_true(config_draft(&draft, &config, CONFIG_IMPORT, &json, "", NULL));
	buf_add(&draft.ignored, "", 1);
	assert_string_equal(draft.ignored.p,
	    "\"restart.respect_manual_stop\",\"ui\",\"alerts.notify_on_quarantine\","
	    "\"observability.prometheus_enabled\",\"observability.metrics_port\",\"uptime_kuma\"");
	assert_true(draft.targets);
	assert_true(json_is_array(&json, draft.checks));
	config_commit(&config, &draft, names);
	config_drop(&draft);
	assert_member("restart.backoff.multiplier", "2.5");
	assert_member("monitor.interval_seconds", "45");
	assert_member("observability.log_level", "DEBUG");
	assert_services((const char *[]){"https://h/s3cret"}, 1);
	assert_non_null(strstr(print(), "{\"name\":\"alerts\",\"url\":\"***\",\"enabled\":true}"));
	/* once more is nothing new, and another service stays */
	assert_int_equal(take(CONFIG_IMPORT, "", python), 200);
	assert_string_equal(names, "");
	assert_int_equal(put(SERVICES(ONE("x", "https://h/x") "," ONE("alerts", "***"))), 200);
	assert_int_equal(take(CONFIG_IMPORT, "",
			     "{\"alerts\":{\"enabled\":false,\"webhook\":\"https://h/new\"}}"),
	    200);
	assert_services((const char *[]){"https://h/x", "https://h/new"}, 2);
	assert_non_null(strstr(print(), "\"alerts\",\"url\":\"***\",\"enabled\":false"));
}

static void test_alerts_that_are_none(void **state)
{
	static char full[4096];
	static const char *const none[] = {"{\"alerts\":{\"webhook\":null}}",
	    "{\"alerts\":{\"enabled\":true,\"webhook\":\"\"}}", "{\"alerts\":5}", "{\"alerts\":{}}"};

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(none); i++) {
		assert_int_equal(take(CONFIG_IMPORT, "", none[i]), 200);
		assert_string_equal(names, "");
	}
	assert_int_equal(take(CONFIG_IMPORT, "", "{\"alerts\":{\"webhook\":\"ftp://s3cret\"}}"), 422);
	assert_string_equal(draft.member, "alerts.webhook");
	assert_null(strstr(draft.error, "s3cret"));
	forget();
	begin((char *[]){"AUTOHEAL_NOTIFY=https://e/x", NULL});
	parse("{\"alerts\":{\"webhook\":\"https://h/s3cret\"}}");
	assert_true(config_draft(&draft, &config, CONFIG_IMPORT, &json, "", NULL));
	assert_int_equal(draft.ignored.n, strlen("\"alerts.webhook\""));
	config_drop(&draft);
	/* no place is left for it, even where the others are off */
	forget();
	begin_plain();
	strcpy(full, "{\"notifications\":{\"services\":[");
	for (int i = 0; i < CONFIG_SERVICES_MAX; i++)
		sprintf(full + strlen(full),
		    "%s{\"name\":\"n%d\",\"url\":\"https://h/\",\"enabled\":false}", i ? "," : "", i);
	strcat(full, "]}}");
	assert_int_equal(put(full), 200);
	assert_int_equal(take(CONFIG_IMPORT, "", "{\"alerts\":{\"webhook\":\"https://h/\"}}"), 422);
	assert_string_equal(draft.member, "notifications.services");
}

/* ---- sizes ------------------------------------------------------------------------------------- */

static void test_sizes_have_bounds(void **state)
{
	static char text[60000], many[1000000];
	char *p;

	(void)state;
	begin_plain();
	/* a label of 255 bytes, and one more */
	p = text + sprintf(text, "{\"monitor\":{\"label_key\":\"");
	memset(p, 'a', 256);
	strcpy(p + 255, "\"}}");
	assert_int_equal(put(text), 200);
	assert_int_equal(strlen(config.now.label), 255);
	p[255] = 'a';
	strcpy(p + 256, "\"}}");
	assert_refused(text, 422, "monitor.label_key");
	/* a list that is too long in all, one item that is */
	p = text + sprintf(text, "{\"filters\":{\"projects\":[");
	for (int i = 0; i < 910; i++)
		p += sprintf(p, "%s\"project%c\"", i ? "," : "", 'a' + i % 26);
	strcpy(p, "]}}");
	assert_int_equal(put(text), 200);
	strcpy(p, ",\"projectx\",\"projectx\"]}}");
	assert_refused(text, 422, "filters.projects");
	/* a member as long as that, and thousands of unknown ones */
	memset(text, 'k', 5000);
	memcpy(text, "{\"", 2);
	strcpy(text + 5000, "\":1}");
	parse(text);
	assert_false(config_draft(&draft, &config, CONFIG_PUT, &json, "", NULL));
	assert_int_equal(draft.status, 422);
	config_drop(&draft);
	p = text + sprintf(text, "{");
	for (int i = 0; i < 3000; i++)
		p += sprintf(p, "%s\"k\\u0001%d\":{}", i ? "," : "", i);
	strcpy(p, "}");
	parse(text);
	assert_true(config_draft(&draft, &config, CONFIG_IMPORT, &json, "", NULL));
	assert_false(draft.ignored.failed);
	config_drop(&draft);
	/* and so many that not all are named */
	json.tokens = malloc(sizeof(tokens[0]) * 130000);
	p = many + sprintf(many, "{\"observability\":{");
	for (int i = 0; i < 60000; i++)
		p += sprintf(p, "%s\"kkkkkkkkkk\":1", i ? "," : "");
	strcpy(p, "}}");
	assert_int_equal(json_parse(&json, span_of(many), json.tokens, 130000), 0);
	assert_true(config_draft(&draft, &config, CONFIG_IMPORT, &json, "", NULL));
	assert_true(!draft.ignored.failed && draft.ignored.n > 100000);
	free(json.tokens);
	config_drop(&draft);
}

static void test_the_names_of_all_members_fit(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(
	    put("{\"monitor\":{\"interval_seconds\":9,\"label_key\":\"x\",\"label_value\":\"x\","
		"\"include_all\":true,\"start_period_seconds\":9},\"filters\":{\"whitelist_names\":[\"a\"],"
		"\"blacklist_names\":[\"a\"],\"projects\":[\"a\"]},\"restart\":{\"mode\":\"on-failure\","
		"\"cooldown_seconds\":9,\"max_restarts\":9,\"max_restarts_window_seconds\":9,"
		"\"recovery_timeout_seconds\":9,\"quarantine_retry_seconds\":9,"
		"\"unhealthy_for_seconds\":9,\"stop_timeout_seconds\":9,\"dependents\":false,"
		"\"max_parallel\":9,\"storm\":\"off\",\"dry_run\":true,\"backoff\":{\"enabled\":false,"
		"\"initial_seconds\":9,\"multiplier\":9,\"max_seconds\":9}}}"),
	    200);
	assert_true(strlen(names) < CONFIG_NAMES_MAX);
	assert_non_null(strstr(names, "monitor.label_key, "));
}

/* What is said outright holds, also where it is what follows by itself before the body, and would not afterwards. */
static void test_what_is_said_holds(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(
	    put("{\"monitor\":{\"include_all\":true},\"restart\":{\"mode\":\"both\"}}"), 200);
	assert_string_equal(names, "monitor.include_all, restart.mode");
	assert_true(config.now.include_all && config.now.mode == MODE_BOTH);
	forget();
	begin_plain();
	assert_int_equal(put("{\"monitor\":{\"include_all\":true}}"), 200);
	assert_int_equal(config.now.mode, MODE_HEALTH);
	assert_int_equal(
	    put("{\"restart\":{\"mode\":\"health\"},\"monitor\":{\"include_all\":false}}"), 200);
	assert_true(!config.now.include_all && config.now.mode == MODE_HEALTH);
	forget();
	/* all, which the label says, stays when it is said beside another label */
	begin_plain();
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"all\"}}"), 200);
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"x\",\"include_all\":true}}"), 200);
	assert_true(config.now.include_all);
	forget();
	/* and cannot be off beside that one: nor is it later */
	begin_plain();
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"all\",\"include_all\":false}}"), 200);
	assert_int_equal(put("{\"restart\":{\"cooldown_seconds\":9}}"), 200);
	assert_string_equal(config.now.label, "all");
	assert_true(config.now.include_all);
}

/* A character of several bytes behind the last that fits is no reason to cut in silence. */
static void test_nothing_is_cut(void **state)
{
	static const char *const ends[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x90\x8B", "\\u00e9"};
	char text[600];

	(void)state;
	begin_plain();
	for (size_t i = 0; i < COUNT(ends); i++)
		for (int n = 250; n < 257; n++) {
			size_t size = i < 3 ? strlen(ends[i]) : 2;

			memset(text, 'a', sizeof(text));
			memcpy(text, "{\"label_key\":\"", 14);
			sprintf(text + 14 + n, "%s\"}", ends[i]);
			assert_int_equal(take(CONFIG_PUT, "monitor", text),
			    (size_t)n + size <= CONFIG_WORD_MAX ? 200 : 422);
		}
}

/* A stored service that has the name of one which the environment gives meanwhile is hidden by it. */
static void test_the_environment_hides_a_service(void **state)
{
	static const char stored[] = "{\"autoheal\":1,\"notifications\":{\"services\":[" ONE(
	    "webhook", "https://h/one") "," ONE("a", "https://h/two") "," ONE("apprise-url",
	    "https://h/three") "]}}";

	(void)state;
	begin((char *[]){"WEBHOOK_URL=http://h/w", NULL});
	assert_int_equal(take(CONFIG_STORED, "", stored), 200);
	assert_services((const char *[]){"https://h/two", "https://h/three", "http://h/w"}, 3);
	assert_int_equal(put(print()), 200);
	assert_services((const char *[]){"https://h/two", "https://h/three", "http://h/w"}, 3);
}

/* The same member twice in one object: the last one counts, and nothing is lost on the way. */
static void test_a_member_twice(void **state)
{
	(void)state;
	begin_plain();
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"one\",\"label_key\":\"two\"}}"), 200);
	assert_string_equal(config.now.label, "two");
	/* also where it is what there is */
	assert_int_equal(put("{\"monitor\":{\"label_key\":\"one\",\"label_key\":\"two\"}}"), 200);
	assert_string_equal(config.now.label, "two");
	assert_string_equal(names, "");
	assert_int_equal(put("{\"restart\":{\"cooldown_seconds\":90,\"cooldown_seconds\":60}}"), 200);
	assert_string_equal(names, "");
	assert_int_equal(config.now.cooldown, 60000);
	assert_int_equal(
	    put("{\"notifications\":{\"services\":[" ONE("a", "https://h/") "],\"services\":[]}}"),
	    200);
	assert_services(NULL, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_every_member_of_the_table_is_among_these),
	    T(test_every_member_can_be_set),
	    T(test_the_first_change_is_named_and_the_same_once_more_is_none),
	    T(test_what_is_wrong_is_named_and_nothing_changes),
	    T(test_a_wrong_value_in_the_file_is_a_warning_and_the_others_hold),
	    T(test_what_is_no_member_is_refused),
	    T(test_read_only_members_are_passed_over),
	    T(test_a_section_stands_for_itself),
	    T(test_the_choices_of_people_are_handed_on),
	    T(test_what_was_printed_can_be_sent_back),
	    T(test_include_all_and_the_word_all),
	    T(test_a_mode_that_was_set_stays_with_include_all),
	    T(test_a_locked_member_takes_its_present_value_only),
	    T(test_what_the_environment_hides_is_kept),
	    T(test_a_masked_url_keeps_the_stored_one),
	    T(test_a_service_that_cannot_be_is_refused),
	    T(test_services_are_counted),
	    T(test_services_of_the_environment),
	    T(test_the_file_of_docker_autoheal),
	    T(test_alerts_that_are_none),
	    T(test_sizes_have_bounds),
	    T(test_the_names_of_all_members_fit),
	    T(test_what_is_said_holds),
	    T(test_nothing_is_cut),
	    T(test_the_environment_hides_a_service),
	    T(test_a_member_twice),
	};

	return cmocka_run_group_tests_name("config_json", tests, NULL, NULL);
}
