/* test_watch.c - what watch.h promises: labels read exactly, the order of the rules, and the name
 * that lasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buf.h"
#include "config.h"
#include "json.h"
#include "watch.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

static struct settings settings;
static struct watch_labels labels;

static void ignore(const char *sentence)
{
	(void)sentence;
}

static void settings_of(char *const *environment)
{
	char error[256];

	if (config_read(&settings, environment, error, sizeof(error), ignore))
		fail_msg("%s", error);
}

static int defaults(void **state)
{
	(void)state;
	settings_of((char *[]){NULL});
	return 0;
}

/* Reads the labels out of an object of JSON, which lies on the heap so that the sanitizer sees a
 * read beyond it. */
static void read_text(const char *text)
{
	static jsmntok_t tokens[2048];
	size_t n = strlen(text);
	char *copy = malloc(n);
	struct json j;

	assert_non_null(copy);
	memmove(copy, text, n);
	if (json_parse(&j, (struct span){copy, n}, tokens, COUNT(tokens)))
		fail_msg("not JSON: %s", text);
	memset(&labels, 0xA5, sizeof(labels));
	watch_read_labels(&labels, &settings, &j, 0);
	free(copy);
}

static void read_label(const char *key, const char *value)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"%s\":\"%s\"}", key, value);
	read_text(text);
}

/* ---- the label itself ------------------------------------------------------------------------ */

static void test_the_label_is_read_exactly(void **state)
{
	static const struct {
		const char *text;
		enum watch_label expected;
	} rows[] = {
	    {"{}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal\":\"true\"}", WATCH_LABEL_YES},
	    {"{\"autoheal\":\"false\"}", WATCH_LABEL_FALSE},
	    /* near misses of the value */
	    {"{\"autoheal\":\"True\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"TRUE\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"true \"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\" true\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"true\\n\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"true\\u0000\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"\\\"true\\\"\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"truex\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"tru\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"1\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"yes\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"False\"}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":\"0\"}", WATCH_LABEL_OTHER},
	    /* near misses of the name */
	    {"{\"Autoheal\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"AUTOHEAL\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal \":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"auto-heal\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"autohea\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal.\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal\\u0000\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"com.autoheal\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"\":\"true\"}", WATCH_LABEL_ABSENT},
	    /* escapes are spelling, not meaning */
	    {"{\"\\u0061utoheal\":\"tr\\u0075e\"}", WATCH_LABEL_YES},
	    {"{\"autoheal\":\"f\\u0061lse\"}", WATCH_LABEL_FALSE},
	    /* what Docker never sends: labels that are no strings */
	    {"{\"autoheal\":true}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":null}", WATCH_LABEL_OTHER},
	    {"{\"autoheal\":{\"true\":\"true\"}}", WATCH_LABEL_OTHER},
	    {"{\"x\":{\"autoheal\":\"true\"}}", WATCH_LABEL_ABSENT},
	    {"{\"x\":[\"autoheal\",\"true\"]}", WATCH_LABEL_ABSENT},
	    {"{\"x\":\"autoheal\",\"y\":\"true\"}", WATCH_LABEL_ABSENT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_text(rows[i].text);
		if (labels.label != rows[i].expected)
			fail_msg("%s gave %d", rows[i].text, labels.label);
	}
}

static void test_another_label_and_value_may_be_wanted(void **state)
{
	static const struct {
		const char *text;
		enum watch_label expected;
	} rows[] = {
	    {"{\"heal.me\":\"please\"}", WATCH_LABEL_YES},
	    {"{\"heal.me\":\"Please\"}", WATCH_LABEL_OTHER},
	    {"{\"heal.me\":\"true\"}", WATCH_LABEL_OTHER},
	    {"{\"heal.me\":\"false\"}", WATCH_LABEL_FALSE},
	    {"{\"heal\":{\"me\":\"please\"}}", WATCH_LABEL_ABSENT}, /* a dot is no path here */
	    {"{\"autoheal\":\"true\"}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal\":\"please\"}", WATCH_LABEL_ABSENT},
	    {"{\"autoheal\":\"false\"}", WATCH_LABEL_FALSE},
	};

	(void)state;
	settings_of(
	    (char *[]){"AUTOHEAL_CONTAINER_LABEL=heal.me", "AUTOHEAL_LABEL_VALUE=please", NULL});
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_text(rows[i].text);
		if (labels.label != rows[i].expected)
			fail_msg("%s gave %d", rows[i].text, labels.label);
	}
}

/* `autoheal=false` stands before every yes, wherever it stands among the labels. */
static void test_a_no_beats_another_wanted_label_in_any_order(void **state)
{
	(void)state;
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=heal", NULL});
	read_text("{\"heal\":\"true\",\"autoheal\":\"false\"}");
	assert_int_equal(labels.label, WATCH_LABEL_FALSE);
	read_text("{\"autoheal\":\"false\",\"heal\":\"true\"}");
	assert_int_equal(labels.label, WATCH_LABEL_FALSE);
}

static void test_the_wanted_label_keeps_its_own_meaning(void **state)
{
	(void)state;
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=com.docker.compose.project",
	    "AUTOHEAL_LABEL_VALUE=shop", NULL});
	read_text("{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"web\"}");
	assert_int_equal(labels.label, WATCH_LABEL_YES);
	assert_string_equal(labels.project, "shop");
}

static void test_with_all_the_usual_label_still_says_no(void **state)
{
	(void)state;
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", NULL});
	read_text("{\"autoheal\":\"false\"}");
	assert_int_equal(labels.label, WATCH_LABEL_FALSE);
	read_text("{\"autoheal\":\"true\"}");
	assert_int_equal(labels.label, WATCH_LABEL_YES);
	read_text("{\"all\":\"true\"}");
	assert_int_equal(labels.label, WATCH_LABEL_ABSENT);
}

static void test_what_is_no_object_has_no_labels(void **state)
{
	static const char *const texts[] = {"null", "[]", "[\"autoheal\",\"true\"]", "\"autoheal\"",
	    "1", "true", "[{\"autoheal\":\"true\"}]"};
	struct json none = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		read_text(texts[i]);
		assert_int_equal(labels.label, WATCH_LABEL_ABSENT);
		assert_false(labels.has_own);
	}
	memset(&labels, 0xA5, sizeof(labels));
	watch_read_labels(&labels, &settings, &none, -1);
	assert_int_equal(labels.label, WATCH_LABEL_ABSENT);
	assert_int_equal(labels.own.cooldown, WATCH_UNSET);
	assert_string_equal(labels.project, "");
	assert_int_equal(labels.unreadable_count, 0);
}

/* ---- the container's own settings ------------------------------------------------------------ */

#define OWN(field) offsetof(struct label_settings, field)

static uint32_t own_at(size_t offset)
{
	uint32_t v;

	memcpy(&v, (const char *)&labels.own + offset, sizeof(v));
	return v;
}

static void test_own_labels_are_read(void **state)
{
	static const struct {
		const char *key, *value;
		size_t offset;
		uint32_t expected;
	} rows[] = {
	    {"autoheal.stop.timeout", "90", OWN(stop_timeout), 90},
	    {"autoheal.stop.timeout", "5m", OWN(stop_timeout), 300},
	    {"autoheal.stop.timeout", "0", OWN(stop_timeout), 0},
	    {"autoheal.stop.timeout", "-1", OWN(stop_timeout), WATCH_FOREVER},
	    {"autoheal.unhealthy.for", "90s", OWN(unhealthy_for), 90000},
	    {"autoheal.unhealthy.for", "0", OWN(unhealthy_for), 0},
	    {"autoheal.start.period", "2h", OWN(start_period), 7200000},
	    {"autoheal.cooldown", "500ms", OWN(cooldown), 500},
	    {"autoheal.cooldown", "30d", OWN(cooldown), 2592000000},
	    {"autoheal.max.restarts", "5", OWN(max_restarts), 5},
	    {"autoheal.max.restarts", "0", OWN(max_restarts), 0},
	    {"autoheal.max.restarts", "64", OWN(max_restarts), 64},
	};
	static const size_t all[] = {OWN(stop_timeout), OWN(unhealthy_for), OWN(start_period),
	    OWN(cooldown), OWN(max_restarts)};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_label(rows[i].key, rows[i].value);
		for (size_t k = 0; k < COUNT(all); k++) {
			uint32_t expected = all[k] == rows[i].offset ? rows[i].expected : WATCH_UNSET;

			if (own_at(all[k]) != expected)
				fail_msg("%s=%s gave %u", rows[i].key, rows[i].value, own_at(all[k]));
		}
		assert_true(labels.has_own);
		assert_int_equal(labels.unreadable_count, 0);
		assert_int_equal(labels.label, WATCH_LABEL_ABSENT);
	}
}

static void test_the_name_of_an_outside_monitor_is_read(void **state)
{
	char longest[300] = "";

	(void)state;
	read_text("{}");
	assert_null(labels.own.monitor);
	read_label("autoheal.monitor", "Shop front");
	assert_string_equal(labels.own.monitor, "Shop front");
	assert_true(labels.has_own);
	assert_int_equal(labels.unreadable_count, 0);
	memset(longest, 'x', WATCH_NAME_MAX - 1);
	read_label("autoheal.monitor", longest);
	assert_string_equal(labels.own.monitor, longest);
	longest[WATCH_NAME_MAX - 1] = 'x';
	read_label("autoheal.monitor", longest);
	assert_null(labels.own.monitor);
	assert_int_equal(labels.unreadable_count, 1);
	read_label("autoheal.monitor", "");
	assert_null(labels.own.monitor);
	assert_int_equal(labels.unreadable_count, 1);
	assert_false(labels.has_own);
}

static void test_probes_are_read(void **state)
{
	(void)state;
	read_text("{}");
	assert_int_equal(labels.check.kind, CHECK_NONE);
	read_label("autoheal.check.http", ":8080/health?x=%20");
	assert_int_equal(labels.check.kind, CHECK_HTTP);
	assert_int_equal(labels.check.port, 8080);
	assert_int_equal(labels.check.status, 200);
	assert_string_equal(labels.check.what, "/health?x=%20");
	/* Docker's defaults */
	assert_int_equal(labels.check.interval, 30000);
	assert_int_equal(labels.check.timeout, 30000);
	assert_int_equal(labels.check.start_period, 0);
	assert_int_equal(labels.check.retries, 3);
	read_label("autoheal.check.http", ":65535");
	assert_int_equal(labels.check.port, 65535);
	assert_string_equal(labels.check.what, "/");
	read_label("autoheal.check.tcp", "5432");
	assert_int_equal(labels.check.kind, CHECK_TCP);
	assert_int_equal(labels.check.port, 5432);
	read_text(
	    "{\"autoheal.check.exec\":\"a 'b' \\\"c\\\" | d\",\"autoheal.check.interval\":\"1m\","
	    "\"autoheal.check.timeout\":\"500ms\",\"autoheal.check.retries\":\"5\","
	    "\"autoheal.check.start.period\":\"2h\"}");
	assert_int_equal(labels.check.kind, CHECK_EXEC);
	assert_string_equal(labels.check.what, "a 'b' \"c\" | d");
	assert_int_equal(labels.check.interval, 60000);
	assert_int_equal(labels.check.timeout, 500);
	assert_int_equal(labels.check.retries, 5);
	assert_int_equal(labels.check.start_period, 7200000);
	assert_int_equal(labels.unreadable_count, 0);
	assert_false(labels.check.several);
	/* Docker's 0 is its default */
	read_text("{\"autoheal.check.tcp\":\"1\",\"autoheal.check.interval\":\"0\","
		  "\"autoheal.check.timeout\":\"0s\",\"autoheal.check.retries\":\"0\"}");
	assert_int_equal(labels.check.interval, 30000);
	assert_int_equal(labels.check.timeout, 30000);
	assert_int_equal(labels.check.retries, 3);
	assert_int_equal(labels.unreadable_count, 0);
	/* a probe is no setting of what is done: such a container needs no record of these */
	assert_false(labels.has_own);
}

static void test_probes_that_make_no_sense_are_named(void **state)
{
	static const char *const rows[][2] = {
	    {"http", "http://example.com/"},
	    {"http", "example.com:80/"},
	    {"http", "//example.com/"},
	    {"http", "8080"},
	    {"http", ""},
	    {"http", ":"},
	    {"http", ":0/"},
	    {"http", ":65536/"},
	    {"http", ":80x/"},
	    {"http", ":80/a b"},
	    {"http", ":80/\\r\\nX: y"},
	    {"http", ":80/\\u00e9"},
	    {"http", ":80/\\u0000"},
	    {"tcp", ""},
	    {"tcp", "0"},
	    {"tcp", "65536"},
	    {"tcp", "db:5432"},
	    {"tcp", "1/2"},
	    {"tcp", "-1"},
	    {"exec", ""},
	    {"interval", "999ms"},
	    {"interval", "soon"},
	    {"timeout", "-1"},
	    {"retries", "1001"},
	    {"retries", "x"},
	    {"start.period", "1y"},
	};
	char key[64], longest[600];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(key, sizeof(key), "autoheal.check.%s", rows[i][0]);
		read_label(key, rows[i][1]);
		if (labels.unreadable_count != 1 || labels.check.kind != CHECK_NONE)
			fail_msg("%s=%s is taken", key, rows[i][1]);
		assert_memory_equal(labels.unreadable[0], key, strlen(key));
		assert_int_equal(labels.check.interval, 30000);
		assert_int_equal(labels.check.retries, 3);
	}
	/* a command that is cut could do anything */
	memset(longest, 'x', sizeof(longest));
	longest[511] = 0;
	read_label("autoheal.check.exec", longest);
	assert_int_equal(labels.check.kind, CHECK_NONE);
	longest[510] = 0;
	read_label("autoheal.check.exec", longest);
	assert_int_equal(labels.check.kind, CHECK_EXEC);
	assert_int_equal(strlen(labels.check.what), 510);
}

static void test_of_several_probes_the_first_counts(void **state)
{
	(void)state;
	read_text("{\"autoheal.check.exec\":\"x\",\"autoheal.check.http\":\":80/\"}");
	assert_int_equal(labels.check.kind, CHECK_EXEC);
	assert_string_equal(labels.check.what, "x");
	assert_true(labels.check.several);
	/* unless it cannot be read */
	read_text("{\"autoheal.check.http\":\"x\",\"autoheal.check.tcp\":\"80\"}");
	assert_int_equal(labels.check.kind, CHECK_TCP);
	assert_false(labels.check.several);
	assert_int_equal(labels.unreadable_count, 1);
}

static void test_switches_among_the_labels(void **state)
{
	static const char *const off[] = {"false", "0", "no", "off", "False"};
	static const char *const on[] = {"true", "1", "yes", "ON"};

	(void)state;
	for (size_t i = 0; i < COUNT(off); i++) {
		read_label("autoheal.monitor.enable", off[i]);
		assert_true(labels.monitor_off);
		assert_false(labels.own.no_restart);
		read_label("autoheal.restart.enable", off[i]);
		assert_true(labels.own.no_restart && labels.has_own);
		assert_false(labels.own.no_notices);
		read_label("autoheal.notify", off[i]);
		assert_true(labels.own.no_notices && labels.has_own);
		assert_false(labels.own.no_restart);
		assert_false(labels.monitor_off);
	}
	for (size_t i = 0; i < COUNT(on); i++) {
		read_label("autoheal.monitor.enable", on[i]);
		assert_false(labels.monitor_off);
		read_label("autoheal.restart.enable", on[i]);
		assert_false(labels.own.no_restart || labels.has_own);
		read_label("autoheal.notify", on[i]);
		assert_false(labels.own.no_notices || labels.has_own);
		assert_int_equal(labels.unreadable_count, 0);
	}
}

static void test_an_unreadable_label_is_named_and_the_default_holds(void **state)
{
	static const char *const rows[][2] = {{"autoheal.cooldown", "soon"},
	    {"autoheal.cooldown", ""}, {"autoheal.cooldown", "-1"}, {"autoheal.cooldown", "1.5"},
	    {"autoheal.cooldown", "4000d"}, {"autoheal.cooldown", "50d"},
	    {"autoheal.cooldown", "4294967295ms"}, {"autoheal.cooldown", "99999999999999999999"},
	    {"autoheal.stop.timeout", "-2"}, {"autoheal.stop.timeout", "never"},
	    {"autoheal.unhealthy.for", "true"}, {"autoheal.start.period", "1h30m"},
	    {"autoheal.max.restarts", "65"}, {"autoheal.max.restarts", "-1"},
	    {"autoheal.max.restarts", "many"}, {"autoheal.max.restarts", "4294967299"},
	    {"autoheal.monitor.enable", "maybe"}, {"autoheal.monitor.enable", ""},
	    {"autoheal.restart.enable", "never"}, {"autoheal.notify", "sometimes"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char expected[96];

		read_label(rows[i][0], rows[i][1]);
		snprintf(expected, sizeof(expected), "%s=%s", rows[i][0], rows[i][1]);
		if (labels.unreadable_count != 1)
			fail_msg("%s was read", expected);
		assert_string_equal(labels.unreadable[0], expected);
		assert_false(labels.has_own || labels.monitor_off || labels.own.no_restart);
		assert_int_equal(labels.own.stop_timeout, WATCH_UNSET);
		assert_int_equal(labels.own.unhealthy_for, WATCH_UNSET);
		assert_int_equal(labels.own.start_period, WATCH_UNSET);
		assert_int_equal(labels.own.cooldown, WATCH_UNSET);
		assert_int_equal(labels.own.max_restarts, WATCH_UNSET);
	}
}

static void test_every_unreadable_label_is_named_up_to_a_limit(void **state)
{
	char text[4096] = "{\"autoheal.cooldown\":\"";

	(void)state;
	read_text(
	    "{\"autoheal.cooldown\":\"soon\",\"autoheal\":\"true\",\"autoheal.max.restarts\":\"x\","
	    "\"autoheal.start.period\":\"5\",\"autoheal.restart.enable\":\"?\"}");
	assert_int_equal(labels.unreadable_count, 3);
	assert_string_equal(labels.unreadable[0], "autoheal.cooldown=soon");
	assert_string_equal(labels.unreadable[1], "autoheal.max.restarts=x");
	assert_string_equal(labels.unreadable[2], "autoheal.restart.enable=?");
	assert_int_equal(labels.own.start_period, 5000);
	assert_true(labels.has_own);

	memset(text + strlen(text), 'x', 500); /* a long value is cut */
	strcat(text, "\"");
	for (int i = 0; i < 30; i++)
		strcat(text, ",\"autoheal.cooldown\":\"bad\"");
	strcat(text, "}");
	read_text(text);
	assert_int_equal(labels.unreadable_count, WATCH_UNREADABLE_MAX);
	assert_true(strlen(labels.unreadable[0]) < sizeof(labels.unreadable[0]));
	assert_memory_equal(labels.unreadable[0], "autoheal.cooldown=xxxxxxxx", 26);
	assert_string_equal(labels.unreadable[WATCH_UNREADABLE_MAX - 1], "autoheal.cooldown=bad");
}

static void test_other_labels_of_that_kind_are_passed_over(void **state)
{
	(void)state;
	read_text("{\"autoheal.cooldown.x\":\"5\",\"autoheal.Cooldown\":\"5\",\"autoheal.cool\":\"5\","
		  "\"cooldown\":\"5\",\"my.autoheal.cooldown\":\"5\",\"autoheal_cooldown\":\"5\"}");
	assert_false(labels.has_own);
	assert_int_equal(labels.unreadable_count, 0);
	assert_int_equal(labels.own.cooldown, WATCH_UNSET);
}

/* ---- labels of others ------------------------------------------------------------------------ */

static void test_compose_and_swarm_labels_are_read(void **state)
{
	(void)state;
	read_text(
	    "{\"com.docker.compose.project\":\"shop\",\"com.docker.compose.service\":\"web\","
	    "\"com.docker.compose.container-number\":\"3\",\"com.docker.compose.oneoff\":\"False\","
	    "\"monitoring.id\":\"m\\u00e4x\"}");
	assert_string_equal(labels.project, "shop");
	assert_string_equal(labels.service, "web");
	assert_int_equal(labels.number, 3);
	assert_false(labels.one_off);
	assert_false(labels.swarm_task);
	assert_string_equal(labels.monitoring_id, "m\xC3\xA4x");
	read_text("{\"com.docker.compose.oneoff\":\"True\"}");
	assert_true(labels.one_off);
	read_text("{\"com.docker.compose.oneoff\":\"true\"}");
	assert_true(labels.one_off);
	read_text("{\"com.docker.compose.oneoff\":\"\"}");
	assert_false(labels.one_off);
	read_text("{\"com.docker.swarm.task.id\":\"x7k2\"}");
	assert_true(labels.swarm_task);
	read_text("{\"com.docker.swarm.task.name\":\"web.1\"}");
	assert_false(labels.swarm_task);
}

static void test_a_replica_number_that_is_none_is_unknown(void **state)
{
	static const char *const numbers[] = {
	    "", "x", "-1", "2x", " 2", "1000001", "18446744073709551618"};

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		read_label("com.docker.compose.container-number", numbers[i]);
		assert_int_equal(labels.number, 0);
	}
}

/* The labels of an event stand among what else the engine says of it. */
static void test_labels_among_the_attributes_of_an_event(void **state)
{
	static char text[60000];
	size_t n = (size_t)snprintf(
	    text, sizeof(text), "{\"execDuration\":\"5\",\"exitCode\":\"137\"");

	(void)state;
	for (int i = 0; i < 200; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n,
		    ",\"org.example.label-%d.\\\"quoted\\\"\":\"%0*d \\u00e9 \\n\"", i, i, i);
		if (i == 60)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
			    ",\"autoheal\":\"true\",\"autoheal.cooldown\":\"7\"");
		if (i == 120)
			n += (size_t)snprintf(
			    text + n, sizeof(text) - n, ",\"com.docker.compose.project\":\"shop\"");
	}
	snprintf(text + n, sizeof(text) - n,
	    ",\"com.docker.compose.service\":\"web\",\"image\":\"nginx\",\"name\":\"shop-web-1\"}");
	read_text(text);
	assert_int_equal(labels.label, WATCH_LABEL_YES);
	assert_int_equal(labels.own.cooldown, 7000);
	assert_string_equal(labels.project, "shop");
	assert_string_equal(labels.service, "web");
	assert_int_equal(labels.unreadable_count, 0);
}

static void test_labels_that_are_too_long_are_cut_not_mistaken(void **state)
{
	char text[2048], name[600];
	size_t n;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(text, sizeof(text), "{\"autoheal%s\":\"true\",\"autoheal.cooldown%s\":\"5\"}",
	    name, name);
	read_text(text);
	assert_int_equal(labels.label, WATCH_LABEL_ABSENT);
	assert_false(labels.has_own);
	snprintf(text, sizeof(text), "{\"autoheal\":\"true%s\"}", name);
	read_text(text);
	assert_int_equal(labels.label, WATCH_LABEL_OTHER);
	snprintf(text, sizeof(text),
	    "{\"monitoring.id\":\"%s\",\"com.docker.compose.project\":\"%s\","
	    "\"com.docker.compose.service\":\"%s\"}",
	    name, name, name);
	read_text(text);
	n = strlen(labels.monitoring_id);
	assert_true(n > 100 && n < sizeof(labels.monitoring_id));
	assert_true(strlen(labels.project) < sizeof(labels.project));
	assert_true(strlen(labels.service) < sizeof(labels.service));
}

/* ---- the name that lasts --------------------------------------------------------------------- */

static void test_stable_identities(void **state)
{
#define SHOP "\"com.docker.compose.project\":\"shop\""
#define WEB "\"com.docker.compose.service\":\"web\""
#define NUMBER(n) "\"com.docker.compose.container-number\":\"" n "\""
	static const struct {
		const char *text, *name, *host, *expected;
	} rows[] = {
	    {"{}", "my-app", NULL, "my-app"},
	    {"{}", "my-app", "", "my-app"},
	    {"{}", "my-app", "local", "my-app"},
	    {"{}", "my-app", "east", "east/my-app"},
	    {"{}", "my-app", "Local", "Local/my-app"},
	    {"{" SHOP "," WEB "}", "shop-web-1", NULL, "shop_web"},
	    {"{" SHOP "," WEB "," NUMBER("1") "}", "shop-web-1", NULL, "shop_web"},
	    {"{" NUMBER("1") "," WEB "," SHOP "}", "3f2a_shop-web-1", NULL, "shop_web"},
	    {"{" SHOP "," WEB "," NUMBER("2") "}", "shop-web-2", NULL, "shop_web_2"},
	    {"{" SHOP "," WEB "," NUMBER("11") "}", "shop-web-11", NULL, "shop_web_11"},
	    {"{" SHOP "," WEB "," NUMBER("0") "}", "shop-web-0", NULL, "shop_web"},
	    {"{" SHOP "," WEB "," NUMBER("x") "}", "shop-web-x", NULL, "shop_web"},
	    {"{" SHOP "," WEB "," NUMBER("2") "}", "shop-web-2", "east", "east/shop_web_2"},
	    {"{" SHOP "," WEB "}", "shop-web-1", "local", "shop_web"},
	    {"{" SHOP "}", "odd", NULL, "odd"},
	    {"{" WEB "," NUMBER("2") "}", "odd", NULL, "odd"},
	    {"{" NUMBER("2") "}", "odd", NULL, "odd"},
	    {"{\"monitoring.id\":\"front\"}", "my-app", NULL, "front"},
	    {"{\"monitoring.id\":\"front\"," SHOP "," WEB "," NUMBER("2") "}", "x", NULL, "front"},
	    {"{\"monitoring.id\":\"front\"}", "my-app", "east", "east/front"},
	    {"{\"monitoring.id\":\"\"," SHOP "," WEB "}", "x", NULL, "shop_web"},
	    {"{\"monitoring.id\":\"\"}", "my-app", NULL, "my-app"},
	    {"{\"monitoring.id\":\"a\\u002fb \\u00e4\"}", "my-app", NULL, "a/b \xC3\xA4"},
	};
	char out[WATCH_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t n;

		read_text(rows[i].text);
		n = watch_stable_id(out, &labels, span_of(rows[i].name), rows[i].host);
		assert_string_equal(out, rows[i].expected);
		assert_int_equal(n, strlen(rows[i].expected));
	}
}

static void test_a_long_identity_is_cut(void **state)
{
	char out[WATCH_NAME_MAX + 1], host[100], name[300], text[1024];
	size_t n;

	(void)state;
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = 0;
	memset(name, 'n', sizeof(name));
	read_text("{}");
	out[WATCH_NAME_MAX] = '#';
	n = watch_stable_id(out, &labels, (struct span){name, sizeof(name)}, host);
	assert_int_equal(n, WATCH_NAME_MAX - 1);
	assert_int_equal(strlen(out), n);
	assert_int_equal(out[WATCH_NAME_MAX], '#');
	assert_memory_equal(out, "hhhh", 4);
	assert_non_null(strstr(out, "h/n"));
	n = watch_stable_id(out, &labels, (struct span){name, sizeof(name)}, NULL);
	assert_int_equal(n, WATCH_NAME_MAX - 1);
	/* the name's memory ends where it ends */
	n = watch_stable_id(out, &labels, (struct span){name, 5}, NULL);
	assert_string_equal(out, "nnnnn");
	assert_int_equal(n, 5);
	name[200] = 0;
	snprintf(text, sizeof(text),
	    "{\"com.docker.compose.project\":\"%s\",\"com.docker.compose.service\":\"%s\"}", name,
	    name);
	read_text(text);
	n = watch_stable_id(out, &labels, span_of("x"), host);
	assert_true(n < WATCH_NAME_MAX);
	assert_int_equal(strlen(out), n);
}

/* ---- the rules ------------------------------------------------------------------------------- */

/* Each rule by itself, in the order in which they are tried. */
static const struct rule {
	enum watch_reason reason;
	const char *setting; /* in the environment */
	const char *label;
	enum watch_choice choice;
	bool self, watched;
} rules[] = {
    {REASON_SELF, NULL, NULL, CHOICE_NONE, true, false},
    {REASON_EXCLUDE_SETTING, "AUTOHEAL_EXCLUDE=db,we?", NULL, CHOICE_NONE, false, false},
    {REASON_EXCLUDED, NULL, NULL, CHOICE_EXCLUDED, false, false},
    {REASON_LABEL_FALSE, NULL, "\"autoheal\":\"false\"", CHOICE_NONE, false, false},
    {REASON_MONITOR_OFF, NULL, "\"autoheal.monitor.enable\":\"false\"", CHOICE_NONE, false, false},
    {REASON_ONE_OFF, NULL, "\"com.docker.compose.oneoff\":\"True\"", CHOICE_NONE, false, false},
    {REASON_SWARM_TASK, NULL, "\"com.docker.swarm.task.id\":\"t\"", CHOICE_NONE, false, false},
    {REASON_OTHER_PROJECT, "AUTOHEAL_PROJECT=blog", "\"com.docker.compose.project\":\"shop\"",
	CHOICE_NONE, false, false},
    {REASON_PERSON, NULL, NULL, CHOICE_PERSON, false, true},
    {REASON_INCLUDE, "AUTOHEAL_INCLUDE=w*", NULL, CHOICE_NONE, false, true},
    {REASON_LABEL, NULL, "\"autoheal\":\"true\"", CHOICE_NONE, false, true},
    {REASON_ALL, "AUTOHEAL_CONTAINER_LABEL=all", NULL, CHOICE_NONE, false, true},
    {REASON_NO_LABEL, NULL, NULL, CHOICE_NONE, false, false},
};

/* What is decided where all these rules apply. */
static enum watch_reason decide(const struct rule *const *apply, size_t n)
{
	char text[1024] = "{\"image\":\"nginx\"", stable[WATCH_NAME_MAX];
	char *environment[16] = {NULL};
	struct watch_candidate c = {.name = span_of("web"), .labels = &labels};
	size_t set = 0;

	for (size_t i = 0; i < n; i++) {
		if (apply[i]->setting)
			environment[set++] = (char *)apply[i]->setting;
		if (apply[i]->label) {
			strcat(text, ",");
			strcat(text, apply[i]->label);
		}
		if (apply[i]->choice != CHOICE_NONE)
			c.choice = apply[i]->choice;
		c.self |= apply[i]->self;
	}
	strcat(text, "}");
	settings_of(environment);
	read_text(text);
	c.stable_id = (struct span){stable, watch_stable_id(stable, &labels, c.name, NULL)};
	return watch_decide(&settings, &c);
}

static void test_each_rule_decides_by_itself(void **state)
{
	(void)state;
	assert_int_equal(COUNT(rules), REASON_COUNT);
	for (size_t i = 0; i < COUNT(rules); i++) {
		const struct rule *one = &rules[i];

		if (decide(&one, 1) != one->reason)
			fail_msg("rule %zu gave %d", i, decide(&one, 1));
		assert_int_equal(watch_is_watched(one->reason), one->watched);
	}
}

/* Two rules that say the same thing in two ways cannot both apply. */
static bool exclude_each_other(const struct rule *a, const struct rule *b)
{
	return (a->choice != CHOICE_NONE && b->choice != CHOICE_NONE) ||
	    (a->reason == REASON_LABEL_FALSE && b->reason == REASON_LABEL);
}

static void test_each_rule_beats_every_later_one(void **state)
{
	unsigned pairs = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rules); i++)
		for (size_t k = i + 1; k < COUNT(rules); k++) {
			const struct rule *both[] = {&rules[i], &rules[k]};
			const struct rule *turned[] = {&rules[k], &rules[i]};

			if (exclude_each_other(&rules[i], &rules[k]))
				continue;
			pairs++;
			if (decide(both, 2) != rules[i].reason ||
			    decide(turned, 2) != rules[i].reason)
				fail_msg("rules %zu and %zu gave %d", i, k, decide(both, 2));
		}
	assert_int_equal(pairs, 13 * 12 / 2 - 2);
}

static void test_any_set_of_rules_is_decided_by_the_first(void **state)
{
	(void)state;
	for (unsigned bits = 1; bits < 1u << COUNT(rules); bits += 3) {
		const struct rule *apply[COUNT(rules)];
		size_t n = 0;

		for (size_t i = 0; i < COUNT(rules); i++) {
			bool fits = bits >> i & 1;

			for (size_t k = 0; k < n && fits; k++)
				fits = !exclude_each_other(apply[k], &rules[i]);
			if (fits)
				apply[n++] = &rules[i];
		}
		if (n && decide(apply, n) != apply[0]->reason)
			fail_msg("rules %x gave %d", bits, decide(apply, n));
	}
}

static enum watch_reason decide_one(const char *name, const char *stable_id)
{
	struct watch_candidate c = {
	    .name = span_of(name), .stable_id = span_of(stable_id), .labels = &labels};

	return watch_decide(&settings, &c);
}

static void test_lists_name_containers_or_identities(void **state)
{
	(void)state;
	settings_of((char *[]){"AUTOHEAL_INCLUDE= shop_* , east/db,cache-[0-9] ", NULL});
	read_text("{}");
	assert_int_equal(decide_one("shop-web-1", "shop_web"), REASON_INCLUDE);
	assert_int_equal(decide_one("db", "east/db"), REASON_INCLUDE);
	assert_int_equal(decide_one("db", "db"), REASON_NO_LABEL);
	assert_int_equal(decide_one("cache-7", "x"), REASON_INCLUDE);
	assert_int_equal(decide_one("cache-77", "x"), REASON_NO_LABEL);
	settings_of((char *[]){"AUTOHEAL_EXCLUDE=shop_web", "AUTOHEAL_INCLUDE=*", NULL});
	assert_int_equal(decide_one("shop-web-1", "shop_web"), REASON_EXCLUDE_SETTING);
	assert_int_equal(decide_one("shop_web", "other"), REASON_EXCLUDE_SETTING);
	assert_int_equal(decide_one("shop-web-2", "shop_web_2"), REASON_INCLUDE);
}

static void test_the_scope_of_projects(void **state)
{
	static const struct {
		const char *text;
		bool inside;
	} rows[] = {
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"shop\"}", true},
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"blog\"}", true},
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"Shop\"}", false},
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"shop2\"}", false},
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"sho\"}", false},
	    {"{\"autoheal\":\"true\",\"com.docker.compose.project\":\"\"}", false},
	    {"{\"autoheal\":\"true\"}", false},
	};

	(void)state;
	settings_of((char *[]){"AUTOHEAL_PROJECT= shop ,blog,", NULL});
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_text(rows[i].text);
		assert_int_equal(
		    decide_one("x", "x"), rows[i].inside ? REASON_LABEL : REASON_OTHER_PROJECT);
	}
	settings_of((char *[]){"AUTOHEAL_PROJECT=,", NULL}); /* no project at all: no scope */
	assert_int_equal(decide_one("x", "x"), REASON_LABEL);
}

static void test_swarm_tasks_may_be_asked_for(void **state)
{
	(void)state;
	settings_of((char *[]){"AUTOHEAL_SWARM_TASKS=true", NULL});
	read_text("{\"autoheal\":\"true\",\"com.docker.swarm.task.id\":\"t\"}");
	assert_int_equal(decide_one("x", "x"), REASON_LABEL);
	read_text("{\"com.docker.swarm.task.id\":\"t\"}");
	assert_int_equal(decide_one("x", "x"), REASON_NO_LABEL);
}

static void test_a_selection_by_a_label_is_no_persons(void **state)
{
	struct watch_candidate c = {.name = span_of("x"),
	    .stable_id = span_of("x"),
	    .labels = &labels,
	    .choice = CHOICE_LABEL};

	(void)state;
	read_text("{}"); /* it came back without the label */
	assert_int_equal(watch_decide(&settings, &c), REASON_NO_LABEL);
}

static void test_a_near_miss_is_not_watched(void **state)
{
	(void)state;
	read_label("autoheal", "True");
	assert_int_equal(decide_one("x", "x"), REASON_NO_LABEL);
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", NULL});
	read_label("autoheal", "True");
	assert_int_equal(decide_one("x", "x"), REASON_ALL);
}

static void test_lists_of_names(void **state)
{
	static const struct {
		const char *list, *name;
		bool in;
	} rows[] = {
	    {"", "web", false},
	    {",", "", false}, /* an empty entry names nobody */
	    {"web", "web", true},
	    {"web", "web2", false},
	    {"db,web", "web", true},
	    {" db , web ", "web", true},
	    {"db web", "web", false},
	    {"*", "web", true},
	    {"w*,x", "web", true},
	    {"[!w]*", "web", false},
	    {"\\*", "web", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (watch_in_list(rows[i].list, span_of(rows[i].name)) != rows[i].in)
			fail_msg("'%s', '%s'", rows[i].list, rows[i].name);
}

/* ---- the reason in words --------------------------------------------------------------------- */

static void test_every_reason_has_words_of_its_own(void **state)
{
	char said[REASON_COUNT][128], small[8];

	(void)state;
	for (int i = 0; i < REASON_COUNT; i++) {
		size_t n = watch_say((enum watch_reason)i, &settings, said[i], sizeof(said[i]));

		assert_true(n > 10);
		assert_int_equal(strlen(said[i]), n);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(said[i], said[k]);
		watch_say((enum watch_reason)i, &settings, small, sizeof(small));
		assert_true(strlen(small) < sizeof(small));
	}
	assert_string_equal(said[REASON_LABEL], "it has the label autoheal=true");
	assert_string_equal(said[REASON_NO_LABEL], "it has no label autoheal=true");
}

static void test_the_words_name_the_label_that_is_wanted(void **state)
{
	char said[128];

	(void)state;
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=heal", "AUTOHEAL_LABEL_VALUE=1", NULL});
	watch_say(REASON_LABEL, &settings, said, sizeof(said));
	assert_string_equal(said, "it has the label heal=1");
	watch_say(REASON_NO_LABEL, &settings, said, sizeof(said));
	assert_string_equal(said, "it has no label heal=1");
	settings_of((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", NULL});
	watch_say(REASON_LABEL, &settings, said, sizeof(said));
	assert_string_equal(said, "it has the label autoheal=true");
}

#define TEST(f) cmocka_unit_test_setup(f, defaults)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_the_label_is_read_exactly),
	    TEST(test_another_label_and_value_may_be_wanted),
	    TEST(test_a_no_beats_another_wanted_label_in_any_order),
	    TEST(test_the_wanted_label_keeps_its_own_meaning),
	    TEST(test_with_all_the_usual_label_still_says_no),
	    TEST(test_what_is_no_object_has_no_labels),
	    TEST(test_own_labels_are_read),
	    TEST(test_the_name_of_an_outside_monitor_is_read),
	    TEST(test_probes_are_read),
	    TEST(test_probes_that_make_no_sense_are_named),
	    TEST(test_of_several_probes_the_first_counts),
	    TEST(test_switches_among_the_labels),
	    TEST(test_an_unreadable_label_is_named_and_the_default_holds),
	    TEST(test_every_unreadable_label_is_named_up_to_a_limit),
	    TEST(test_other_labels_of_that_kind_are_passed_over),
	    TEST(test_compose_and_swarm_labels_are_read),
	    TEST(test_a_replica_number_that_is_none_is_unknown),
	    TEST(test_labels_among_the_attributes_of_an_event),
	    TEST(test_labels_that_are_too_long_are_cut_not_mistaken),
	    TEST(test_stable_identities),
	    TEST(test_a_long_identity_is_cut),
	    TEST(test_each_rule_decides_by_itself),
	    TEST(test_each_rule_beats_every_later_one),
	    TEST(test_any_set_of_rules_is_decided_by_the_first),
	    TEST(test_lists_name_containers_or_identities),
	    TEST(test_the_scope_of_projects),
	    TEST(test_swarm_tasks_may_be_asked_for),
	    TEST(test_a_selection_by_a_label_is_no_persons),
	    TEST(test_a_near_miss_is_not_watched),
	    TEST(test_lists_of_names),
	    TEST(test_every_reason_has_words_of_its_own),
	    TEST(test_the_words_name_the_label_that_is_wanted),
	};

	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
