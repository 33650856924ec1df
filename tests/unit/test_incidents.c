/* test_incidents.c - what incidents.h promises: what is kept, what goes, how an incident ends, what evidence is, and
 * that a log's frames may be cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "frames.h"
#include "incidents.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct incidents t;
static const char host[] = "local";
static const uint8_t id_of_container[32] = {1};

static int teardown(void **state)
{
	(void)state;
	incidents_free(&t);
	assert_int_equal(t.count, 0);
	return 0;
}

static struct incident *opened(uint64_t id, const char *name)
{
	struct incident what = {.id = id,
	    .opened = (int64_t)id * 1000,
	    .cause = "unhealthy",
	    .detected_by = "event",
	    .host = host};

	return incidents_open(&t, &what, span_of(name), span_of(name));
}

/* A name of its own for each. */
static struct incident *another(uint64_t id)
{
	char name[24];

	snprintf(name, sizeof name, "c%llu", (unsigned long long)id);
	return opened(id, name);
}

static void told(struct incident *i, enum audit_kind kind, const char *status, const char *action)
{
	struct audit_event e = {.kind = kind,
	    .wall = 5000,
	    .status = span_of(status),
	    .action = span_of(action),
	    .message = span_of("the engine's words")};

	incident_told(i, &e, 250);
}

static const char *printed(const struct incident *i, bool whole)
{
	static char text[65536];
	struct json_writer w;
	struct buf b;
	size_t at;

	buf_init(&b, sizeof text - 1);
	json_start(&w, &b);
	incident_print(&w, i, whole);
	assert_false(b.failed);
	assert_true(json_valid((struct span){b.p, b.n}, &at));
	memcpy(text, b.p, b.n);
	text[b.n] = 0;
	buf_free(&b);
	return text;
}

static void shows(const struct incident *i, const char *words)
{
	if (!strstr(printed(i, true), words))
		fail_msg("%s\nlacks %s", printed(i, true), words);
}

/* ---- the list --------------------------------------------------------------------------------- */

static void test_the_newest_stay(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= 100; id++) {
		incident_close(&t, another(id), 7, 1);
		assert_true(t.count <= INCIDENTS_MAX);
	}
	assert_null(incidents_find(&t, 100 - INCIDENTS_MAX));
	for (uint64_t id = 100 - INCIDENTS_MAX + 1; id <= 100; id++)
		assert_int_equal(incidents_find(&t, id)->id, id);
}

/* What is over goes before what is not; only where nothing is over, the oldest does. */
static void test_the_open_ones_go_last(void **state)
{
	(void)state;
	for (uint64_t id = 1; id <= INCIDENTS_MAX; id++)
		another(id);
	incident_close(&t, incidents_find(&t, 9), 7, 1);
	another(100);
	assert_null(incidents_find(&t, 9));
	assert_non_null(incidents_find(&t, 1));
	another(101);
	assert_null(incidents_find(&t, 1));
	assert_non_null(incidents_find(&t, 2));
}

static void test_the_next_of_an_identity_ends_the_last(void **state)
{
	(void)state;
	opened(1, "web");
	opened(2, "db");
	opened(3, "web");
	shows(incidents_find(&t, 1), "\"outcome\":\"cancelled\"");
	shows(incidents_find(&t, 2), "\"outcome\":\"open\"");
	shows(incidents_find(&t, 3), "\"outcome\":\"open\"");
}

static void test_evidence_is_kept_of_the_newest(void **state)
{
	struct evidence *first;

	(void)state;
	first = incidents_evidence(&t, another(1));
	assert_ptr_equal(incidents_evidence(&t, incidents_find(&t, 1)), first);
	for (uint64_t id = 2; id <= 20; id++)
		assert_non_null(incidents_evidence(&t, another(id)));
	for (uint64_t id = 1; id <= 20; id++)
		assert_int_equal(
		    incidents_find(&t, id)->evidence != NULL, id > 20 - INCIDENTS_EVIDENCE);
}

/* Where there is a folder, it is on disk that they take their room. */
static void test_all_evidence_is_kept_where_there_is_a_folder(void **state)
{
	(void)state;
	t.stored = true;
	for (uint64_t id = 1; id <= 40; id++) {
		struct incident *i = another(id);

		assert_non_null(incidents_evidence(&t, i));
		incident_close(&t, i, 7, 1);
	}
	for (size_t i = 0; i < t.count; i++)
		assert_non_null(t.list[i]->evidence);
	assert_int_equal(t.count, INCIDENTS_MAX);
	t.stored = false;
}

/* ---- what is done and how it ends ---------------------------------------------------------------- */

static void test_a_heal(void **state)
{
	struct incident *i = opened(0x19a, "web");

	(void)state;
	incident_asked(i, 0, id_of_container, "restart", 4750);
	shows(i,
	    "\"actions\":[{\"at\":\"1970-01-01T00:00:04.750Z\",\"action\":\"restart\",\"status\":null,"
	    "\"duration_ms\":null,\"error\":null}],\"actions_left_out\":0,\"outcome\":\"open\","
	    "\"seconds_to_recover\":null,\"evidence\":null");
	told(i, AUDIT_RESTART, "success", "restart");
	told(i, AUDIT_RECOVERED, "healthy", NULL);
	incident_close(&t, i, 9000, 4600);
	assert_string_equal(printed(i, false),
	    "{\"id\":\"19a\",\"stable_id\":\"web\",\"container_name\":\"web\",\"host\":\"local\","
	    "\"opened\":\"1970-01-01T00:06:50.000Z\",\"closed\":\"1970-01-01T00:00:09.000Z\","
	    "\"cause\":\"unhealthy\",\"detected_by\":\"event\",\"actions\":[{\"at\":\"1970-01-01T00:00:04.750Z\","
	    "\"action\":\"restart\",\"status\":\"success\",\"duration_ms\":250,\"error\":null}],"
	    "\"actions_left_out\":0,\"outcome\":\"recovered\",\"seconds_to_recover\":4.6,\"evidence\":null}");
}

/* It may be closed before or after what it ended in is told. */
static void test_every_outcome(void **state)
{
	static const struct {
		enum audit_kind kind;
		const char *status, *outcome;
	} cases[] = {
	    {AUDIT_RECOVERED, "healthy", "recovered"},
	    {AUDIT_SKIPPED, "recovered", "recovered"},
	    {AUDIT_SKIPPED, "stopped", "cancelled"},
	    {AUDIT_SKIPPED, "gone", "cancelled"},
	    {AUDIT_NOT_RECOVERED, "exited", "not_recovered"},
	    {AUDIT_NOT_RECOVERED, "relapsed", "not_recovered"},
	    {AUDIT_QUARANTINE, "quarantined", "quarantined"},
	    {AUDIT_STRANDED, "restarted", "cancelled"},
	};
	char wanted[64];

	(void)state;
	for (size_t k = 0; k < COUNT(cases) * 2; k++) {
		const char *outcome = cases[k / 2].outcome;
		struct incident *i = another(k + 1);

		if (k % 2)
			incident_close(&t, i, 1, 1500);
		told(i, cases[k / 2].kind, cases[k / 2].status, NULL);
		if (k % 2 == 0)
			incident_close(&t, i, 1, 1500);
		snprintf(wanted, sizeof wanted, "\"outcome\":\"%s\",\"seconds_to_recover\":%s,",
		    outcome, strcmp(outcome, "recovered") ? "null" : "1.5");
		shows(i, wanted);
	}
}

/* A heal that did not last did not help. */
static void test_a_relapse_changes_the_end(void **state)
{
	struct incident *i = opened(1, "web");

	(void)state;
	told(i, AUDIT_RECOVERED, "healthy", NULL);
	incident_close(&t, i, 1, 1500);
	told(i, AUDIT_NOT_RECOVERED, "relapsed", NULL);
	shows(i, "\"outcome\":\"not_recovered\",\"seconds_to_recover\":null");
}

static void test_what_is_tried_anew_is_open_anew(void **state)
{
	struct incident *i = opened(1, "web");

	(void)state;
	incident_asked(i, 0, id_of_container, "restart", 1);
	told(i, AUDIT_RESTART, "failure", "restart");
	shows(i, "\"status\":\"failure\",\"duration_ms\":250,\"error\":\"the engine's words\"");
	incident_asked(i, 0, id_of_container, "start", 2);
	told(i, AUDIT_RESTART, "success", "start");
	incident_close(&t, i, 3, 1); /* and nothing more is known */
	shows(i, "\"outcome\":\"cancelled\"");
	incident_asked(i = opened(2, "db"), 0, id_of_container, "stop", 1);
	told(i, AUDIT_RESTART, "success", "stop");
	incident_close(&t, i, 3, 1);
	shows(i, "\"outcome\":\"not_recovered\""); /* it is left down */
}

static void test_words_only(void **state)
{
	struct incident *i = opened(1, "web");

	(void)state;
	told(i, AUDIT_RESTART, "success", "notify");
	shows(i, "\"action\":\"notify\",\"status\":\"success\",\"duration_ms\":0,\"error\":null");
	told(i, AUDIT_STRANDED, "reported", "notify");
	assert_int_equal(i->actions, 2);
	shows(i, "\"outcome\":\"open\"");
}

/* One that never reached the engine is the same as the next. */
static void test_unsent_requests_are_one_action(void **state)
{
	struct incident *i = opened(1, "web");

	(void)state;
	for (int k = 0; k < 5; k++)
		incident_asked(i, 0, id_of_container, "restart", k);
	assert_int_equal(i->actions, 1);
	shows(i, "\"at\":\"1970-01-01T00:00:00.004Z\"");
}

static void test_of_many_actions_the_first_and_the_last_are_kept(void **state)
{
	struct incident *i = opened(1, "web");

	(void)state;
	for (int k = 1; k <= 20; k++) {
		incident_asked(i, 0, id_of_container, "restart", k);
		told(i, AUDIT_RESTART, "failure", "restart");
	}
	for (int k = 0; k < INCIDENT_ACTIONS_MAX - 1; k++)
		assert_int_equal(i->kept[k].at, k + 1);
	assert_int_equal(i->kept[INCIDENT_ACTIONS_MAX - 1].at, 20);
	shows(i, "\"actions_left_out\":12,");
}

/* ---- evidence ---------------------------------------------------------------------------------- */

static struct evidence evidence;

static void read_inspect(const char *text)
{
	static jsmntok_t tokens[JSON_TOKENS_MAX];
	struct json j;

	memset(&evidence, 0x5a, sizeof evidence);
	evidence.logged = evidence.log_cut = evidence.inspected = false;
	evidence.log_length = 0;
	assert_int_equal(json_parse(&j, span_of(text), tokens, JSON_TOKENS_MAX), 0);
	evidence_read(&evidence, &j, 77);
}

static const char *evidence_printed(bool whole)
{
	static char text[65536];
	struct incident *i = opened(t.count + 1, "web");
	const char *at;

	i->evidence = malloc(sizeof evidence);
	*i->evidence = evidence;
	at = strstr(printed(i, whole), "\"evidence\":");
	snprintf(text, sizeof text, "%s", at + 11);
	text[strlen(text) - 1] = 0;
	return text;
}

#define PROBE(end, code, output) \
	"{\"Start\":\"x\",\"End\":\"" end "\",\"ExitCode\":" #code ",\"Output\":\"" output "\"}"

static void test_an_inspect(void **state)
{
	(void)state;
	read_inspect("{\"State\":{\"ExitCode\":137,\"OOMKilled\":true,\"Health\":{\"Log\":[" PROBE(
	    "2025-10-30T12:35:23.789123456+01:00", 1, "no\\n\\u001b[31m") "," PROBE("soon", -1,
	    "") "]}}}");
	assert_int_equal(evidence.asked, 77);
	assert_string_equal(evidence_printed(true),
	    "{\"exit_code\":137,\"oom_killed\":true,\"probes\":[{\"end\":\"2025-10-30T11:35:23.789Z\",\"exit_code\":1,"
	    "\"output\":\"no\\n\\u001b[31m\"},{\"end\":null,\"exit_code\":-1,\"output\":\"\"}],\"log\":null}");
	evidence_add_log(&evidence, span_of("secret\n"));
	assert_string_equal(evidence_printed(false),
	    "{\"exit_code\":137,\"oom_killed\":true,\"probes\":[{\"end\":\"2025-10-30T11:35:23.789Z\",\"exit_code\":1,"
	    "\"output\":\"***\"},{\"end\":null,\"exit_code\":-1,\"output\":\"***\"}],\"log\":\"***\"}");
}

static void test_what_an_inspect_may_lack(void **state)
{
	static const char *const without[] = {"{\"State\":{}}", "{\"State\":{\"Health\":null}}",
	    "{\"State\":{\"Health\":{\"Log\":null}}}", "{\"State\":{\"Health\":{\"Log\":[]}}}",
	    "{\"State\":{\"ExitCode\":\"x\",\"Health\":{\"Log\":{}}}}"};

	(void)state;
	for (size_t k = 0; k < COUNT(without); k++) {
		read_inspect(without[k]);
		assert_string_equal(evidence_printed(true),
		    "{\"exit_code\":0,\"oom_killed\":false,\"probes\":[],\"log\":null}");
	}
	read_inspect("{\"State\":{\"Health\":{\"Log\":[7,null]}}}");
	assert_int_equal(evidence.probes_count, 2);
	read_inspect("[1]");
	assert_string_equal(evidence_printed(true), "null");
	read_inspect("{\"State\":{\"Healthcheck\":{\"Log\":[" PROBE("x", 1, "podman") "]}}}");
	assert_int_equal(evidence.probes_count, 1);
}

/* However much a container says: 4 KiB, and of the probes the last five. */
static void test_outputs_are_bounded(void **state)
{
	static char text[300000];

	(void)state;
	for (int count = 1; count <= 40; count++) {
		size_t n = (size_t)snprintf(text, sizeof text, "{\"State\":{\"Health\":{\"Log\":[");
		size_t all = 0;

		for (int k = 0; k < count; k++) {
			n += (size_t)snprintf(text + n, sizeof text - n,
			    "%s{\"ExitCode\":%d,\"Output\":\"", k ? "," : "", k);
			memset(text + n, 'a' + k % 26, 4096);
			n += 4096;
			n += (size_t)snprintf(text + n, sizeof text - n, "\"}");
		}
		snprintf(text + n, sizeof text - n, "]}}}");
		read_inspect(text);
		assert_int_equal(evidence.probes_count, count < 5 ? count : 5);
		for (int k = 0; k < evidence.probes_count; k++) {
			assert_int_equal(
			    evidence.probes[k].exit_code, count - evidence.probes_count + k);
			assert_int_equal(
			    evidence.outputs[all], 'a' + (count - evidence.probes_count + k) % 26);
			all += evidence.probes[k].length;
		}
		assert_in_range(all, EVIDENCE_OUTPUTS_MAX - 10, EVIDENCE_OUTPUTS_MAX);
	}
}

/* The end of the log is kept, from the beginning of a line on, whatever the pieces. */
static void test_the_end_of_a_log_is_kept(void **state)
{
	char all[20000], expected[2100];
	size_t n = 0;

	(void)state;
	while (n < sizeof all - 40)
		n += (size_t)snprintf(all + n, sizeof all - n, "line at %zu\n", n);
	snprintf(expected, sizeof expected, "%s", strchr(all + n - EVIDENCE_LOG_MAX, '\n') + 1);
	for (size_t piece = 1; piece < 5000; piece = piece * 3 / 2 + 1) {
		memset(&evidence, 0, sizeof evidence);
		for (size_t at = 0; at < n; at += piece)
			evidence_add_log(
			    &evidence, (struct span){all + at, piece < n - at ? piece : n - at});
		assert_int_equal(evidence.log_length, EVIDENCE_LOG_MAX);
		assert_non_null(strstr(evidence_printed(true), "\"log\":\"line at "));
		assert_memory_equal(
		    evidence.log + EVIDENCE_LOG_MAX - strlen(expected), expected, strlen(expected));
	}
	memset(&evidence, 0, sizeof evidence);
	memset(all, 'x', sizeof all);
	evidence_add_log(&evidence, (struct span){all, sizeof all});
	assert_int_equal(strlen(evidence_printed(true)),
	    strlen("{\"exit_code\":null,\"oom_killed\":null,\"probes\":[],\"log\":\"\"}") +
		EVIDENCE_LOG_MAX);
}

static void test_hostile_bytes_become_valid_json(void **state)
{
	char bytes[256];

	(void)state;
	memset(&evidence, 0, sizeof evidence);
	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	for (int i = 0; i < 20; i++)
		evidence_add_log(&evidence, (struct span){bytes, sizeof bytes});
	assert_non_null(evidence_printed(true)); /* printed() checks it */
}

/* ---- frames ------------------------------------------------------------------------------------- */

/* All of a log, handed in as two or three pieces. */
static size_t unframed(const char *p, size_t n, size_t cut, size_t second, char *out)
{
	struct frames f = {.have = 0};
	size_t ends[] = {cut, cut + second < n ? cut + second : n, n}, used = 0, from = 0;

	for (size_t k = 0; k < COUNT(ends); k++) {
		const char *at = p + from;
		size_t left = ends[k] - from;
		struct span text;

		while (frames_next(&f, &at, &left, &text)) {
			memcpy(out + used, text.p, text.n);
			used += text.n;
		}
		assert_int_equal(left, 0);
		assert_ptr_equal(at, p + ends[k]);
		from = ends[k];
	}
	return used;
}

static void unframes(const char *p, size_t n, const char *expected, size_t expected_n)
{
	char out[512];

	for (size_t cut = 0; cut <= n; cut++) {
		for (size_t second = 0; second <= n - cut; second++) {
			assert_int_equal(unframed(p, n, cut, second, out), expected_n);
			assert_memory_equal(out, expected, expected_n);
		}
	}
}

#define UNFRAMES(stream, text) unframes(stream, sizeof(stream) - 1, text, sizeof(text) - 1)

static void test_frames_cut_anywhere(void **state)
{
	(void)state;
	UNFRAMES("\1\0\0\0\0\0\0\6first\n\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\7second\n\0\0\0\0\0\0\0\1x",
	    "first\nsecond\nx");
	UNFRAMES("\1\0\0\0\0\1\2\3short", "short"); /* it ends amid a piece */
	UNFRAMES("\1\0\0\0\0\0", "");
	UNFRAMES("", "");
}

/* A terminal's log, or whatever it is, is taken as it stands. */
static void test_what_has_no_frames(void **state)
{
	(void)state;
	UNFRAMES("hello\r\n\x1b[0m", "hello\r\n\x1b[0m");
	UNFRAMES("\1hello", "\1hello");
	UNFRAMES("\2\0\0x\0\0\0\1", "\2\0\0x\0\0\0\1");
	UNFRAMES("\3\0\0\0\0\0\0\1x", "\3\0\0\0\0\0\0\1x");
	UNFRAMES("\1\0\0\0\0\0\0\1a\7bc", "a\7bc");
	UNFRAMES("\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff");
}

static void test_who_is_printed(void **state)
{
	struct incident what = {.id = 9, .cause = "crash", .detected_by = "event", .host = "nas"};
	struct buf b;

	(void)state;
	opened(1, "web");
	opened(2, "db");
	incidents_open(&t, &what, span_of("web-1"), span_of("nas/web"));
	for (int k = 0; k < 6; k++) {
		static const struct {
			const char *wanted, *host, *ids;
		} cases[] = {{"web", "local", "1"}, {"web", NULL, "1"}, {"nas/web", "nas", "9"},
		    {"web-1", NULL, "9"}, {"web-1", "nas", ""}, {"nobody", NULL, ""}};
		char id[32];

		buf_init(&b, 65536);
		assert_int_equal(incidents_print(&t, &b, cases[k].wanted, cases[k].host, true),
		    cases[k].ids[0] != 0);
		buf_add(&b, "", 1);
		snprintf(id, sizeof id, "[{\"id\":\"%s\"", cases[k].ids);
		assert_memory_equal(
		    b.p, cases[k].ids[0] ? id : "[]", cases[k].ids[0] ? strlen(id) : 3);
		assert_null(strstr(b.p, "},{\"id\"")); /* and nobody else */
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_the_newest_stay, teardown),
	    cmocka_unit_test_teardown(test_the_open_ones_go_last, teardown),
	    cmocka_unit_test_teardown(test_the_next_of_an_identity_ends_the_last, teardown),
	    cmocka_unit_test_teardown(test_evidence_is_kept_of_the_newest, teardown),
	    cmocka_unit_test_teardown(test_all_evidence_is_kept_where_there_is_a_folder, teardown),
	    cmocka_unit_test_teardown(test_a_heal, teardown),
	    cmocka_unit_test_teardown(test_every_outcome, teardown),
	    cmocka_unit_test_teardown(test_a_relapse_changes_the_end, teardown),
	    cmocka_unit_test_teardown(test_what_is_tried_anew_is_open_anew, teardown),
	    cmocka_unit_test_teardown(test_words_only, teardown),
	    cmocka_unit_test_teardown(test_unsent_requests_are_one_action, teardown),
	    cmocka_unit_test_teardown(test_of_many_actions_the_first_and_the_last_are_kept, teardown),
	    cmocka_unit_test_teardown(test_an_inspect, teardown),
	    cmocka_unit_test_teardown(test_what_an_inspect_may_lack, teardown),
	    cmocka_unit_test_teardown(test_outputs_are_bounded, teardown),
	    cmocka_unit_test_teardown(test_the_end_of_a_log_is_kept, teardown),
	    cmocka_unit_test_teardown(test_hostile_bytes_become_valid_json, teardown),
	    cmocka_unit_test_teardown(test_frames_cut_anywhere, teardown),
	    cmocka_unit_test_teardown(test_what_has_no_frames, teardown),
	    cmocka_unit_test_teardown(test_who_is_printed, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
