/* test_config.c - what config.h promises: the defaults of the contract, a sentence for every value
 * that cannot be read, locks, warnings, and the configuration as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buf.h"
#include "config_json.h"
#include "json.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- helpers --------------------------------------------------------------------------------- */

static struct settings settings;
static char error[256];
static char warnings[16][256];
static size_t warned;

static void warn(const char *sentence)
{
	if (warned < COUNT(warnings))
		snprintf(warnings[warned], sizeof(warnings[0]), "%s", sentence);
	warned++;
}

/* Reads settings from "NAME=VALUE" texts, NULL at the end. */
static int read_all(char *const *environment)
{
	memset(&settings, 0xA5, sizeof(settings));
	memset(error, 0, sizeof(error));
	warned = 0;
	return config_read(&settings, environment, error, sizeof(error), warn);
}

static void read_none(void)
{
	assert_int_equal(read_all((char *[]){NULL}), 0);
}

/* The text must live as long as the settings. */
static int read_one(const char *name, const char *value)
{
	static char text[1024];

	snprintf(text, sizeof(text), "%s=%s", name, value);
	return read_all((char *[]){"PATH=/bin", text, NULL});
}

static void read_well(const char *name, const char *value)
{
	if (read_one(name, value))
		fail_msg("%s=%s was refused: %s", name, value, error);
}

static size_t locked_count(void)
{
	size_t count = 0;

	for (size_t i = 0; i < CONFIG_SETTINGS_MAX; i++)
		count += settings.from_environment[i];
	return count;
}

static struct buf printed;
static jsmntok_t tokens[512];
static struct json json;

static void print(const char *containers)
{
	size_t at = 0;

	buf_free(&printed);
	buf_init(&printed, 65536);
	config_print(&settings, &printed, span_of(containers), span_of("[]"));
	assert_false(printed.failed);
	if (!json_valid((struct span){printed.p, printed.n}, &at))
		fail_msg("not JSON at %zu: %.*s", at, (int)printed.n, printed.p);
	assert_int_equal(
	    json_parse(&json, (struct span){printed.p, printed.n}, tokens, COUNT(tokens)), 0);
}

static int at(const char *path)
{
	int token = json_get(&json, 0, path);

	if (token < 0)
		fail_msg("no %s in %.*s", path, (int)printed.n, printed.p);
	return token;
}

/* kind: 's' a string, 'v' any other value as it is written. */
static void assert_member(const char *path, char kind, const char *expected)
{
	int token = at(path);
	struct span raw = json_raw(&json, token);

	if (json_is_string(&json, token) != (kind == 's') || !span_is(raw, expected))
		fail_msg("%s is %.*s, not %s", path, (int)raw.n, raw.p, expected);
}

/* ---- the table of settings --------------------------------------------------------------------- */

#define AT(field) offsetof(struct settings, field)

static void test_texts_have_the_defaults_of_the_contract(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		const char *expected;
	} rows[] = {
	    {"DOCKER_HOST", AT(docker_host), ""},
	    {"DOCKER_CERT_PATH", AT(cert_path), "/certs"},
	    {"DOCKER_API_VERSION", AT(api_version), ""},
	    {"AUTOHEAL_HOSTS", AT(hosts), ""},
	    {"AUTOHEAL_HOST_NAME", AT(host_name), "local"},
	    {"DOCKER_SOCK", AT(docker_sock), ""},
	    {"AUTOHEAL_CONTAINER_LABEL", AT(label), "autoheal"},
	    {"AUTOHEAL_LABEL_VALUE", AT(label_value), "true"},
	    {"AUTOHEAL_INCLUDE", AT(include), ""},
	    {"AUTOHEAL_EXCLUDE", AT(exclude), ""},
	    {"AUTOHEAL_PROJECT", AT(projects), ""},
	    {"AUTOHEAL_STORM", AT(storm), "50%"},
	    {"AUTOHEAL_LISTEN", AT(listen), "127.0.0.1:8080"},
	    {"AUTOHEAL_API_TOKEN", AT(api_token), ""},
	    {"AUTOHEAL_API_TOKEN_FILE", AT(api_token_file), ""},
	    {"AUTOHEAL_API_HOSTS", AT(api_hosts), ""},
	    {"AUTOHEAL_DATA_DIR", AT(data_dir), ""},
	    {"AUTOHEAL_INSTANCE", AT(instance), ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *text;

		read_none();
		memcpy(&text, (char *)&settings + rows[i].offset, sizeof(text));
		if (strcmp(text, rows[i].expected))
			fail_msg("%s is '%s'", rows[i].name, text);
		read_well(rows[i].name, i == 11 ? "off" : "7.8");
		memcpy(&text, (char *)&settings + rows[i].offset, sizeof(text));
		assert_string_equal(text, i == 11 ? "off" : "7.8");
	}
}

static void test_numbers_and_times_have_the_defaults_of_the_contract(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		uint64_t expected;
		const char *other;
		uint64_t other_value;
	} rows[] = {
	    {"CURL_TIMEOUT", AT(curl_timeout), 30000, "10", 10000},
	    {"AUTOHEAL_START_PERIOD", AT(start_period), 0, "5m", 300000},
	    {"AUTOHEAL_INTERVAL", AT(interval), 30000, "1", 1000},
	    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT", AT(stop_timeout), CONFIG_UNSET, "0", 0},
	    {"AUTOHEAL_UNHEALTHY_FOR", AT(unhealthy_for), 0, "90s", 90000},
	    {"AUTOHEAL_COOLDOWN", AT(cooldown), 60000, "0", 0},
	    {"AUTOHEAL_MAX_RESTARTS", AT(max_restarts), 3, "0", 0},
	    {"AUTOHEAL_RESTART_WINDOW", AT(restart_window), 600000, "1h", 3600000},
	    {"AUTOHEAL_BACKOFF_INITIAL", AT(backoff_initial), 10000, "500ms", 500},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", AT(backoff_multiplier), 2000, "1.5", 1500},
	    {"AUTOHEAL_BACKOFF_MAX", AT(backoff_max), 300000, "2h", 7200000},
	    {"AUTOHEAL_RECOVERY_TIMEOUT", AT(recovery_timeout), 120000, "1", 1000},
	    {"AUTOHEAL_QUARANTINE_RETRY", AT(quarantine_retry), 3600000, "0", 0},
	    {"AUTOHEAL_MAX_PARALLEL", AT(max_parallel), 32, "1", 1},
	    {"AUTOHEAL_DRAIN", AT(drain), 8000, "60", 60000},
	    {"AUTOHEAL_EVENTS", AT(events), 1000, "50", 50},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v;

		read_none();
		memcpy(&v, (char *)&settings + rows[i].offset, sizeof(v));
		if (v != rows[i].expected)
			fail_msg("%s is %llu", rows[i].name, (unsigned long long)v);
		read_well(rows[i].name, rows[i].other);
		memcpy(&v, (char *)&settings + rows[i].offset, sizeof(v));
		if (v != rows[i].other_value)
			fail_msg("%s=%s is %llu", rows[i].name, rows[i].other, (unsigned long long)v);
	}
}

static void test_switches_have_the_defaults_of_the_contract(void **state)
{
	static const struct {
		const char *name;
		size_t offset;
		bool expected;
	} rows[] = {
	    {"DOCKER_TLS_VERIFY", AT(tls_verify), false},
	    {"AUTOHEAL_SWARM_TASKS", AT(swarm_tasks), false},
	    {"AUTOHEAL_BACKOFF", AT(backoff), true},
	    {"AUTOHEAL_DEPENDENTS", AT(dependents), true},
	    {"AUTOHEAL_DRY_RUN", AT(dry_run), false},
	    {"AUTOHEAL_ONLY_MONITOR_RUNNING", AT(only_running), true},
	};
	static const char *const words[2][4] = {
	    {"false", "0", "no", "OFF"}, {"true", "1", "Yes", "on"}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const bool *field = (const bool *)((const char *)&settings + rows[i].offset);

		read_none();
		if (*field != rows[i].expected)
			fail_msg("%s is %d", rows[i].name, *field);
		for (int truth = 0; truth < 2; truth++)
			for (size_t k = 0; k < 4; k++) {
				read_well(rows[i].name, words[truth][k]);
				assert_int_equal(*field, truth);
			}
	}
}

static void test_choices_have_the_defaults_of_the_contract(void **state)
{
	(void)state;
	read_none();
	assert_int_equal(settings.mode, MODE_BOTH);
	assert_int_equal(settings.reads, READ_SAFE);
	assert_false(settings.writes_open);
	assert_int_equal(settings.log_level, LOG_INFO);
	assert_int_equal(settings.log_format, LOG_TEXT);
	assert_false(config_watches_all(&settings));
	assert_int_equal(locked_count(), 0);
	assert_int_equal(warned, 0);
}

static void test_every_word_of_a_choice_is_understood(void **state)
{
	static const struct {
		const char *name, *value;
		size_t offset;
		int expected;
	} rows[] = {
	    {"AUTOHEAL_RESTART_MODE", "health", AT(mode), MODE_HEALTH},
	    {"AUTOHEAL_RESTART_MODE", "on-failure", AT(mode), MODE_ON_FAILURE},
	    {"AUTOHEAL_RESTART_MODE", "both", AT(mode), MODE_BOTH},
	    {"AUTOHEAL_API_READS", "safe", AT(reads), READ_SAFE},
	    {"AUTOHEAL_API_READS", "token", AT(reads), READ_TOKEN},
	    {"AUTOHEAL_API_READS", "open", AT(reads), READ_OPEN},
	    {"AUTOHEAL_LOG_LEVEL", "DEBUG", AT(log_level), LOG_DEBUG},
	    {"AUTOHEAL_LOG_LEVEL", "INFO", AT(log_level), LOG_INFO},
	    {"AUTOHEAL_LOG_LEVEL", "WARNING", AT(log_level), LOG_WARNING},
	    {"AUTOHEAL_LOG_LEVEL", "ERROR", AT(log_level), LOG_ERROR},
	    {"AUTOHEAL_LOG_LEVEL", "debug", AT(log_level), LOG_DEBUG},
	    {"AUTOHEAL_LOG_FORMAT", "text", AT(log_format), LOG_TEXT},
	    {"AUTOHEAL_LOG_FORMAT", "json", AT(log_format), LOG_JSON},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int v;

		read_well(rows[i].name, rows[i].value);
		memcpy(&v, (char *)&settings + rows[i].offset, sizeof(v));
		if (v != rows[i].expected)
			fail_msg("%s=%s is %d", rows[i].name, rows[i].value, v);
	}
	read_well("AUTOHEAL_API_WRITES", "token");
	assert_false(settings.writes_open);
	read_well("AUTOHEAL_API_WRITES", "open");
	assert_true(settings.writes_open);
}

/* ---- values that cannot be read -------------------------------------------------------------- */

static void test_a_bad_value_is_a_sentence_with_name_value_and_what_is_accepted(void **state)
{
	static const char seconds[] = "seconds or a time such as 90, 90s, 5m or 1h";
	static const struct {
		const char *name, *value, *accepted;
	} rows[] = {
	    {"AUTOHEAL_COOLDOWN", "soon", seconds},
	    {"AUTOHEAL_COOLDOWN", "-1", seconds},
	    {"AUTOHEAL_COOLDOWN", "1.5", seconds},
	    {"AUTOHEAL_COOLDOWN", "5 m", seconds},
	    {"AUTOHEAL_START_PERIOD", "1h30m", seconds},
	    {"AUTOHEAL_UNHEALTHY_FOR", "true", seconds},
	    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT", "never", seconds},
	    {"AUTOHEAL_BACKOFF_INITIAL", "x", seconds},
	    {"AUTOHEAL_BACKOFF_MAX", "x", seconds},
	    {"AUTOHEAL_QUARANTINE_RETRY", "1 hour", seconds},
	    {"AUTOHEAL_DRAIN", "10sec", seconds},
	    /* at least 1 */
	    {"AUTOHEAL_INTERVAL", "0", "at least 1 second"},
	    {"AUTOHEAL_INTERVAL", "999ms", "at least 1 second"},
	    {"AUTOHEAL_RESTART_WINDOW", "0", "at least 1 second"},
	    {"AUTOHEAL_RECOVERY_TIMEOUT", "0", "at least 1 second"},
	    {"CURL_TIMEOUT", "0", "at least 1 second"},
	    {"AUTOHEAL_MAX_PARALLEL", "0", "a whole number from 1 to 256"},
	    {"AUTOHEAL_MAX_PARALLEL", "257", "a whole number from 1 to 256"},
	    {"AUTOHEAL_MAX_PARALLEL", "all", "a whole number from 1 to 256"},
	    {"AUTOHEAL_MAX_RESTARTS", "65", "a whole number from 0 to 64"},
	    {"AUTOHEAL_MAX_RESTARTS", "-1", "a whole number from 0 to 64"},
	    {"AUTOHEAL_MAX_RESTARTS", "3s", "a whole number from 0 to 64"},
	    {"AUTOHEAL_MAX_RESTARTS", "18446744073709551619", "a whole number from 0 to 64"},
	    {"AUTOHEAL_EVENTS", "0", "a whole number from 1 to 100000"},
	    {"AUTOHEAL_EVENTS", "100001", "a whole number from 1 to 100000"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "0.5", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "0.999", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "101", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "100.001", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.2345", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.0005", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.5.5", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1,5", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "-2", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "two", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.x", "a number from 1 to 100, such as 1.5"},
	    {"AUTOHEAL_BACKOFF", "maybe", "true or false"},
	    {"AUTOHEAL_DEPENDENTS", "2", "true or false"},
	    {"AUTOHEAL_DRY_RUN", "dry", "true or false"},
	    {"AUTOHEAL_SWARM_TASKS", "y", "true or false"},
	    {"AUTOHEAL_ONLY_MONITOR_RUNNING", "none", "true or false"},
	    {"AUTOHEAL_RESTART_MODE", "always", "one of health|on-failure|both"},
	    {"AUTOHEAL_RESTART_MODE", "healt", "one of health|on-failure|both"},
	    {"AUTOHEAL_RESTART_MODE", "health|both", "one of health|on-failure|both"},
	    {"AUTOHEAL_LOG_LEVEL", "TRACE", "one of DEBUG|INFO|WARNING|ERROR"},
	    {"AUTOHEAL_LOG_LEVEL", "1", "one of DEBUG|INFO|WARNING|ERROR"},
	    {"AUTOHEAL_LOG_FORMAT", "xml", "one of text|json"},
	    {"AUTOHEAL_API_WRITES", "true", "one of token|open"},
	    {"AUTOHEAL_API_READS", "all", "one of safe|token|open"},
	    {"AUTOHEAL_STORM", "0", "off, or a share of the watched containers such as 50%"},
	    {"AUTOHEAL_STORM", "0%", "off, or a share"},
	    {"AUTOHEAL_STORM", "101%", "off, or a share"},
	    {"AUTOHEAL_STORM", "-5%", "off, or a share"},
	    {"AUTOHEAL_STORM", "%", "off, or a share"},
	    {"AUTOHEAL_STORM", "50%%", "off, or a share"},
	    {"AUTOHEAL_STORM", "half", "off, or a share"},
	    {"DOCKER_API_VERSION", "1", "an API version of the engine such as 1.43"},
	    {"DOCKER_API_VERSION", "v1.43", "an API version of the engine such as 1.43"},
	    {"DOCKER_API_VERSION", "1.43.0", "an API version of the engine such as 1.43"},
	    {"DOCKER_API_VERSION", "1.x", "an API version of the engine such as 1.43"},
	    {"DOCKER_API_VERSION", "latest", "an API version of the engine such as 1.43"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char value[64];

		snprintf(value, sizeof(value), "'%s'", rows[i].value);
		if (read_one(rows[i].name, rows[i].value) != -1)
			fail_msg("%s=%s was taken", rows[i].name, rows[i].value);
		if (strncmp(error, rows[i].name, strlen(rows[i].name)) || !strstr(error, value) ||
		    !strstr(error, rows[i].accepted) || strchr(error, '\n'))
			fail_msg("%s=%s says: %s", rows[i].name, rows[i].value, error);
	}
}

/* A dot too many is a slip of the hand: 5 is not what somebody who wrote .5 wants. */
static void test_a_number_with_a_stray_dot_is_refused(void **state)
{
	static const char *const multipliers[] = {".5", "..5", "2.", ".", "1 .5"};
	static const char *const versions[] = {"1..43", ".1.43", "1.43.", "1. 43", "1 .43"};

	(void)state;
	for (size_t i = 0; i < COUNT(multipliers); i++)
		if (!read_one("AUTOHEAL_BACKOFF_MULTIPLIER", multipliers[i]))
			fail_msg("'%s' was read as %llu thousandths", multipliers[i],
			    (unsigned long long)settings.backoff_multiplier);
	for (size_t i = 0; i < COUNT(versions); i++)
		if (!read_one("DOCKER_API_VERSION", versions[i]))
			fail_msg("'%s' was taken for a version", versions[i]);
}

/* It goes into the path of every request as it is. */
static void test_a_version_is_kept_without_blanks(void **state)
{
	(void)state;
	if (!read_one("DOCKER_API_VERSION", " 1.43 "))
		assert_string_equal(settings.api_version, "1.43");
	if (!read_one("AUTOHEAL_STORM", " off "))
		assert_string_equal(settings.storm, "off");
}

/* 60d is "a time such as 90, 90s, 5m or 1h, at least 1 second", and still refused. */
static void test_the_sentence_names_the_upper_bound_too(void **state)
{
	static const char *const names[] = {
	    "AUTOHEAL_INTERVAL", "AUTOHEAL_BACKOFF_MAX", "AUTOHEAL_DRAIN"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(read_one(names[i], "4000d"), -1);
		if (!strstr(error, "at most"))
			fail_msg("%s", error);
	}
}

static void test_the_sentence_is_safe_to_print_and_bounded(void **state)
{
	char environment[2000] = "AUTOHEAL_COOLDOWN=";
	char *all[] = {environment, NULL};

	(void)state;
	assert_int_equal(read_one("AUTOHEAL_COOLDOWN", "1\x1b[2J\n\xFF"), -1);
	assert_non_null(strstr(error, "'1\\x1b[2J\\x0a\\xff'"));
	memset(environment + strlen(environment), 'x', sizeof(environment) - 100);
	assert_int_equal(read_all(all), -1);
	assert_true(strlen(error) < sizeof(error));
	assert_non_null(strstr(error, "AUTOHEAL_COOLDOWN is 'xxx"));
	assert_non_null(
	    strstr(error, "but must be seconds or a time")); /* the value is cut, not this */
	for (size_t n = 1; n < 40; n++) {
		char *small = malloc(n);

		assert_non_null(small);
		assert_int_equal(config_read(&settings, all, small, n, warn), -1);
		assert_true(strlen(small) < n);
		free(small);
	}
}

/* ---- what is set and what is not ------------------------------------------------------------- */

static const char *const known[] = {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH",
    "DOCKER_API_VERSION", "AUTOHEAL_HOSTS", "AUTOHEAL_HOST_NAME", "DOCKER_SOCK", "CURL_TIMEOUT",
    "AUTOHEAL_CONTAINER_LABEL", "AUTOHEAL_LABEL_VALUE", "AUTOHEAL_INCLUDE", "AUTOHEAL_EXCLUDE",
    "AUTOHEAL_PROJECT", "AUTOHEAL_SWARM_TASKS", "AUTOHEAL_RESTART_MODE", "AUTOHEAL_START_PERIOD",
    "AUTOHEAL_INTERVAL", "AUTOHEAL_DEFAULT_STOP_TIMEOUT", "AUTOHEAL_UNHEALTHY_FOR",
    "AUTOHEAL_COOLDOWN", "AUTOHEAL_MAX_RESTARTS", "AUTOHEAL_RESTART_WINDOW", "AUTOHEAL_BACKOFF",
    "AUTOHEAL_BACKOFF_INITIAL", "AUTOHEAL_BACKOFF_MULTIPLIER", "AUTOHEAL_BACKOFF_MAX",
    "AUTOHEAL_RECOVERY_TIMEOUT", "AUTOHEAL_QUARANTINE_RETRY", "AUTOHEAL_DEPENDENTS",
    "AUTOHEAL_MAX_PARALLEL", "AUTOHEAL_STORM", "AUTOHEAL_DRAIN", "AUTOHEAL_DRY_RUN",
    "AUTOHEAL_ONLY_MONITOR_RUNNING", "AUTOHEAL_LISTEN", "AUTOHEAL_API_TOKEN",
    "AUTOHEAL_API_TOKEN_FILE", "AUTOHEAL_API_WRITES", "AUTOHEAL_API_READS", "AUTOHEAL_API_HOSTS",
    "AUTOHEAL_DATA_DIR", "AUTOHEAL_EVENTS", "AUTOHEAL_LOG_LEVEL", "AUTOHEAL_LOG_FORMAT",
    "AUTOHEAL_INSTANCE", "AUTOHEAL_SANDBOX"};

static void test_an_empty_value_counts_as_unset(void **state)
{
	static const char *const empty[] = {"", " ", "\t \n"};
	struct settings defaults;

	(void)state;
	read_none();
	defaults = settings;
	for (size_t i = 0; i < COUNT(known); i++)
		for (size_t k = 0; k < COUNT(empty); k++) {
			read_well(known[i], empty[k]);
			assert_int_equal(warned, 0);
			if (memcmp(&settings, &defaults, sizeof(settings)))
				fail_msg("%s='%s' changed something", known[i], empty[k]);
		}
}

static void test_a_number_may_stand_among_blanks(void **state)
{
	(void)state;
	read_well("AUTOHEAL_INTERVAL", " 45 ");
	assert_int_equal(settings.interval, 45000);
	read_well("AUTOHEAL_MAX_RESTARTS", " 7\n");
	assert_int_equal(settings.max_restarts, 7);
	read_well("AUTOHEAL_BACKOFF_MULTIPLIER", "\t1.25 ");
	assert_int_equal(settings.backoff_multiplier, 1250);
	read_well("AUTOHEAL_RESTART_MODE", " health ");
	assert_int_equal(settings.mode, MODE_HEALTH);
}

static void test_multipliers(void **state)
{
	static const struct {
		const char *text;
		uint64_t thousandths;
	} rows[] = {{"1", 1000}, {"1.0", 1000}, {"2.5", 2500}, {"1.05", 1050}, {"1.005", 1005},
	    {"1.999", 1999}, {"10", 10000}, {"100", 100000}, {"100.000", 100000}, {"02.50", 2500}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_well("AUTOHEAL_BACKOFF_MULTIPLIER", rows[i].text);
		assert_int_equal(settings.backoff_multiplier, rows[i].thousandths);
	}
}

static void test_bounds_themselves_are_taken(void **state)
{
	(void)state;
	read_well("AUTOHEAL_INTERVAL", "1000ms");
	read_well("AUTOHEAL_INTERVAL", "31d");
	read_well("AUTOHEAL_MAX_RESTARTS", "64");
	read_well("AUTOHEAL_MAX_PARALLEL", "256");
	read_well("AUTOHEAL_EVENTS", "100000");
	read_well("AUTOHEAL_EVENTS", "1");
	read_well("AUTOHEAL_STORM", "1%");
	read_well("AUTOHEAL_STORM", "100%");
	read_well("AUTOHEAL_STORM", "OFF");
	read_well("AUTOHEAL_COOLDOWN", "3660d");
	read_well("DOCKER_API_VERSION", "1.24");
	read_well("DOCKER_API_VERSION", "2.100");
}

static void test_names_match_whole(void **state)
{
	(void)state;
	assert_int_equal(
	    read_all((char *[]){"AUTOHEAL_BACKOFF_INITIAL=20", "AUTOHEAL_INTERVALS=50",
		"XAUTOHEAL_COOLDOWN=9", "autoheal_cooldown=9", "AUTOHEAL_COOLDOWN", NULL}),
	    0);
	assert_true(settings.backoff);
	assert_int_equal(settings.backoff_initial, 20000);
	assert_int_equal(settings.interval, 30000);
	assert_int_equal(settings.cooldown, 60000);
	assert_int_equal(warned, 1);
	assert_non_null(strstr(warnings[0], "AUTOHEAL_INTERVALS"));
}

static void test_texts_point_into_the_environment(void **state)
{
	char entry[] = "AUTOHEAL_INCLUDE=web-*,=db";
	char *environment[] = {entry, NULL};

	(void)state;
	assert_int_equal(read_all(environment), 0);
	assert_ptr_equal(settings.include, strchr(entry, '=') + 1);
	assert_string_equal(settings.include, "web-*,=db");
}

/* ---- all containers -------------------------------------------------------------------------- */

static void test_watching_all_heals_by_health_alone_unless_told(void **state)
{
	(void)state;
	assert_int_equal(read_all((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", NULL}), 0);
	assert_true(config_watches_all(&settings));
	assert_int_equal(settings.mode, MODE_HEALTH);
	assert_int_equal(
	    read_all((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", "AUTOHEAL_RESTART_MODE=both", NULL}),
	    0);
	assert_int_equal(settings.mode, MODE_BOTH);
	assert_int_equal(read_all((char *[]){"AUTOHEAL_RESTART_MODE=on-failure",
			     "AUTOHEAL_CONTAINER_LABEL=all", NULL}),
	    0);
	assert_int_equal(settings.mode, MODE_ON_FAILURE);
}

static void test_an_empty_mode_is_not_told(void **state)
{
	(void)state;
	assert_int_equal(
	    read_all((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", "AUTOHEAL_RESTART_MODE=", NULL}), 0);
	assert_int_equal(settings.mode, MODE_HEALTH);
	assert_int_equal(
	    read_all((char *[]){"AUTOHEAL_CONTAINER_LABEL=all", "AUTOHEAL_RESTART_MODE=  ", NULL}),
	    0);
	assert_int_equal(settings.mode, MODE_HEALTH);
}

static void test_only_the_exact_word_means_all(void **state)
{
	static const char *const labels[] = {"ALL", "All", "all,autoheal", "alle", "al", "autoheal"};

	(void)state;
	for (size_t i = 0; i < COUNT(labels); i++) {
		read_well("AUTOHEAL_CONTAINER_LABEL", labels[i]);
		assert_false(config_watches_all(&settings));
		assert_int_equal(settings.mode, MODE_BOTH);
	}
}

/* ---- warnings -------------------------------------------------------------------------------- */

static void test_no_known_name_is_warned_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		static const char *const tries[] = {
		    "1.41", "50", "5", "true", "open", "json", "both", "ERROR", "token"};
		size_t k = 0;

		while (k < COUNT(tries) && read_one(known[i], tries[k]))
			k++;
		if (k == COUNT(tries))
			fail_msg("%s takes nothing", known[i]);
		if (warned)
			fail_msg("%s", warnings[0]);
		if (locked_count() != 1)
			fail_msg("%s is not known", known[i]);
	}
	assert_int_equal(
	    read_all((char *[]){"PATH=/bin", "HOME=/", "TZ=UTC", "HOSTNAME=web", "=x", "",
		"XDG_RUNTIME_DIR=/run/user/0", "DOCKER_CONTEXT=x", "AUTOHEAL=1", NULL}),
	    0);
	assert_int_equal(warned, 0);
}

static void test_unknown_names_of_ours_are_warned_of(void **state)
{
	(void)state;
	assert_int_equal(read_all((char *[]){"AUTOHEAL_COOLDOWN_SECONDS=60", "PATH=/bin",
			     "AUTOHEAL_=x", "AUTOHEAL_interval=5", NULL}),
	    0);
	assert_int_equal(warned, 3);
	assert_non_null(strstr(warnings[0], "AUTOHEAL_COOLDOWN_SECONDS "));
	assert_non_null(strstr(warnings[1], "AUTOHEAL_ "));
	assert_non_null(strstr(warnings[2], "AUTOHEAL_interval "));
	assert_null(strstr(warnings[0], "60")); /* it may be a secret */
	assert_int_equal(settings.interval, 30000);
}

static void test_a_long_unknown_name_is_cut(void **state)
{
	char entry[1000] = "AUTOHEAL_";

	(void)state;
	memset(entry + 9, 'X', 900);
	strcpy(entry + 909, "=1");
	assert_int_equal(read_all((char *[]){entry, NULL}), 0);
	assert_int_equal(warned, 1);
	assert_non_null(strstr(warnings[0], "AUTOHEAL_XXXX"));
	assert_non_null(strstr(warnings[0], "is no setting"));
}

/* ---- the configuration as JSON --------------------------------------------------------------- */

static void test_the_defaults_print_as_the_contract_shows_them(void **state)
{
	static const struct {
		const char *path;
		char kind;
		const char *expected;
	} rows[] = {
	    {"monitor.interval_seconds", 'v', "30"},
	    {"monitor.label_key", 's', "autoheal"},
	    {"monitor.label_value", 's', "true"},
	    {"monitor.include_all", 'v', "false"},
	    {"monitor.start_period_seconds", 'v', "0"},
	    {"containers.selected", 'v', "[\"my-app\"]"},
	    {"restart.mode", 's', "both"},
	    {"restart.cooldown_seconds", 'v', "60"},
	    {"restart.max_restarts", 'v', "3"},
	    {"restart.max_restarts_window_seconds", 'v', "600"},
	    {"restart.backoff.enabled", 'v', "true"},
	    {"restart.backoff.initial_seconds", 'v', "10"},
	    {"restart.backoff.multiplier", 'v', "2.0"},
	    {"restart.backoff.max_seconds", 'v', "300"},
	    {"restart.recovery_timeout_seconds", 'v', "120"},
	    {"restart.quarantine_retry_seconds", 'v', "3600"},
	    {"restart.unhealthy_for_seconds", 'v', "0"},
	    {"restart.stop_timeout_seconds", 'v', "null"},
	    {"restart.dependents", 'v', "true"},
	    {"restart.max_parallel", 'v', "32"},
	    {"restart.storm", 's', "50%"},
	    {"restart.dry_run", 'v', "false"},
	    {"filters.whitelist_names", 'v', "[]"},
	    {"filters.blacklist_names", 'v', "[]"},
	    {"filters.projects", 'v', "[]"},
	    {"observability.log_level", 's', "INFO"},
	    {"observability.log_format", 's', "text"},
	    {"notifications.event_filters", 'v',
		"[\"restart\",\"recovered\",\"not_recovered\",\"quarantine\",\"auto_unquarantine\","
		"\"stranded\",\"crash_loop\",\"storm\",\"engine_lost\"]"},
	    {"notifications.services", 'v', "[]"},
	    {"custom_health_checks", 'v', "[]"},
	    {"locked", 'v', "[]"},
	};

	(void)state;
	read_none();
	print("{\"selected\":[\"my-app\"]}");
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_member(rows[i].path, rows[i].kind, rows[i].expected);
	buf_free(&printed);
}

static void assert_plain_names(int object)
{
	int key = -1, value, again, unused;

	while (json_next_member(&json, object, &key, &value)) {
		struct span name = json_raw(&json, key);

		if (memchr(name.p, '.', name.n))
			fail_msg("a member is named %.*s", (int)name.n, name.p);
		again = key;
		while (json_next_member(&json, object, &again, &unused))
			if (span_equal(name, json_raw(&json, again)))
				fail_msg("there are two members %.*s", (int)name.n, name.p);
		if (json_is_object(&json, value))
			assert_plain_names(value);
	}
}

static void test_every_member_stands_in_its_own_section_once(void **state)
{
	(void)state;
	read_none();
	print("{}");
	assert_plain_names(0);
	buf_free(&printed);
}

static void test_changed_values_are_printed(void **state)
{
	static const struct {
		const char *name, *value, *path;
		char kind;
		const char *expected;
	} rows[] = {
	    {"AUTOHEAL_INTERVAL", "1500ms", "monitor.interval_seconds", 'v', "1.5"},
	    {"AUTOHEAL_INTERVAL", "1h", "monitor.interval_seconds", 'v', "3600"},
	    {"AUTOHEAL_CONTAINER_LABEL", "a\"b\\", "monitor.label_key", 's', "a\\\"b\\\\"},
	    {"AUTOHEAL_CONTAINER_LABEL", "all", "monitor.include_all", 'v', "true"},
	    {"AUTOHEAL_CONTAINER_LABEL", "all", "restart.mode", 's', "health"},
	    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT", "0", "restart.stop_timeout_seconds", 'v', "0"},
	    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT", "20", "restart.stop_timeout_seconds", 'v', "20"},
	    {"AUTOHEAL_RESTART_MODE", "On-Failure", "restart.mode", 's', "on-failure"},
	    {"AUTOHEAL_BACKOFF", "off", "restart.backoff.enabled", 'v', "false"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.5", "restart.backoff.multiplier", 'v', "1.5"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.05", "restart.backoff.multiplier", 'v', "1.05"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "1.125", "restart.backoff.multiplier", 'v', "1.125"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "100", "restart.backoff.multiplier", 'v', "100.0"},
	    {"AUTOHEAL_STORM", "off", "restart.storm", 's', "off"},
	    {"AUTOHEAL_LOG_LEVEL", "warning", "observability.log_level", 's', "WARNING"},
	    {"AUTOHEAL_INCLUDE", " web-*, ,db ,", "filters.whitelist_names", 'v',
		"[\"web-*\",\"db\"]"},
	    {"AUTOHEAL_EXCLUDE", "x", "filters.blacklist_names", 'v', "[\"x\"]"},
	    {"AUTOHEAL_PROJECT", "shop,blog", "filters.projects", 'v', "[\"shop\",\"blog\"]"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_well(rows[i].name, rows[i].value);
		print("{}");
		assert_member(rows[i].path, rows[i].kind, rows[i].expected);
	}
	buf_free(&printed);
}

static void test_foreign_bytes_print_as_json(void **state)
{
	(void)state;
	read_well("AUTOHEAL_INCLUDE", "\xFF\xFE,\x01,\"],\"x\":[\"");
	print("{}");
	read_well("AUTOHEAL_LABEL_VALUE", "\xE2\x80\xA8\x7F\xC3");
	print("{}");
	buf_free(&printed);
}

static void test_what_the_environment_sets_is_locked(void **state)
{
	static const struct {
		const char *name, *value, *locked;
	} rows[] = {
	    {"AUTOHEAL_CONTAINER_LABEL", "x", "[\"monitor.label_key\",\"monitor.include_all\"]"},
	    {"AUTOHEAL_LABEL_VALUE", "x", "[\"monitor.label_value\"]"},
	    {"AUTOHEAL_INCLUDE", "x", "[\"filters.whitelist_names\"]"},
	    {"AUTOHEAL_EXCLUDE", "x", "[\"filters.blacklist_names\"]"},
	    {"AUTOHEAL_PROJECT", "x", "[\"filters.projects\"]"},
	    {"AUTOHEAL_RESTART_MODE", "both", "[\"restart.mode\"]"},
	    {"AUTOHEAL_START_PERIOD", "0", "[\"monitor.start_period_seconds\"]"},
	    {"AUTOHEAL_INTERVAL", "30", "[\"monitor.interval_seconds\"]"}, /* the default, but given */
	    {"AUTOHEAL_DEFAULT_STOP_TIMEOUT", "5", "[\"restart.stop_timeout_seconds\"]"},
	    {"AUTOHEAL_UNHEALTHY_FOR", "5", "[\"restart.unhealthy_for_seconds\"]"},
	    {"AUTOHEAL_COOLDOWN", "5", "[\"restart.cooldown_seconds\"]"},
	    {"AUTOHEAL_MAX_RESTARTS", "5", "[\"restart.max_restarts\"]"},
	    {"AUTOHEAL_RESTART_WINDOW", "5", "[\"restart.max_restarts_window_seconds\"]"},
	    {"AUTOHEAL_BACKOFF", "no", "[\"restart.backoff.enabled\"]"},
	    {"AUTOHEAL_BACKOFF_INITIAL", "5", "[\"restart.backoff.initial_seconds\"]"},
	    {"AUTOHEAL_BACKOFF_MULTIPLIER", "5", "[\"restart.backoff.multiplier\"]"},
	    {"AUTOHEAL_BACKOFF_MAX", "5", "[\"restart.backoff.max_seconds\"]"},
	    {"AUTOHEAL_RECOVERY_TIMEOUT", "5", "[\"restart.recovery_timeout_seconds\"]"},
	    {"AUTOHEAL_QUARANTINE_RETRY", "5", "[\"restart.quarantine_retry_seconds\"]"},
	    {"AUTOHEAL_DEPENDENTS", "no", "[\"restart.dependents\"]"},
	    {"AUTOHEAL_MAX_PARALLEL", "5", "[\"restart.max_parallel\"]"},
	    {"AUTOHEAL_STORM", "5%", "[\"restart.storm\"]"},
	    {"AUTOHEAL_DRY_RUN", "no", "[\"restart.dry_run\"]"},
	    {"AUTOHEAL_LOG_LEVEL", "INFO", "[\"observability.log_level\"]"},
	    {"AUTOHEAL_LOG_FORMAT", "text", "[\"observability.log_format\"]"},
	    /* these have no member: nothing that the API could change */
	    {"DOCKER_HOST", "unix:///x", "[]"},
	    {"AUTOHEAL_API_TOKEN", "secret", "[]"},
	    {"AUTOHEAL_LISTEN", "off", "[]"},
	    {"AUTOHEAL_DATA_DIR", "/data", "[]"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		read_well(rows[i].name, rows[i].value);
		assert_int_equal(locked_count(), 1);
		print("{}");
		assert_member("locked", 'v', rows[i].locked);
	}
	assert_int_equal(read_all((char *[]){"AUTOHEAL_COOLDOWN=", "AUTOHEAL_INTERVAL=5",
			     "AUTOHEAL_DRY_RUN=1", NULL}),
	    0);
	print("{}");
	assert_member("locked", 'v', "[\"monitor.interval_seconds\",\"restart.dry_run\"]");
	buf_free(&printed);
}

static void test_the_token_is_never_printed(void **state)
{
	(void)state;
	assert_int_equal(read_all((char *[]){"AUTOHEAL_API_TOKEN=s3cret-value",
			     "AUTOHEAL_API_TOKEN_FILE=/s3cret-file", NULL}),
	    0);
	print("{}");
	buf_add(&printed, "", 1);
	assert_null(strstr(printed.p, "s3cret"));
	buf_free(&printed);
}

static void test_targets_are_cut_apart(void **state)
{
	static const char *const expected[] = {
	    "discord://a@1", "telegram://1:b@telegram?chats=2,3", "https://x/?a=1,2", "ntfy://h/t"};
	struct span
	    rest = span_of(
		" discord://a@1,telegram://1:b@telegram?chats=2,3\n\t, https://x/?a=1,2 ntfy://h/t ,"),
	    target;

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		assert_true(config_next_target(&rest, &target));
		assert_true(span_is(target, expected[i]));
	}
	assert_false(config_next_target(&rest, &target));
	assert_true(span_is(config_scheme(span_of("discord://x")), "discord"));
	assert_int_equal(config_scheme(span_of("discord:/x")).n, 0);
	assert_int_equal(config_scheme(span_of("://x")).n, 0);
	assert_int_equal(config_scheme(span_of("abc")).n, 0);
}

static void test_targets_are_named_and_masked(void **state)
{
	static const char services[] =
	    "\"services\":[{\"name\":\"discord\",\"url\":\"***\",\"enabled\":true},{\"name\":\"https\",\"url\":\"***\","
	    "\"enabled\":true},{\"name\":\"webhook\",\"url\":\"***\",\"enabled\":true},{\"name\":\"apprise-url\",\"url\":"
	    "\"***\",\"enabled\":true}]";

	(void)state;
	assert_int_equal(
	    read_all((char *[]){"AUTOHEAL_NOTIFY=discord://s3cret@1,https://s3cret/",
		"WEBHOOK_URL=http://s3cret", "AUTOHEAL_NOTIFY_EVENTS=restart,storm",
		"APPRISE_URL=http://s3cret", "AUTOHEAL_HEARTBEAT_URL=https://s3cret/", NULL}),
	    0);
	print("{}");
	buf_add(&printed, "", 1);
	assert_null(strstr(printed.p, "s3cret"));
	assert_non_null(strstr(printed.p, services));
	assert_non_null(strstr(printed.p, "\"event_filters\":[\"restart\",\"storm\"]"));
	assert_non_null(strstr(
	    printed.p, "\"locked\":[\"notifications.services\",\"notifications.event_filters\"]"));
	buf_free(&printed);
}

static void test_help_names_every_variable_on_one_screen(void **state)
{
	struct buf help;
	struct span rest, line;
	size_t lines = 0;

	(void)state;
	buf_init(&help, 10000);
	config_help(&help);
	buf_add(&help, "", 1);
	assert_false(help.failed);
	for (size_t i = 0; i < COUNT(known); i++)
		if (!strstr(help.p, known[i]))
			fail_msg("%s is not named", known[i]);
	rest = span_of(help.p);
	while (span_next(&rest, '\n', &line)) {
		lines++;
		assert_true(line.n + 2 <= 80);
	}
	assert_in_range(lines, 8, 24);
	buf_free(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts_have_the_defaults_of_the_contract),
	    cmocka_unit_test(test_numbers_and_times_have_the_defaults_of_the_contract),
	    cmocka_unit_test(test_switches_have_the_defaults_of_the_contract),
	    cmocka_unit_test(test_choices_have_the_defaults_of_the_contract),
	    cmocka_unit_test(test_every_word_of_a_choice_is_understood),
	    cmocka_unit_test(test_a_bad_value_is_a_sentence_with_name_value_and_what_is_accepted),
	    cmocka_unit_test(test_a_number_with_a_stray_dot_is_refused),
	    cmocka_unit_test(test_a_version_is_kept_without_blanks),
	    cmocka_unit_test(test_the_sentence_names_the_upper_bound_too),
	    cmocka_unit_test(test_the_sentence_is_safe_to_print_and_bounded),
	    cmocka_unit_test(test_an_empty_value_counts_as_unset),
	    cmocka_unit_test(test_a_number_may_stand_among_blanks),
	    cmocka_unit_test(test_multipliers),
	    cmocka_unit_test(test_bounds_themselves_are_taken),
	    cmocka_unit_test(test_names_match_whole),
	    cmocka_unit_test(test_texts_point_into_the_environment),
	    cmocka_unit_test(test_watching_all_heals_by_health_alone_unless_told),
	    cmocka_unit_test(test_an_empty_mode_is_not_told),
	    cmocka_unit_test(test_only_the_exact_word_means_all),
	    cmocka_unit_test(test_no_known_name_is_warned_of),
	    cmocka_unit_test(test_unknown_names_of_ours_are_warned_of),
	    cmocka_unit_test(test_a_long_unknown_name_is_cut),
	    cmocka_unit_test(test_the_defaults_print_as_the_contract_shows_them),
	    cmocka_unit_test(test_every_member_stands_in_its_own_section_once),
	    cmocka_unit_test(test_changed_values_are_printed),
	    cmocka_unit_test(test_foreign_bytes_print_as_json),
	    cmocka_unit_test(test_what_the_environment_sets_is_locked),
	    cmocka_unit_test(test_the_token_is_never_printed),
	    cmocka_unit_test(test_targets_are_cut_apart),
	    cmocka_unit_test(test_targets_are_named_and_masked),
	    cmocka_unit_test(test_help_names_every_variable_on_one_screen),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
