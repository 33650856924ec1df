/* test_healthchecks.c - what healthchecks.h promises: probes that people gave, read, kept and printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "healthchecks.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static jsmntok_t tokens[2048];
static struct json j;
static struct healthcheck one;
static const char *member;

static void parse(const char *text)
{
	assert_int_equal(json_parse(&j, span_of(text), tokens, COUNT(tokens)), 0);
}

static const char *read_one(const char *text)
{
	parse(text);
	return healthcheck_read(&j, 0, &one, &member);
}

static void reads(const char *text)
{
	const char *wrong = read_one(text);

	if (wrong)
		fail_msg("%s: %s: %s", text, member, wrong);
}

static const char *printed(void)
{
	static char text[8192];
	struct json_writer w;
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	json_start(&w, &b);
	healthcheck_print(&w, &one, true);
	json_close(&w, '}');
	span_copy((struct span){b.p, b.n}, text, sizeof(text));
	buf_free(&b);
	return text;
}

#define OF "{\"container_id\":\"web\",\"check_type\":"

static void test_defaults(void **state)
{
	(void)state;
	reads(OF "\"http\",\"http_endpoint\":\":8080/health?x=1\"}");
	assert_string_equal(one.container, "web");
	assert_int_equal(one.check.kind, CHECK_HTTP);
	assert_int_equal(one.check.port, 8080);
	assert_int_equal(one.check.status, 200);
	assert_int_equal(one.check.interval, 30000);
	assert_int_equal(one.check.timeout, 10000);
	assert_int_equal(one.check.retries, 3);
	assert_int_equal(one.check.start_period, 0);
	assert_string_equal(one.check.what, "/health?x=1");
	assert_string_equal(printed(),
	    "{\"container_id\":\"web\",\"check_type\":\"http\",\"interval_seconds\":30,\"timeout_seconds\":10,"
	    "\"retries\":3,\"start_period_seconds\":0,\"http_endpoint\":\":8080/health?x=1\","
	    "\"http_expected_status\":200,\"tcp_port\":null,\"exec_command\":null}");
}

/* What is printed reads as the same again. */
static void test_round_trips(void **state)
{
	static const char *const rows[] = {
	    OF
	    "\"tcp\",\"tcp_port\":65535,\"interval_seconds\":86400,\"timeout_seconds\":1,\"retries\":1000}",
	    OF
	    "\"exec\",\"exec_command\":[ \"/app\", \"a \\\"b\\\"\", \"\" ],\"start_period_seconds\":60}",
	    OF "\"http\",\"http_endpoint\":\":80\",\"http_expected_status\":null,\"tcp_port\":null}",
	    OF
	    "\"http\",\"http_endpoint\":\"http://db.example:8080/a/b\",\"http_expected_status\":204}",
	    OF "\"http\",\"http_endpoint\":\"http://10.0.0.1\"}",
	    OF "\"http\",\"http_endpoint\":\"http://[fd00::1]:81/x\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct healthcheck first;
		char text[2048];

		reads(rows[i]);
		first = one;
		snprintf(text, sizeof text, "%s", printed());
		reads(text);
		assert_memory_equal(&first, &one, sizeof one);
	}
	assert_string_equal(one.check.what, "[fd00::1]/x");
	assert_int_equal(one.check.port, 81);
	reads(rows[4]);
	assert_string_equal(one.check.what, "10.0.0.1/");
	assert_int_equal(one.check.port, 80);
}

static void test_what_makes_no_sense_is_named(void **state)
{
	static const struct {
		const char *member, *text;
	} rows[] = {
	    {"container_id", "{}"},
	    {"container_id", "[]"},
	    {"container_id", "7"},
	    {"container_id", "{\"container_id\":[\"web\"],\"check_type\":\"tcp\",\"tcp_port\":1}"},
	    {"container_id", "{\"container_id\":\"\",\"check_type\":\"tcp\",\"tcp_port\":1}"},
	    {"check_type", OF "\"docker\"}"},
	    {"check_type", OF "null}"},
	    {"check_type", OF "{\"http\":1}}"},
	    {"interval_seconds", OF "\"tcp\",\"tcp_port\":1,\"interval_seconds\":0}"},
	    {"interval_seconds", OF "\"tcp\",\"tcp_port\":1,\"interval_seconds\":86401}"},
	    {"interval_seconds", OF "\"tcp\",\"tcp_port\":1,\"interval_seconds\":\"30\"}"},
	    {"interval_seconds", OF "\"tcp\",\"tcp_port\":1,\"interval_seconds\":1.5}"},
	    {"timeout_seconds", OF "\"tcp\",\"tcp_port\":1,\"timeout_seconds\":-1}"},
	    {"timeout_seconds", OF "\"tcp\",\"tcp_port\":1,\"timeout_seconds\":99999999999999999999}"},
	    {"retries", OF "\"tcp\",\"tcp_port\":1,\"retries\":0}"},
	    {"retries", OF "\"tcp\",\"tcp_port\":1,\"retries\":1001}"},
	    {"start_period_seconds", OF "\"tcp\",\"tcp_port\":1,\"start_period_seconds\":true}"},
	    {"tcp_port", OF "\"tcp\"}"},
	    {"tcp_port", OF "\"tcp\",\"tcp_port\":65536}"},
	    {"tcp_port", OF "\"tcp\",\"tcp_port\":\"80\"}"},
	    {"http_endpoint", OF "\"http\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"8080/health\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"https://a/\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http:///x\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http://user@a/\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http://a:0/\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http://a:1:2/\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http://a?x\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\":80/a b\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\":80/\\r\\nX: y\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":\"http://a\\r\\nX: y/\"}"},
	    {"http_endpoint", OF "\"http\",\"http_endpoint\":7}"},
	    {"http_expected_status",
		OF "\"http\",\"http_endpoint\":\":80\",\"http_expected_status\":99}"},
	    {"http_expected_status",
		OF "\"http\",\"http_endpoint\":\":80\",\"http_expected_status\":600}"},
	    {"exec_command", OF "\"exec\"}"},
	    {"exec_command", OF "\"exec\",\"exec_command\":[]}"},
	    {"exec_command", OF "\"exec\",\"exec_command\":[\"\"]}"},
	    {"exec_command", OF "\"exec\",\"exec_command\":[\"a\",7]}"},
	    {"exec_command", OF "\"exec\",\"exec_command\":\"true\"}"},
	    {"exec_command", OF "\"exec\",\"exec_command\":{\"a\":\"b\"}}"},
	};
	char text[2048];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!read_one(rows[i].text) || strcmp(member, rows[i].member))
			fail_msg("%s: %s", rows[i].text, member);
	}
	/* of 511 bytes the last is still read, and nothing is cut */
	for (int n = 505; n < 700; n++) {
		snprintf(text, sizeof text, OF "\"http\",\"http_endpoint\":\":80/%0*d\"}", n, 0);
		assert_int_equal(read_one(text) == NULL, n <= 507);
		snprintf(
		    text, sizeof text, OF "\"http\",\"http_endpoint\":\"http://a:80/%0*d\"}", n, 0);
		assert_int_equal(read_one(text) == NULL, n <= 499);
		snprintf(text, sizeof text, OF "\"exec\",\"exec_command\":[\"%0*d\"]}", n, 0);
		assert_int_equal(read_one(text) == NULL, n <= 507);
	}
}

static void test_they_are_kept_up_to_a_limit(void **state)
{
	struct healthchecks t = {0};

	(void)state;
	reads(OF "\"tcp\",\"tcp_port\":80}");
	for (int i = 0; i < HEALTHCHECKS_MAX; i++) {
		snprintf(one.container, sizeof one.container, "c%d", i);
		assert_null(healthchecks_put(&t, &one));
	}
	one.check.port = 81;
	assert_null(healthchecks_put(&t, &one)); /* in place of the last */
	assert_int_equal(t.count, HEALTHCHECKS_MAX);
	assert_int_equal(healthchecks_find(&t, one.container)->check.port, 81);
	assert_false(healthchecks_have_exec(&t));
	snprintf(one.container, sizeof one.container, "more");
	assert_non_null(healthchecks_put(&t, &one));
	assert_null(healthchecks_find(&t, "more"));
	assert_true(healthchecks_drop(&t, "c5"));
	assert_false(healthchecks_drop(&t, "c5"));
	one.check.kind = CHECK_EXEC;
	assert_null(healthchecks_put(&t, &one));
	assert_true(healthchecks_have_exec(&t));
	assert_string_equal(t.first->container, "c0"); /* in the order in which they came */
	healthchecks_free(&t);
	assert_int_equal(t.count, 0);
	assert_null(t.first);
}

static const char *masked(void)
{
	static char text[8192];
	struct json_writer w;
	struct buf b;

	buf_init(&b, sizeof(text) - 1);
	json_start(&w, &b);
	healthcheck_print(&w, &one, false);
	json_close(&w, '}');
	span_copy((struct span){b.p, b.n}, text, sizeof(text));
	buf_free(&b);
	return text;
}

static void test_what_may_hold_a_password_is_masked(void **state)
{
	(void)state;
	reads(OF "\"exec\",\"exec_command\":[\"/app\",\"--password=s3cret\"]}");
	assert_null(strstr(masked(), "s3cret"));
	assert_null(strstr(masked(), "/app"));
	assert_non_null(strstr(masked(), "\"exec_command\":[\"***\"]"));
	reads(OF "\"http\",\"http_endpoint\":\"http://web.test:8080/health?key=s3cret\"}");
	assert_non_null(strstr(masked(), "\"http://web.test:8080/health?***\""));
	assert_null(strstr(masked(), "s3cret"));
	assert_non_null(strstr(printed(), "s3cret"));
	reads(OF "\"http\",\"http_endpoint\":\":8080/health\"}");
	assert_string_equal(masked(), printed());
}

static void test_what_is_sent_back_masked_is_kept(void **state)
{
	static const char *const kept[] = {OF
	    "\"http\",\"http_endpoint\":\":8080/health?key=s3cret\"}",
	    OF "\"http\",\"http_endpoint\":\"http://web.test:80/?s3cret\"}",
	    OF "\"exec\",\"exec_command\":[\"/app\",\"s3cret\"]}"};
	static const char *const refused[] = {OF "\"http\",\"http_endpoint\":\":8081/health?***\"}",
	    OF "\"http\",\"http_endpoint\":\":8080/elsewhere?***\"}",
	    OF "\"http\",\"http_endpoint\":\"http://attacker.test:8080/health?***\"}",
	    OF "\"exec\",\"exec_command\":[ \"***\" ]}",
	    "{\"container_id\":\"db\",\"check_type\":\"http\",\"http_endpoint\":\":8080/health?***\"}"};
	struct healthchecks t = {0}, fresh = {0};
	char text[8192];

	(void)state;
	for (size_t i = 0; i < COUNT(kept); i++) {
		reads(kept[i]);
		assert_null(healthchecks_put(&t, &one));
		snprintf(text, sizeof(text), "[%s]", masked());
		parse(text);
		assert_null(healthchecks_read(&fresh, &j, 0, true, &t, &member));
		one = *fresh.first;
		assert_non_null(strstr(printed(), "s3cret"));
		healthchecks_free(&fresh);
	}
	reads(kept[0]);
	assert_null(healthchecks_put(&t, &one));
	for (size_t i = 0; i < COUNT(refused); i++) {
		reads(refused[i]);
		assert_non_null(healthchecks_unmask(&t, &one, &member));
		assert_string_equal(member, i == 3 ? "exec_command" : "http_endpoint");
	}
	healthchecks_free(&t);
}

static void test_lists_and_objects_are_read(void **state)
{
	static const char list[] = "[" OF "\"tcp\",\"tcp_port\":1},7,{\"container_id\":\"db\","
				   "\"check_type\":\"tcp\",\"tcp_port\":2}]";
	static const char object[] = "{\"web\":" OF "\"tcp\",\"tcp_port\":1}}";
	struct healthchecks t = {0};
	struct json_writer w;
	struct buf b;

	(void)state;
	parse(list);
	assert_non_null(healthchecks_read(&t, &j, 0, true, NULL, &member));
	assert_string_equal(member, "container_id");
	assert_null(healthchecks_read(&t, &j, 0, false, NULL, &member));
	assert_int_equal(t.count, 2);
	buf_init(&b, 4096);
	json_start(&w, &b);
	healthchecks_print(&w, &t, true);
	healthchecks_free(&t);
	buf_add(&b, "", 1);
	parse(b.p);
	assert_null(healthchecks_read(&t, &j, 0, true, NULL, &member));
	assert_int_equal(t.count, 2);
	healthchecks_free(&t);
	buf_free(&b);
	parse(object);
	assert_null(healthchecks_read(&t, &j, 0, true, NULL, &member));
	assert_int_equal(t.count, 1);
	healthchecks_free(&t);
	parse("\"x\"");
	assert_null(healthchecks_read(&t, &j, 0, true, NULL, &member));
	assert_null(healthchecks_read(&t, &j, -1, true, NULL, &member));
	assert_int_equal(t.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_round_trips),
	    cmocka_unit_test(test_what_makes_no_sense_is_named),
	    cmocka_unit_test(test_they_are_kept_up_to_a_limit),
	    cmocka_unit_test(test_what_may_hold_a_password_is_masked),
	    cmocka_unit_test(test_what_is_sent_back_masked_is_kept),
	    cmocka_unit_test(test_lists_and_objects_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
