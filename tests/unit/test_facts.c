/* test_facts.c - what facts.h promises: events, lists and inspects of every engine as one shape, and
 * no harm from JSON that no engine sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define ID "3f2a00112233445566778899aabbccddeeff00112233445566778899aabbccdd"
static const uint8_t id_bytes[] = {0x3f, 0x2a, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
    0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
    0x99, 0xaa, 0xbb, 0xcc, 0xdd};

/* ---- helpers --------------------------------------------------------------------------------- */

static jsmntok_t tokens[4096];
static struct json json;

/* Tokenizes a copy that lies on the heap, so that the sanitizer sees a read beyond it; it is kept
 * until the next call. */
static bool parse_bytes(const char *p, size_t n)
{
	static char *last;

	free(last);
	last = malloc(n ? n : 1);
	assert_non_null(last);
	memcpy(last, p, n);
	return !json_parse(&json, (struct span){last, n}, tokens, COUNT(tokens));
}

static void parse(const char *text)
{
	if (!parse_bytes(text, strlen(text)))
		fail_msg("not JSON: %s", text);
}

static struct engine_event event;
static struct container_facts facts;

static bool read_event(const char *text)
{
	parse(text);
	memset(&event, 0xA5, sizeof(event));
	return facts_read_event(&json, &event);
}

static bool read_listed(const char *text, bool podman)
{
	parse(text);
	memset(&facts, 0xA5, sizeof(facts));
	return facts_read_listed(&json, podman, &facts);
}

static bool read_inspected(const char *text, int64_t date)
{
	parse(text);
	memset(&facts, 0xA5, sizeof(facts));
	return facts_read_inspected(&json, date, &facts);
}

static void assert_label(int labels, const char *name, const char *expected)
{
	int token = json_member(&json, labels, span_of(name));

	assert_true(json_is(&json, token, expected));
}

/* ---- events ---------------------------------------------------------------------------------- */

#define ATTRIBUTES "\"Attributes\":{\"autoheal\":\"true\",\"image\":\"nginx\",\"name\":\"web\"}"
#define TIMES "\"scope\":\"local\",\"time\":1761827723,\"timeNano\":1761827723789012345"

static const char docker_event[] = "{\"status\":\"start\",\"id\":\"" ID
				   "\",\"from\":\"nginx\",\"Type\":\"container\","
				   "\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\"," ATTRIBUTES
				   "}," TIMES "}";

static void assert_event(const char *text, enum engine_action action, int64_t time_nano)
{
	if (!read_event(text))
		fail_msg("refused: %s", text);
	if (event.action != action || event.time_nano != time_nano)
		fail_msg("%d, %lld: %s", event.action, (long long)event.time_nano, text);
	assert_memory_equal(event.id, id_bytes, 32);
}

static void test_the_form_of_docker_with_legacy_fields(void **state)
{
	(void)state;
	assert_event(docker_event, ENGINE_START, 1761827723789012345);
	assert_label(event.attributes, "autoheal", "true");
	assert_label(event.attributes, "name", "web");
}

static void test_the_form_since_1_52(void **state)
{
	(void)state;
	assert_event("{\"Type\":\"container\",\"Action\":\"health_status: unhealthy\","
		     "\"Actor\":{\"ID\":\"" ID "\"," ATTRIBUTES "}," TIMES "}",
	    ENGINE_UNHEALTHY, 1761827723789012345);
	assert_label(event.attributes, "name", "web");
}

static void test_the_form_of_old(void **state)
{
	(void)state;
	assert_event("{\"status\":\"die\",\"id\":\"" ID "\",\"from\":\"nginx\",\"time\":1761827723}",
	    ENGINE_DIE, 1761827723000000000);
	assert_true(json_is_null(&json, event.attributes));
	assert_event("{\"status\":\"die\",\"id\":\"" ID "\",\"from\":\"nginx\",\"time\":1761827723,"
		     "\"timeNano\":1761827723000000007}",
	    ENGINE_DIE, 1761827723000000007);
}

/* Measured on Podman 4.3.1: a bare health_status, and the value beside it. */
static void test_the_forms_of_podman(void **state)
{
#define PODMAN(action, health) \
	"{\"status\":\"" action "\",\"id\":\"" ID \
	"\",\"from\":\"localhost/bb\",\"Type\":\"container\"," \
	"\"Action\":\"" action "\",\"Actor\":{\"ID\":\"" ID "\"," ATTRIBUTES \
	"},\"HealthStatus\":\"" health "\"," TIMES "}"
	(void)state;
	assert_event(PODMAN("health_status", "unhealthy"), ENGINE_UNHEALTHY, 1761827723789012345);
	assert_event(PODMAN("health_status", "healthy"), ENGINE_HEALTHY, 1761827723789012345);
	assert_false(read_event(PODMAN("health_status", "starting")));
	assert_false(read_event(PODMAN("health_status", "")));
	assert_event(PODMAN("died", ""), ENGINE_DIE, 1761827723789012345);
	assert_event(PODMAN("remove", ""), ENGINE_DESTROY, 1761827723789012345);
	assert_event(PODMAN("start", "unhealthy"), ENGINE_START, 1761827723789012345);
	assert_false(read_event(PODMAN("init", "healthy")));
	assert_false(read_event(
	    "{\"Type\":\"container\",\"Action\":\"health_status\",\"Actor\":{\"ID\":\"" ID
	    "\",\"Attributes\":{\"HealthStatus\":\"unhealthy\"}}}")); /* a label */
}

static void test_every_action_is_known(void **state)
{
	static const struct {
		const char *word;
		enum engine_action action;
	} rows[] = {
	    {"create", ENGINE_CREATE},
	    {"start", ENGINE_START},
	    {"die", ENGINE_DIE},
	    {"stop", ENGINE_STOP},
	    {"kill", ENGINE_KILL},
	    {"pause", ENGINE_PAUSE},
	    {"unpause", ENGINE_UNPAUSE},
	    {"restart", ENGINE_RESTART},
	    {"destroy", ENGINE_DESTROY},
	    {"rename", ENGINE_RENAME},
	    {"health_status: healthy", ENGINE_HEALTHY},
	    {"health_status: unhealthy", ENGINE_UNHEALTHY},
	    {"st\\u0061rt", ENGINE_START},
	    {"health_status:\\u0020unhealthy", ENGINE_UNHEALTHY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"" ID
		    "\"," ATTRIBUTES "}," TIMES "}",
		    rows[i].word);
		assert_event(text, rows[i].action, 1761827723789012345);
	}
}

static void test_other_actions_are_passed_over(void **state)
{
	static const char *const words[] = {"", "exec_create: /bin/sh -c 'test ! -f /run/bad'",
	    "exec_start: x", "exec_die", "attach", "top", "commit", "oom", "resize", "update",
	    "Start", "start ", "starts", "star", "die: 1",
	    "health_status:", "health_status: starting",
	    "health_status: ", "health_status:unhealthy", "health_status: Unhealthy", "unhealthy",
	    "health_status: unhealthy, really", "start\\u0000", "\\u0000", "start\\n",
	    "this action has more letters than any action of any engine that there ever was or will be",
	    "\\u0073tart, and then more letters than any action of any engine that there ever was"};

	(void)state;
	for (size_t i = 0; i < COUNT(words); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"" ID
		    "\"," ATTRIBUTES "}," TIMES "}",
		    words[i]);
		if (read_event(text))
			fail_msg("'%s' gave %d", words[i], event.action);
	}
}

static void test_only_containers_are_of_interest(void **state)
{
	static const char *const types[] = {"\"network\"", "\"volume\"", "\"image\"", "\"daemon\"",
	    "\"service\"", "\"Container\"", "\"containers\"", "\"\"", "null", "1",
	    "[\"container\"]", "{\"container\":\"container\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":%s,\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\"}," TIMES "}",
		    types[i]);
		if (read_event(text))
			fail_msg("Type %s was taken", types[i]);
	}
}

static void test_an_event_without_a_readable_id_is_none(void **state)
{
	static const char *const ids[] = {"\"\"", "\"3f2a00112233\"",
	    "\"3f2a00112233445566778899aabbccddeeff00112233445566778899aabbccd\"",
	    "\"3f2a00112233445566778899aabbccddeeff00112233445566778899aabbccdd0\"",
	    "\"3f2a00112233445566778899aabbccddeeff00112233445566778899aabbccdg\"",
	    "\"sha256:3f2a00112233445566778899aabbccddeeff00112233445566778899aa\"",
	    "\"../../3f2a0011223344556677889/aabbccddeeff00112233445566778899aa\"", "null", "42",
	    "{}", "[\"" ID "\"]"};

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":%s}," TIMES "}",
		    ids[i]);
		if (read_event(text))
			fail_msg("id %s was taken", ids[i]);
	}
	assert_false(read_event("{\"Type\":\"container\",\"Action\":\"start\"}"));
	assert_false(read_event("{\"Type\":\"container\",\"Actor\":{\"ID\":\"" ID "\"}}"));
	assert_false(read_event("{}"));
	assert_false(read_event("[]"));
	assert_false(read_event("\"start\""));
	assert_false(read_event("null"));
}

/* Labels are copied among the attributes, also ones that look like something of the engine. */
static void test_labels_cannot_speak_for_the_engine(void **state)
{
	(void)state;
	assert_event(
	    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\","
	    "\"Attributes\":{\"Action\":\"die\",\"ID\":\"00\",\"Type\":\"image\",\"status\":\"die\","
	    "\"timeNano\":\"1\",\"exitCode\":\"0\",\"name\":\"web\"}}," TIMES "}",
	    ENGINE_START, 1761827723789012345);
	assert_label(event.attributes, "exitCode", "0");
	/* and what is left out is not looked for there */
	assert_false(read_event("{\"Type\":\"container\",\"Actor\":{\"ID\":\"" ID
				"\",\"Attributes\":{\"Action\":\"die\",\"status\":\"die\"}}}"));
}

static void test_the_time_of_an_event(void **state)
{
	static const struct {
		const char *times;
		int64_t expected;
	} rows[] = {
	    {"\"x\":1", 0},
	    {"\"time\":1761827723", 1761827723000000000},
	    {"\"time\":1,\"timeNano\":7", 7},
	    {"\"timeNano\":7", 7},
	    {"\"time\":1761827723,\"timeNano\":0", 1761827723000000000},
	    {"\"time\":1761827723,\"timeNano\":-5", 1761827723000000000},
	    {"\"time\":1761827723,\"timeNano\":null", 1761827723000000000},
	    {"\"time\":1761827723,\"timeNano\":\"7\"", 1761827723000000000},
	    {"\"time\":1761827723,\"timeNano\":99999999999999999999", 1761827723000000000},
	    {"\"time\":1761827723,\"timeNano\":1.5e3", 1761827723000000000},
	    {"\"time\":\"1761827723\"", 0},
	    {"\"time\":0", 0},
	    {"\"time\":9223372036", 9223372036000000000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\"},%s}",
		    rows[i].times);
		assert_event(text, ENGINE_START, rows[i].expected);
	}
}

static void test_a_time_out_of_all_bounds_is_unknown(void **state)
{
	static const char *const times[] = {"9223372037", "9223372036854775807", "-1",
	    "-9223372036854775807", "1000000000000000000"};

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID
		    "\"},\"time\":%s}",
		    times[i]);
		assert_event(text, ENGINE_START, 0);
	}
}

/* ---- the list -------------------------------------------------------------------------------- */

/* As 20.10 (1.41) sends it; 1.40 is the same. */
#define LISTED(state, status, more) \
	"{\"Id\":\"" ID "\",\"Names\":[\"/web\"],\"Image\":\"nginx\",\"ImageID\":\"sha256:00\"," \
	"\"Command\":\"/start\",\"Created\":1761827723,\"Ports\":[]," \
	"\"Labels\":{\"autoheal\":\"true\",\"com.docker.compose.project\":\"shop\"},\"State\":\"" state \
	"\",\"Status\":\"" status "\",\"HostConfig\":{\"NetworkMode\":\"default\"}," \
	"\"NetworkSettings\":{\"Networks\":{}},\"Mounts\":[]" more "}"
/* Since 1.52 (engine 29) beside it. */
#define HEALTH(status, streak) ",\"Health\":{\"Status\":" status ",\"FailingStreak\":" streak "}"

static void test_an_element_of_the_list(void **state)
{
	(void)state;
	assert_true(read_listed(LISTED("running", "Up 5 minutes (unhealthy)", ""), false));
	assert_memory_equal(facts.id, id_bytes, 32);
	assert_string_equal(facts.name, "web");
	assert_int_equal(facts.created, 1761827723);
	assert_label(facts.labels, "autoheal", "true");
	assert_true(facts.now.running);
	assert_false(facts.now.paused || facts.now.restarting);
	assert_int_equal(facts.now.health, HEALTH_BAD);
	/* and what a list does not tell */
	assert_false(facts.now.whole);
	assert_int_equal(facts.now.age_ms, -1);
	assert_int_equal(facts.now.stop_timeout, WATCH_UNSET);
	assert_int_equal(facts.now.streak, 0);
}

static void test_the_states_of_a_list(void **state)
{
	static const struct {
		const char *text;
		bool running, paused, restarting;
	} rows[] = {
	    {LISTED("running", "Up 2 hours", ""), true, false, false},
	    {LISTED("paused", "Up 2 hours (Paused)", ""), true, true, false},
	    {LISTED("restarting", "Restarting (1) 5 seconds ago", ""), true, false, true},
	    {LISTED("exited", "Exited (137) 5 seconds ago", ""), false, false, false},
	    {LISTED("created", "Created", ""), false, false, false},
	    {LISTED("dead", "Dead", ""), false, false, false},
	    {LISTED("removing", "Removal In Progress", ""), false, false, false},
	    {LISTED("stopped", "", ""), false, false, false},  /* Podman */
	    {LISTED("stopping", "", ""), false, false, false}, /* Podman */
	    {LISTED("Running", "", ""), false, false, false},
	    {LISTED("", "Up 2 hours", ""), false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_listed(rows[i].text, false));
		if (facts.now.running != rows[i].running || facts.now.paused != rows[i].paused ||
		    facts.now.restarting != rows[i].restarting)
			fail_msg("%s", rows[i].text);
		assert_int_equal(facts.now.stopping, !!strstr(rows[i].text, "\"stopping\""));
	}
}

static void test_health_in_the_words_of_the_status(void **state)
{
	static const struct {
		const char *text;
		enum container_health docker, podman;
	} rows[] = {
	    {LISTED("running", "Up 5 minutes (unhealthy)", ""), HEALTH_BAD, HEALTH_BAD},
	    {LISTED("running", "Up 5 minutes (healthy)", ""), HEALTH_GOOD, HEALTH_GOOD},
	    {LISTED("running", "Up 1 second (health: starting)", ""), HEALTH_STARTING,
		HEALTH_STARTING},
	    {LISTED("running", "Up 1 second (starting)", ""), HEALTH_STARTING, HEALTH_STARTING},
	    {LISTED("running", "Up 5 minutes", ""), HEALTH_NONE, HEALTH_UNKNOWN},
	    {LISTED("running", "", ""), HEALTH_NONE, HEALTH_UNKNOWN},
	    {LISTED("running", "(unhealthy) Up 5 minutes", ""), HEALTH_NONE, HEALTH_UNKNOWN},
	    {LISTED("running", "unhealthy", ""), HEALTH_NONE, HEALTH_UNKNOWN},
	    {LISTED("running", "Up 5 minutes (Unhealthy)", ""), HEALTH_NONE, HEALTH_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_listed(rows[i].text, false));
		if (facts.now.health != rows[i].docker)
			fail_msg("%d: %s", facts.now.health, rows[i].text);
		assert_true(read_listed(rows[i].text, true));
		if (facts.now.health != rows[i].podman)
			fail_msg("Podman %d: %s", facts.now.health, rows[i].text);
	}
}

/* Before 1.52 the status of these has no room for health (moby container/state.go, String()):
 * silence there does not mean that there is no healthcheck. */
static void test_a_status_without_room_for_health_leaves_it_unknown(void **state)
{
	static const char *const rows[] = {LISTED("paused", "Up 2 hours (Paused)", ""),
	    LISTED("restarting", "Restarting (1) 5 seconds ago", ""),
	    LISTED("exited", "Exited (137) 5 seconds ago", ""), LISTED("created", "Created", ""),
	    LISTED("dead", "Dead", "")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_listed(rows[i], false));
		if (facts.now.health != HEALTH_UNKNOWN)
			fail_msg("%d: %s", facts.now.health, rows[i]);
	}
}

static void test_health_of_its_own_since_1_52(void **state)
{
	static const struct {
		const char *text;
		enum container_health health;
		uint32_t streak;
	} rows[] = {
	    {LISTED("running", "Up 5 minutes (unhealthy)", HEALTH("\"unhealthy\"", "4")),
		HEALTH_BAD, 4},
	    {LISTED("running", "Up 5 minutes (healthy)", HEALTH("\"healthy\"", "0")), HEALTH_GOOD, 0},
	    {LISTED("running", "Up 5 minutes", HEALTH("\"none\"", "0")), HEALTH_NONE, 0},
	    {LISTED("running", "Up 5 minutes", HEALTH("\"\"", "0")), HEALTH_NONE, 0},
	    {LISTED("running", "Up 1 second", HEALTH("\"starting\"", "1")), HEALTH_STARTING, 1},
	    /* it is believed before the words, and also where they say nothing */
	    {LISTED("paused", "Up 2 hours (Paused)", HEALTH("\"unhealthy\"", "0")), HEALTH_BAD, 0},
	    {LISTED("running", "Up 5 minutes (healthy)", HEALTH("\"unhealthy\"", "3")), HEALTH_BAD, 3},
	    {LISTED("running", "x", HEALTH("\"unhealthy\"", "99999999999")), HEALTH_BAD, UINT32_MAX},
	    {LISTED("running", "x", HEALTH("\"unhealthy\"", "-3")), HEALTH_BAD, 0},
	    {LISTED("running", "x", HEALTH("\"unhealthy\"", "\"3\"")), HEALTH_BAD, 0},
	    {LISTED("running", "x", HEALTH("7", "3")), HEALTH_NONE, 3},
	    {LISTED("running", "x (unhealthy)", ",\"Health\":null"), HEALTH_BAD, 0},
	    {LISTED("running", "x (unhealthy)", ",\"Health\":\"healthy\""), HEALTH_BAD, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_listed(rows[i].text, false));
		if (facts.now.health != rows[i].health || facts.now.streak != rows[i].streak)
			fail_msg("%d, %u: %s", facts.now.health, facts.now.streak, rows[i].text);
	}
}

static void test_the_own_name_among_the_names(void **state)
{
	static const struct {
		const char *names, *expected;
	} rows[] = {
	    {"[\"/web\"]", "web"},
	    {"[\"web\"]", "web"}, /* Podman */
	    {"[\"/other/alias\",\"/web\"]", "web"},
	    {"[\"/web\",\"/other/alias\"]", "web"},
	    {"[\"/other/alias\"]", "other/alias"},
	    {"[\"/w\\u0065b\"]", "web"},
	    {"[\"/\"]", ""},
	    {"[\"\"]", ""},
	    {"[]", ""},
	    {"null", ""},
	    {"\"/web\"", ""},
	    {"{\"0\":\"/web\"}", ""},
	    {"[null,7,{\"x\":\"/y\"},\"/web\"]", NULL}, /* no matter what, as long as it is text */
	    {"[[\"/web\"]]", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Id\":\"" ID "\",\"State\":\"running\",\"Names\":%s}", rows[i].names);
		assert_true(read_listed(text, false));
		assert_non_null(memchr(facts.name, 0, sizeof(facts.name)));
		if (rows[i].expected)
			assert_string_equal(facts.name, rows[i].expected);
	}
}

static void test_a_long_name_is_cut(void **state)
{
	char text[2048], name[1000];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Names\":[\"/%s\"]}", name);
	assert_true(read_listed(text, false));
	assert_int_equal(strlen(facts.name), WATCH_NAME_MAX - 1);
	snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Name\":\"/%s\",\"State\":{}}", name);
	assert_true(read_inspected(text, 0));
	assert_int_equal(strlen(facts.name), WATCH_NAME_MAX - 1);
}

static void test_when_a_listed_one_was_created(void **state)
{
	static const struct {
		const char *created;
		uint32_t expected;
	} rows[] = {{"1761827723", 1761827723}, {"0", 0}, {"-1", 0}, {"4294967296", UINT32_MAX},
	    {"9223372036854775807", UINT32_MAX}, {"99999999999999999999", 0}, {"null", 0},
	    {"\"2025-10-30T12:35:23Z\"", 0}, {"1.5", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text), "{\"Id\":\"" ID "\",\"Created\":%s}", rows[i].created);
		assert_true(read_listed(text, false));
		if (facts.created != rows[i].expected)
			fail_msg("%s gave %u", rows[i].created, facts.created);
	}
}

static void test_a_listed_one_without_an_id_is_none(void **state)
{
	static const char *const rows[] = {"{}", "[]", "null", "\"x\"", "{\"Id\":null}",
	    "{\"Id\":\"\"}", "{\"Id\":\"3f2a00112233\"}", "{\"ID\":\"" ID "\"}",
	    "{\"Id\":[\"" ID "\"]}",
	    "{\"Id\":\"zf2a00112233445566778899aabbccddeeff00112233445566778899aabbccdd\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (read_listed(rows[i], false) || read_inspected(rows[i], 0))
			fail_msg("%s was taken", rows[i]);
}

static void test_labels_may_be_missing(void **state)
{
	int key = -1, value;

	(void)state;
	assert_true(read_listed("{\"Id\":\"" ID "\",\"Labels\":null}", false));
	assert_false(json_next_member(&json, facts.labels, &key, &value));
	assert_true(read_listed("{\"Id\":\"" ID "\"}", false));
	assert_false(json_next_member(&json, facts.labels, &key, &value));
	assert_true(
	    read_inspected("{\"Id\":\"" ID "\",\"State\":{},\"Config\":{\"Labels\":null}}", 0));
	assert_false(json_next_member(&json, facts.labels, &key, &value));
	assert_true(read_inspected("{\"Id\":\"" ID "\",\"State\":{}}", 0));
	assert_false(json_next_member(&json, facts.labels, &key, &value));
}

/* ---- inspect --------------------------------------------------------------------------------- */

/* What matters here of an inspect of 28.5. */
#define INSPECTED(state, config) \
	"{\"Id\":\"" ID \
	"\",\"Created\":\"2025-10-30T12:00:00.5Z\",\"Name\":\"/web\",\"State\":{" state \
	"},\"Config\":{\"Labels\":{\"autoheal\":\"true\"}" config \
	"},\"HostConfig\":{\"RestartPolicy\":{" \
	"\"Name\":\"always\",\"MaximumRetryCount\":0}}}"
#define RUNNING "\"Status\":\"running\",\"Running\":true,\"Paused\":false,\"Restarting\":false"
#define CHECK(members) ",\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]" members "}"

static const char inspected[] = INSPECTED(RUNNING
    ",\"OOMKilled\":false,\"Dead\":false,\"Pid\":42,\"ExitCode\":137,\"Error\":\"\","
    "\"StartedAt\":\"2025-10-30T12:35:23.789012345Z\",\"FinishedAt\":\"0001-01-01T00:00:00Z\","
    "\"Health\":{\"Status\":\"unhealthy\",\"FailingStreak\":5,\"Log\":[{\"Start\":\"x\","
    "\"End\":\"x\",\"ExitCode\":1,\"Output\":\"\"}]}",
    CHECK(",\"Interval\":10000000000,\"Timeout\":5000000000,\"StartPeriod\":60000000000,"
	  "\"Retries\":5") ",\"StopTimeout\":20");

static void test_an_inspect(void **state)
{
	(void)state;
	assert_true(read_inspected(inspected, 1761827783000));
	assert_memory_equal(facts.id, id_bytes, 32);
	assert_string_equal(facts.name, "web");
	assert_label(facts.labels, "autoheal", "true");
	assert_true(facts.now.whole && facts.now.running);
	assert_false(facts.now.paused || facts.now.restarting);
	assert_int_equal(facts.now.health, HEALTH_BAD);
	assert_int_equal(facts.now.streak, 5);
	assert_int_equal(facts.now.check_retries, 5);
	assert_int_equal(facts.now.check_time, 60 + 10 * 5);
	assert_int_equal(facts.now.stop_timeout, 20);
	assert_int_equal(facts.now.exit_code, 137);
	assert_int_equal(facts.now.age_ms, 59211);
}

static void test_an_inspect_with_little_in_it(void **state)
{
	(void)state;
	assert_true(read_inspected("{\"Id\":\"" ID "\",\"State\":{}}", 1761827783000));
	assert_string_equal(facts.name, "");
	assert_false(facts.now.running || facts.now.paused || facts.now.restarting);
	assert_int_equal(facts.now.health, HEALTH_NONE);
	assert_int_equal(facts.now.streak, 0);
	assert_int_equal(facts.now.check_retries, 0);
	assert_int_equal(facts.now.check_time, 0);
	assert_int_equal(facts.now.stop_timeout, 10); /* Docker's default */
	assert_int_equal(facts.now.exit_code, 0);
	assert_int_equal(facts.now.age_ms, -1);
	assert_false(read_inspected("{\"Id\":\"" ID "\"}", 0));
	assert_false(read_inspected("{\"Id\":\"" ID "\",\"State\":null}", 0));
	assert_false(read_inspected("{\"Id\":\"" ID "\",\"State\":\"running\"}", 0));
	assert_false(read_inspected("{\"State\":{\"Status\":\"running\"}}", 0));
}

static void test_the_states_of_an_inspect(void **state)
{
	static const struct {
		const char *text;
		bool running, paused, restarting;
		const char *status;
	} rows[] = {
	    {INSPECTED("\"Status\":\"running\"", ""), true, false, false, "running"},
	    {INSPECTED("\"Status\":\"paused\",\"Running\":true,\"Paused\":true", ""), true, true,
		false, "paused"},
	    {INSPECTED("\"Status\":\"running\",\"Paused\":true", ""), true, true, false, "paused"},
	    {INSPECTED("\"Status\":\"restarting\",\"Running\":true,\"Restarting\":true", ""), true,
		false, true, "restarting"},
	    {INSPECTED("\"Status\":\"running\",\"Restarting\":true", ""), true, false, true,
		"restarting"},
	    {INSPECTED("\"Status\":\"exited\",\"ExitCode\":1", ""), false, false, false, "exited"},
	    {INSPECTED("\"Status\":\"created\"", ""), false, false, false, NULL},
	    {INSPECTED("\"Status\":\"dead\",\"Dead\":true", ""), false, false, false, NULL},
	    {INSPECTED("\"Status\":7,\"Paused\":\"true\",\"Restarting\":1", ""), false, false,
		false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i].text, 0));
		if (facts.now.running != rows[i].running || facts.now.paused != rows[i].paused ||
		    facts.now.restarting != rows[i].restarting)
			fail_msg("%s", rows[i].text);
		if (rows[i].status)
			assert_string_equal(facts_status(&facts.now), rows[i].status);
	}
}

static void test_health_of_an_inspect(void **state)
{
	static const struct {
		const char *text;
		enum container_health health;
		uint32_t streak;
	} rows[] = {
	    {INSPECTED(RUNNING, ""), HEALTH_NONE, 0},
	    {INSPECTED(RUNNING ",\"Health\":null", ""), HEALTH_NONE, 0},
	    {INSPECTED(RUNNING HEALTH("\"none\"", "0"), ""), HEALTH_NONE, 0},
	    {INSPECTED(RUNNING HEALTH("\"\"", "0"), ""), HEALTH_NONE, 0}, /* Podman without one */
	    {INSPECTED(RUNNING HEALTH("\"healthy\"", "1"), ""), HEALTH_GOOD, 1},
	    {INSPECTED(RUNNING HEALTH("\"starting\"", "0"), ""), HEALTH_STARTING, 0},
	    {INSPECTED(RUNNING HEALTH("\"unhealthy\"", "3"), ""), HEALTH_BAD, 3},
	    {INSPECTED(RUNNING HEALTH("\"unhealthy\"", "-1"), ""), HEALTH_BAD, 0},
	    {INSPECTED(RUNNING HEALTH("\"unhealthy\"", "4294967297"), ""), HEALTH_BAD, UINT32_MAX},
	    {INSPECTED(RUNNING HEALTH("\"unhealthy\"", "null"), ""), HEALTH_BAD, 0},
	    {INSPECTED(RUNNING ",\"Health\":\"unhealthy\"", ""), HEALTH_NONE, 0},
	    {INSPECTED(RUNNING ",\"Health\":[\"unhealthy\"]", ""), HEALTH_NONE, 0},
	    /* Podman before 4.4 called it so */
	    {INSPECTED(RUNNING ",\"Healthcheck\":{\"Status\":\"unhealthy\",\"FailingStreak\":2}", ""),
		HEALTH_BAD, 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i].text, 0));
		if (facts.now.health != rows[i].health || facts.now.streak != rows[i].streak)
			fail_msg("%d, %u: %s", facts.now.health, facts.now.streak, rows[i].text);
	}
}

/* ENGINE: without --health-retries inspect says 0, and the engine means 3; likewise 30 s. */
static void test_the_times_of_a_healthcheck(void **state)
{
	static const struct {
		const char *text;
		uint32_t retries, time;
	} rows[] = {
	    {INSPECTED(RUNNING, ""), 0, 0},
	    {INSPECTED(RUNNING, ",\"Healthcheck\":null"), 0, 0},
	    {INSPECTED(RUNNING, CHECK("")), 0, 90},
	    {INSPECTED(RUNNING, CHECK(",\"Retries\":0")), 0, 90},
	    {INSPECTED(RUNNING, CHECK(",\"Retries\":1")), 1, 30},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":1000000000")), 0, 3},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":0,\"StartPeriod\":0")), 0, 90},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":5000000000,\"Retries\":10")), 10, 50},
	    {INSPECTED(RUNNING, CHECK(",\"StartPeriod\":120000000000")), 0, 210},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":500000000,\"Retries\":3")), 3, 1},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":-1,\"StartPeriod\":-1,\"Retries\":-1")), 0, 90},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":\"10s\",\"Retries\":\"5\"")), 0, 90},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":null,\"Retries\":1.5")), 0, 90},
	    /* nonsense is bounded, not believed: a day */
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":9223372036854775807")), 0, 86400},
	    {INSPECTED(RUNNING, CHECK(",\"StartPeriod\":9223372036854775807")), 0, 86400},
	    {INSPECTED(RUNNING, CHECK(",\"Retries\":9223372036854775807")), UINT32_MAX, 86400},
	    {INSPECTED(RUNNING,
		 CHECK(",\"Interval\":9223372036854775807,\"Retries\":"
		       "9223372036854775807,\"StartPeriod\":9223372036854775807")),
		UINT32_MAX, 86400},
	    {INSPECTED(RUNNING, CHECK(",\"Interval\":99999999999999999999")), 0, 90},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i].text, 0));
		if (facts.now.check_retries != rows[i].retries ||
		    facts.now.check_time != rows[i].time)
			fail_msg("%u, %u s: %s", facts.now.check_retries, facts.now.check_time,
			    rows[i].text);
	}
}

static void test_the_stop_timeout(void **state)
{
	static const struct {
		const char *text;
		uint32_t expected;
	} rows[] = {
	    {INSPECTED(RUNNING, ""), 10},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":null"), 10},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":\"5\""), 10},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":0"), 0},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":1"), 1},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":3600"), 3600},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":-1"), WATCH_FOREVER},
	    {INSPECTED(RUNNING, ",\"StopTimeout\":-9223372036854775807"), WATCH_FOREVER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i].text, 0));
		if (facts.now.stop_timeout != rows[i].expected)
			fail_msg("%u: %s", facts.now.stop_timeout, rows[i].text);
	}
}

/* "unknown" would be asked for again and again. */
static void test_a_huge_stop_timeout_is_not_unknown(void **state)
{
	static const char *const rows[] = {INSPECTED(RUNNING, ",\"StopTimeout\":4294967295"),
	    INSPECTED(RUNNING, ",\"StopTimeout\":4294967296"),
	    INSPECTED(RUNNING, ",\"StopTimeout\":9223372036854775807")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i], 0));
		assert_int_not_equal(facts.now.stop_timeout, WATCH_UNSET);
	}
}

static void test_exit_codes(void **state)
{
	static const struct {
		const char *text;
		int32_t expected;
	} rows[] = {{INSPECTED("\"ExitCode\":0", ""), 0}, {INSPECTED("\"ExitCode\":1", ""), 1},
	    {INSPECTED("\"ExitCode\":137", ""), 137}, {INSPECTED("\"ExitCode\":-1", ""), -1},
	    {INSPECTED("\"ExitCode\":3221225786", ""), -1073741510}, /* Windows: 0xC000013A */
	    {INSPECTED("\"ExitCode\":null", ""), 0}, {INSPECTED("\"ExitCode\":\"1\"", ""), 0}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(read_inspected(rows[i].text, 0));
		assert_int_equal(facts.now.exit_code, rows[i].expected);
	}
}

static void test_the_age_by_the_engines_own_clock(void **state)
{
	static const struct {
		const char *started;
		int64_t date, expected;
	} rows[] = {
	    {"\"2025-10-30T12:35:23Z\"", 1761827783000, 60000},
	    {"\"2025-10-30T12:35:23.789012345Z\"", 1761827783000, 59211},
	    {"\"2025-10-30T13:35:23.5+01:00\"", 1761827783000, 59500}, /* Podman: with its zone */
	    {"\"2025-10-30T12:35:23.999999999+00:00\"", 1761827724000, 1},
	    {"\"2025-10-30T12:35:23.789Z\"", 1761827723000, 0}, /* the date has whole seconds */
	    {"\"2025-10-30T12:35:23Z\"", 1761827700000, 0},     /* a clock set back */
	    {"\"2025-10-30T12:35:23Z\"", 0, -1},                /* no date */
	    {"\"0001-01-01T00:00:00Z\"", 1761827783000, -1},    /* never started */
	    {"\"\"", 1761827783000, -1},
	    {"\"yesterday\"", 1761827783000, -1},
	    {"null", 1761827783000, -1},
	    {"1761827723", 1761827783000, -1},
	    {"{}", 1761827783000, -1},
	    {"\"2025-10-30T12:35:23.7890123450000000000000000000000000000Z\"", 1761827783000, -1},
	    {"\"1970-01-02T00:00:00Z\"", 253402300799000, 253402214399000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[512];

		snprintf(text, sizeof(text),
		    "{\"Id\":\"" ID "\",\"State\":{\"Status\":\"running\",\"StartedAt\":%s}}",
		    rows[i].started);
		assert_true(read_inspected(text, rows[i].date));
		if (facts.now.age_ms != rows[i].expected)
			fail_msg("%s gave %lld", rows[i].started, (long long)facts.now.age_ms);
	}
}

/* The engine's clock says 12:36:23; it was started an hour before. */
static void probes_are(const char *check, const char *health, uint64_t age, uint64_t due,
    const char *started, int64_t date)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "{\"Id\":\"" ID "\",\"State\":{\"Status\":\"running\",\"StartedAt\":\"%s\",\"Health\":%s},"
	    "\"Config\":{\"Healthcheck\":%s}}",
	    started, health, check);
	assert_true(read_inspected(text, date));
	if (facts.now.probe_due != due || facts.now.probe_age != age)
		fail_msg("%s, %s gave %llu of %llu ms", check, health,
		    (unsigned long long)facts.now.probe_age, (unsigned long long)facts.now.probe_due);
}

#define HOUR_AGO "2025-10-30T11:36:23Z"
#define NOW_DATE 1761827783000

static void test_the_last_probe(void **state)
{
#define LOG(entries) "{\"Status\":\"healthy\",\"FailingStreak\":0,\"Log\":" entries "}"
	static const char check[] = "{\"Interval\":5000000000,\"Timeout\":1000000000}";
	static const struct {
		const char *health;
		uint64_t age;
	} rows[] = {
	    {LOG("[{\"End\":\"2025-10-30T12:36:13Z\"}]"), 10000},
	    {LOG("[{\"Start\":\"2025-10-30T12:36:22Z\",\"End\":\"2025-10-30T14:36:13.5+02:00\"}]"),
		9500},
	    /* whatever their order */
	    {LOG("[{\"End\":\"2025-10-30T12:36:03Z\"},{\"End\":\"2025-10-30T12:36:20Z\"},{\"End\":1},"
		 "{\"End\":\"2025-10-30T12:36:13Z\",\"Output\":\"End\"},{},7,null]"),
		3000},
	    /* none yet, or none that can be read: since its start */
	    {LOG("null"), 3600000},
	    {LOG("[]"), 3600000},
	    {LOG("{\"End\":\"2025-10-30T12:36:13Z\"}"), 3600000},
	    {LOG("[{\"End\":\"0001-01-01T00:00:00Z\"}]"), 3600000},
	    {LOG("[{\"End\":\"soon\"}]"), 3600000},
	    /* of the time before its start */
	    {LOG("[{\"End\":\"2025-10-30T10:36:13Z\"}]"), 3600000},
	    /* the date has whole seconds */
	    {LOG("[{\"End\":\"2025-10-30T12:36:23.9Z\"}]"), 0},
	    {"{\"Status\":\"starting\"}", 3600000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		probes_are(check, rows[i].health, rows[i].age, 15000, HOUR_AGO, NOW_DATE);
}

static void test_when_a_probe_is_due(void **state)
{
	static const struct {
		const char *check;
		uint64_t due;
	} rows[] = {
	    {"{}", 90000},
	    {"{\"Test\":[\"CMD\",\"true\"],\"Interval\":0,\"Timeout\":0}", 90000},
	    {"{\"Interval\":10000000000,\"Timeout\":5000000000}", 30000},
	    {"{\"Interval\":10000000000,\"Timeout\":20000000000}", 30000},
	    {"{\"Interval\":10000000000,\"Timeout\":25000000000}", 35000}, /* one may take so long */
	    {"{\"Interval\":10000000000}", 40000},
	    {"{\"Interval\":9223372036854775807,\"Timeout\":1}", 27670116110562},
	    {"{\"Interval\":1000000000,\"Timeout\":9223372036854775807}", 9223372037854},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		probes_are(rows[i].check, LOG("[{\"End\":\"2025-10-30T12:36:13Z\"}]"), 10000,
		    rows[i].due, HOUR_AGO, NOW_DATE);
}

static void test_where_no_probe_is_due(void **state)
{
	static const char check[] = "{\"Interval\":5000000000}", log[] = LOG("[]");

	(void)state;
	probes_are("null", log, 0, 0, HOUR_AGO, NOW_DATE);
	probes_are("[]", log, 0, 0, HOUR_AGO, NOW_DATE);
	probes_are(check, "null", 0, 0, HOUR_AGO, NOW_DATE);
	probes_are(check, "{\"Status\":\"none\"}", 0, 0, HOUR_AGO, NOW_DATE);
	probes_are(check, "{\"Status\":\"\",\"Log\":null}", 0, 0, HOUR_AGO, NOW_DATE); /* Podman */
	probes_are(check, log, 0, 0, HOUR_AGO, 0);
	probes_are(check, log, 0, 0, "0001-01-01T00:00:00Z", NOW_DATE);
#undef LOG
}

/* ---- JSON that no engine sends --------------------------------------------------------------- */

static void read_all_ways(void)
{
	if (facts_read_event(&json, &event)) {
		assert_in_range(event.action, ENGINE_CREATE, ENGINE_UNHEALTHY);
		assert_true(event.attributes >= -1 && event.attributes < json.count);
	}
	for (int podman = 0; podman < 2; podman++)
		if (facts_read_listed(&json, podman, &facts)) {
			assert_non_null(memchr(facts.name, 0, sizeof(facts.name)));
			assert_in_range(facts.now.health, HEALTH_UNKNOWN, HEALTH_BAD);
			assert_true(facts.labels >= -1 && facts.labels < json.count);
		}
	if (facts_read_inspected(&json, 1761827783000, &facts)) {
		assert_non_null(memchr(facts.name, 0, sizeof(facts.name)));
		assert_in_range(facts.now.health, HEALTH_UNKNOWN, HEALTH_BAD);
		assert_true(facts.now.age_ms >= -1);
	}
}

static const char *const samples[] = {docker_event,
    LISTED("running", "Up 5 minutes (unhealthy)", HEALTH("\"unhealthy\"", "3")), inspected};

/* Every token of a good value in turn becomes something else. */
static void test_a_wrong_type_anywhere_does_no_harm(void **state)
{
	static const char *const wrong[] = {"null", "true", "0", "-1", "1e999",
	    "-9223372036854775808", "99999999999999999999", "\"\"", "\"x\"", "\"\\u0000\"",
	    "\"\\\\\"", "\"\\ud800\"", "[]", "{}", "[[[[[[]]]]]]", "{\"\":{\"\":{\"\":[]}}}",
	    "[null]", "\"" ID "\"", "{\"ID\":\"" ID "\"}"};
	size_t tried = 0;

	(void)state;
	for (size_t s = 0; s < COUNT(samples); s++) {
		const char *text = samples[s];
		static jsmntok_t whole[512];
		int count;

		parse(text);
		count = json.count;
		assert_true(count < (int)COUNT(whole));
		memcpy(whole, tokens, (size_t)count * sizeof(*whole));
		for (int t = 0; t < count; t++) {
			bool quoted = whole[t].type == JSMN_STRING;
			size_t from = (size_t)(whole[t].start - quoted),
			       to = (size_t)(whole[t].end + quoted);

			for (size_t w = 0; w < COUNT(wrong); w++) {
				char changed[2048];
				size_t n = (size_t)snprintf(changed, sizeof(changed), "%.*s%s%s",
				    (int)from, text, wrong[w], text + to);

				assert_true(n < sizeof(changed));
				if (!parse_bytes(changed, n))
					continue;
				tried++;
				read_all_ways();
			}
		}
	}
	assert_true(tried > 1000);
}

/* A number or a word at the end of the bytes, a member without a value: whatever the tokenizer lets
 * pass. */
static void test_damage_anywhere_does_no_harm(void **state)
{
	static const char instead[] = "\"\\{}[],:0-.e \x01\xFFtn";

	(void)state;
	for (size_t s = 0; s < COUNT(samples); s++) {
		size_t n = strlen(samples[s]);
		char changed[2048];

		assert_true(n < sizeof(changed));
		for (size_t at = 0; at < n; at++) {
			for (size_t k = 0; k < sizeof(instead) - 1; k++) {
				memcpy(changed, samples[s], n);
				changed[at] = instead[k];
				if (parse_bytes(changed, n))
					read_all_ways();
			}
			if (parse_bytes(samples[s], at))
				read_all_ways();
		}
	}
}

static void test_members_twice_do_no_harm(void **state)
{
	(void)state;
	parse("{\"Id\":\"" ID "\",\"Id\":7,\"State\":\"running\",\"State\":{\"Status\":\"running\"},"
	      "\"Names\":[],\"Names\":[\"/web\"],\"Type\":\"container\",\"Type\":\"image\"}");
	read_all_ways();
}

/* ---- what no event has told ------------------------------------------------------------------ */

#define TOLD(action) (1u << ENGINE_##action)

static const struct container well = {.running = true, .health = HEALTH_GOOD, .changed = 5000};
static const struct policy_facts shown_well = {
    .running = true, .health = HEALTH_GOOD, .asked = 9000, .age_ms = -1};

static void test_what_agrees_owes_nothing(void **state)
{
	(void)state;
	for (int podman = 0; podman < 2; podman++) {
		struct container c = well;
		struct policy_facts f = shown_well;

		assert_int_equal(facts_untold(&c, &f, podman), 0);
		c.health = f.health = HEALTH_BAD;
		assert_int_equal(facts_untold(&c, &f, podman), 0);
		c.paused = f.paused = true;
		assert_int_equal(facts_untold(&c, &f, podman), 0);
		c.running = f.running = c.paused = f.paused = false;
		assert_int_equal(facts_untold(&c, &f, podman), 0);
	}
}

static void test_starts_and_ends_owe_an_event(void **state)
{
	(void)state;
	for (int podman = 0; podman < 2; podman++) {
		struct container c = well;
		struct policy_facts f = shown_well;

		f.running = false;
		assert_int_equal(facts_untold(&c, &f, podman), TOLD(DIE) | TOLD(STOP));
		c.running = false;
		f.running = true;
		assert_int_equal(facts_untold(&c, &f, podman), TOLD(START));
		c.running = true;
		f.paused = true;
		assert_int_equal(facts_untold(&c, &f, podman), TOLD(PAUSE));
		f.paused = false;
		c.paused = true;
		assert_int_equal(facts_untold(&c, &f, podman), TOLD(UNPAUSE));
	}
}

/* Every pair of what is known and what the list shows. */
static void test_health_owes_an_event_where_a_probe_changed_it(void **state)
{
	static const enum container_health known[] = {
	    HEALTH_STARTING, HEALTH_GOOD, HEALTH_BAD, HEALTH_NONE, HEALTH_UNKNOWN};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		for (size_t k = 0; k < COUNT(known); k++) {
			struct container c = well;
			struct policy_facts f = shown_well;
			unsigned owed = 0;

			c.health = (uint8_t)known[i];
			f.health = known[k];
			if (i < 3 && i != k && known[k] == HEALTH_BAD)
				owed = TOLD(UNHEALTHY);
			if (i < 3 && i != k && known[k] == HEALTH_GOOD)
				owed = TOLD(HEALTHY);
			assert_int_equal(facts_untold(&c, &f, false), owed);
			assert_int_equal(
			    facts_untold(&c, &f, true), 0); /* Podman may keep them to itself */
		}
	}
}

/* A pause and an exit make a container look unhealthy, and no event says so. */
static void test_health_that_turned_without_a_probe_owes_nothing(void **state)
{
	struct container c = well;
	struct policy_facts f = shown_well;

	(void)state;
	f.health = HEALTH_BAD;
	assert_int_equal(facts_untold(&c, &f, false), TOLD(UNHEALTHY));
	c.flipped = true;
	assert_int_equal(facts_untold(&c, &f, false), 0);
	c.flipped = false;
	c.paused = f.paused = true;
	assert_int_equal(facts_untold(&c, &f, false), 0);
	c.paused = f.paused = c.running = f.running = false;
	assert_int_equal(facts_untold(&c, &f, false), 0);
}

static void test_one_that_the_engine_restarts_over_and_over_owes_nothing(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		struct container c = well;
		struct policy_facts f = shown_well;

		c.restarting = known;
		f.restarting = !known;
		f.running = false;
		assert_int_equal(facts_untold(&c, &f, false), 0);
		f.running = true;
		f.health = HEALTH_BAD;
		assert_int_equal(facts_untold(&c, &f, false), 0);
	}
}

/* An event that came after the list was asked for is newer than what the list shows. */
static void test_an_older_list_owes_nothing(void **state)
{
	struct container c = well;
	struct policy_facts f = shown_well;

	(void)state;
	f.running = false;
	c.changed = 9001;
	assert_int_equal(facts_untold(&c, &f, false), 0);
	c.changed = 9000;
	assert_int_not_equal(facts_untold(&c, &f, false), 0);
	/* the clock's low bits begin anew every 49 days */
	f.asked = 0x1FFFFFFFFull;
	c.changed = 4;
	assert_int_equal(facts_untold(&c, &f, false), 0);
	c.changed = 0xFFFFFF00u;
	assert_int_not_equal(facts_untold(&c, &f, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_form_of_docker_with_legacy_fields),
	    cmocka_unit_test(test_the_form_since_1_52),
	    cmocka_unit_test(test_the_form_of_old),
	    cmocka_unit_test(test_the_forms_of_podman),
	    cmocka_unit_test(test_every_action_is_known),
	    cmocka_unit_test(test_other_actions_are_passed_over),
	    cmocka_unit_test(test_only_containers_are_of_interest),
	    cmocka_unit_test(test_an_event_without_a_readable_id_is_none),
	    cmocka_unit_test(test_labels_cannot_speak_for_the_engine),
	    cmocka_unit_test(test_the_time_of_an_event),
	    cmocka_unit_test(test_an_element_of_the_list),
	    cmocka_unit_test(test_the_states_of_a_list),
	    cmocka_unit_test(test_health_in_the_words_of_the_status),
	    cmocka_unit_test(test_a_status_without_room_for_health_leaves_it_unknown),
	    cmocka_unit_test(test_health_of_its_own_since_1_52),
	    cmocka_unit_test(test_the_own_name_among_the_names),
	    cmocka_unit_test(test_a_long_name_is_cut),
	    cmocka_unit_test(test_when_a_listed_one_was_created),
	    cmocka_unit_test(test_a_listed_one_without_an_id_is_none),
	    cmocka_unit_test(test_labels_may_be_missing),
	    cmocka_unit_test(test_an_inspect),
	    cmocka_unit_test(test_an_inspect_with_little_in_it),
	    cmocka_unit_test(test_the_states_of_an_inspect),
	    cmocka_unit_test(test_health_of_an_inspect),
	    cmocka_unit_test(test_the_times_of_a_healthcheck),
	    cmocka_unit_test(test_the_stop_timeout),
	    cmocka_unit_test(test_a_huge_stop_timeout_is_not_unknown),
	    cmocka_unit_test(test_exit_codes),
	    cmocka_unit_test(test_the_age_by_the_engines_own_clock),
	    cmocka_unit_test(test_the_last_probe),
	    cmocka_unit_test(test_when_a_probe_is_due),
	    cmocka_unit_test(test_where_no_probe_is_due),
	    cmocka_unit_test(test_damage_anywhere_does_no_harm),
	    cmocka_unit_test(test_members_twice_do_no_harm),
	    cmocka_unit_test(test_a_wrong_type_anywhere_does_no_harm),
	    cmocka_unit_test(test_a_time_out_of_all_bounds_is_unknown),
	    cmocka_unit_test(test_what_agrees_owes_nothing),
	    cmocka_unit_test(test_starts_and_ends_owe_an_event),
	    cmocka_unit_test(test_health_owes_an_event_where_a_probe_changed_it),
	    cmocka_unit_test(test_health_that_turned_without_a_probe_owes_nothing),
	    cmocka_unit_test(test_one_that_the_engine_restarts_over_and_over_owes_nothing),
	    cmocka_unit_test(test_an_older_list_owes_nothing),
	};

	return cmocka_run_group_tests_name("facts", tests, NULL, NULL);
}
