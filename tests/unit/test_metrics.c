/* test_metrics.c - what metrics.h promises: labels that no name can break, buckets whose bounds belong to them, and which
 * of the things told count as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "metrics.h"

static struct buf out;

static const char *text(void)
{
	buf_add(&out, "", 1);
	assert_false(out.failed);
	return out.p;
}

static void again(void)
{
	buf_free(&out);
	buf_init(&out, 65536);
}

static int fresh(void **state)
{
	(void)state;
	buf_init(&out, 65536);
	return 0;
}

static int over(void **state)
{
	(void)state;
	buf_free(&out);
	return 0;
}

/* ---- writing ---- */

static void test_labels(void **state)
{
	static const char *const pairs[][2] = {
	    {"web", "\"web\""},
	    {"", "\"\""},
	    {"a\"b", "\"a\\\"b\""},
	    {"a\\b", "\"a\\\\b\""},
	    {"\\", "\"\\\\\""},
	    {"a\nb", "\"a\\\\x0ab\""},
	    {"a\xff", "\"a\\\\xff\""},
	    {"\x1b[31m", "\"\\\\x1b[31m\""},
	    {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
	    {"x\"} 1\ny{z=\"", "\"x\\\"} 1\\\\x0ay{z=\\\"\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		again();
		metrics_label(&out, pairs[i][0]);
		assert_string_equal(text(), pairs[i][1]);
	}
}

/* The longest names there are, all of whose bytes need the longest escapes: cut, and closed all the same. */
static void test_a_long_label_is_cut(void **state)
{
	char name[WATCH_NAME_MAX];

	(void)state;
	for (const char *fill = "\"\\\xff\n"; *fill; fill++) {
		memset(name, *fill, sizeof(name) - 1);
		name[sizeof(name) - 1] = 0;
		again();
		metrics_label(&out, name);
		assert_int_equal(out.p[0], '"');
		assert_int_equal(out.p[out.n - 1], '"');
		assert_true(out.n > WATCH_NAME_MAX && out.n <= 4 * WATCH_NAME_MAX);
	}
	again();
	out.max = 100;
	metrics_label(&out, "web");
	assert_true(out.failed);
}

static void test_seconds(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} pairs[] = {{0, "0"}, {1, "0.000001"}, {100, "0.0001"}, {250, "0.00025"}, {2500000, "2.5"},
	    {30000000, "30"}, {1000001, "1.000001"}, {UINT64_MAX, "18446744073709.551615"}};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		again();
		metrics_seconds(&out, pairs[i].us);
		assert_string_equal(text(), pairs[i].text);
	}
}

static void test_heads(void **state)
{
	(void)state;
	metrics_head(&out, "a_total", "All of them", false);
	metrics_head(&out, "total", "Not one that counts", false);
	metrics_head(&out, "b_seconds", "Long", true);
	assert_string_equal(text(),
	    "# HELP a_total All of them.\n# TYPE a_total counter\n"
	    "# HELP total Not one that counts.\n# TYPE total gauge\n"
	    "# HELP b_seconds Long.\n# TYPE b_seconds histogram\n");
}

/* ---- counting ---- */

static void test_a_bound_belongs_to_its_bucket(void **state)
{
	struct metrics_histogram h = {0};
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		metrics_observe(&h, metrics_request_bounds, metrics_request_bounds[i]);
		metrics_observe(&h, metrics_request_bounds, metrics_request_bounds[i] + 1);
		sum += 2 * (uint64_t)metrics_request_bounds[i] + 1;
	}
	assert_int_equal(h.counts[0], 1);
	for (size_t i = 1; i < METRICS_BUCKETS; i++)
		assert_int_equal(h.counts[i], 2);
	assert_int_equal(h.counts[METRICS_BUCKETS], 1);
	assert_int_equal(h.sum, sum);
}

static void test_bounds_rise(void **state)
{
	(void)state;
	assert_int_equal(metrics_request_bounds[0], 100);
	for (size_t i = 1; i < METRICS_BUCKETS; i++) {
		assert_true(metrics_request_bounds[i] > metrics_request_bounds[i - 1]);
		assert_true(metrics_heal_bounds[i] > metrics_heal_bounds[i - 1]);
	}
}

static void test_a_histogram_in_words(void **state)
{
	struct metrics_histogram h = {0};
	const char *printed;

	(void)state;
	metrics_observe(&h, metrics_heal_bounds, 0);
	metrics_observe(&h, metrics_heal_bounds, 2500000);
	metrics_observe(&h, metrics_heal_bounds, 3600000000);
	metrics_print_histogram(&out, "h_seconds", "How long", &h, metrics_heal_bounds);
	printed = text();
	assert_ptr_equal(printed,
	    strstr(printed,
		"# HELP h_seconds How long.\n# TYPE h_seconds histogram\n"
		"h_seconds_bucket{le=\"0.25\"} 1\nh_seconds_bucket{le=\"1\"} 1\n"
		"h_seconds_bucket{le=\"2.5\"} 2\n"));
	assert_non_null(strstr(printed,
	    "h_seconds_bucket{le=\"1800\"} 2\nh_seconds_bucket{le=\"+Inf\"} 3\nh_seconds_sum 3602.5\nh_seconds_count 3\n"));
}

/* The records that an action is about. */
struct subject {
	struct metrics metrics;
	struct heal heal;
	struct identity *identity;
	struct container container;
};

static void make(struct subject *s)
{
	memset(s, 0, sizeof(*s));
	s->identity = calloc(1, sizeof(struct identity) + 8);
	s->identity->heal = &s->heal;
	s->container.identity = s->identity;
}

static void tell(struct subject *s, enum audit_kind kind, const char *status, const char *did)
{
	struct action a = {.kind = ACTION_TELL,
	    .container = &s->container,
	    .audit = kind,
	    .status = status,
	    .did = did,
	    .duration_ms = 1500};

	metrics_told(&s->metrics, &a);
}

static void test_what_counts_as_what(void **state)
{
	static const struct {
		enum audit_kind kind;
		const char *status, *did;
		int result; /* -1: none */
	} told[] = {
	    {AUDIT_RESTART, "success", "restart", -1},
	    {AUDIT_RESTART, "failure", "restart", METRICS_REFUSED},
	    {AUDIT_RESTART, "failure", "start", METRICS_REFUSED},
	    {AUDIT_DEPENDENT_RESTART, "success", "restart", -1},
	    {AUDIT_DEPENDENT_RESTART, "failure", "restart", METRICS_REFUSED},
	    {AUDIT_STRANDED, "restarted", "restart", -1},
	    {AUDIT_STRANDED, "reported", "restart", METRICS_REFUSED},
	    {AUDIT_STRANDED, "reported", "notify", -1},
	    {AUDIT_STRANDED, "reported", NULL, -1},
	    {AUDIT_RECOVERED, "healthy", NULL, METRICS_RECOVERED},
	    {AUDIT_RECOVERED, "running", NULL, METRICS_RECOVERED},
	    {AUDIT_NOT_RECOVERED, "exited", NULL, METRICS_NOT_RECOVERED},
	    {AUDIT_NOT_RECOVERED, "timeout", NULL, METRICS_NOT_RECOVERED},
	    {AUDIT_NOT_RECOVERED, "relapsed", NULL, METRICS_NOT_RECOVERED},
	    {AUDIT_QUARANTINE, "quarantined", NULL, -1},
	    {AUDIT_SKIPPED, "recovered", NULL, -1},
	    {AUDIT_HEALTH_CHECK_FAILED, "failure", NULL, -1},
	};
	struct subject s;

	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		make(&s);
		tell(&s, told[i].kind, told[i].status, told[i].did);
		for (int k = 0; k < METRICS_RESULTS; k++)
			assert_int_equal(s.heal.results[k], k == told[i].result);
		assert_int_equal(s.metrics.heal.sum, told[i].kind == AUDIT_RECOVERED ? 1500000 : 0);
		s.identity->heal = NULL; /* one that had no trouble: nothing to count in */
		tell(&s, told[i].kind, told[i].status, told[i].did);
		free(s.identity);
	}
}

static void test_the_first_request_of_an_incident(void **state)
{
	static struct loop loop;
	struct metrics m = {0};
	struct heal h = {.incident = 7};

	(void)state;
	loop_clock(&loop);
	h.detected = loop.now - 3000;
	metrics_requested(&m, &h, &loop);
	metrics_requested(&m, &h, &loop);
	assert_int_equal(m.request.counts[9], 1); /* 1 to 10 s */
	assert_true(m.request.sum >= 3000000 && m.request.sum < 9000000);
	h.incident = 8;
	h.manual = true;
	metrics_requested(&m, &h, &loop);
	h.manual = false;
	h.bond = BOND_NETWORK;
	metrics_requested(&m, &h, &loop);
	assert_int_equal(m.request.counts[9], 1);
	h.bond = BOND_NONE;
	metrics_requested(&m, &h, &loop);
	assert_int_equal(m.request.counts[9], 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, over)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_labels),
	    TEST(test_a_long_label_is_cut),
	    TEST(test_seconds),
	    TEST(test_heads),
	    TEST(test_a_bound_belongs_to_its_bucket),
	    TEST(test_bounds_rise),
	    TEST(test_a_histogram_in_words),
	    TEST(test_what_counts_as_what),
	    TEST(test_the_first_request_of_an_incident),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
