/* test_audit.c - what audit.h promises: a ring that keeps the newest events whole, cursors that
 * survive it, and the JSON of every kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "audit.h"
#include "buf.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct audit audit;

static int fresh(void **state)
{
	(void)state;
	memset(&audit, 0, sizeof(audit));
	return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static uint64_t random_state = 0x2545F4914F6CDD1Du;

static uint64_t below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state * 0x9E3779B97F4A7C15u >> 3) % n;
}

/* A number that hangs on seq and place alone: what an event of this seq must look like. */
static uint32_t mixed(uint64_t seq, unsigned place)
{
	uint64_t h = (seq * 31 + place + 1) * 0x9E3779B97F4A7C15u;

	return (uint32_t)(h >> 32 ^ h >> 11);
}

enum { TEXTS = 7 };

/* The event that belongs to this number; sizes go up to `largest` bytes a text. */
static void make(uint64_t seq, size_t largest, struct audit_event *e, char *texts, uint8_t id[32])
{
	struct span *fields[TEXTS] = {
	    &e->status, &e->name, &e->message, &e->host, &e->stable_id, &e->reason, &e->action};

	*e = (struct audit_event){
	    .seq = seq,
	    .wall = (int64_t)mixed(seq, 0) * 1000,
	    .kind = (enum audit_kind)(mixed(seq, 1) % AUDIT_KINDS),
	    .restart_count = mixed(seq, 2),
	    .exit_code = mixed(seq, 3) % 3 ? (int32_t)mixed(seq, 3) : INT32_MIN,
	    .duration_ms = mixed(seq, 4) % 3 ? (int64_t)mixed(seq, 4) : -1,
	    .incident = (uint64_t)mixed(seq, 5) << (mixed(seq, 6) % 32),
	};
	for (int i = 0; i < 32; i++)
		id[i] = (uint8_t)mixed(seq, 40 + (unsigned)i);
	if (mixed(seq, 7) % 4)
		e->id = id;
	for (unsigned i = 0; i < TEXTS; i++) {
		size_t n = largest ? mixed(seq, 10 + i) % (largest + 1) : 0;

		memset(texts, (int)('a' + mixed(seq, 20 + i) % 26), n);
		*fields[i] = (struct span){texts, n};
		texts += n;
	}
}

static void add(size_t largest)
{
	static char texts[TEXTS * AUDIT_TEXT_MAX];
	uint64_t seq = audit.next_seq;
	struct audit_event e;
	uint8_t id[32];

	make(seq, largest, &e, texts, id);
	e.seq = 4711; /* whatever stands there */
	assert_int_equal(audit_add(&audit, &e), seq);
	memset(texts, '#', sizeof(texts)); /* a copy is kept */
	memset(id, 0xFF, sizeof(id));
}

static void assert_made(const struct audit_event *got, size_t largest)
{
	static char texts[TEXTS * AUDIT_TEXT_MAX];
	struct audit_event e;
	uint8_t id[32];

	make(got->seq, largest, &e, texts, id);
	assert_int_equal(got->wall, e.wall);
	assert_int_equal(got->kind, e.kind);
	assert_int_equal(got->restart_count, e.restart_count);
	assert_int_equal(got->exit_code, e.exit_code);
	assert_int_equal(got->duration_ms, e.duration_ms);
	assert_int_equal(got->incident, e.incident);
	assert_int_equal(!got->id, !e.id);
	if (e.id)
		assert_memory_equal(got->id, e.id, 32);
	assert_true(span_equal(got->status, e.status));
	assert_true(span_equal(got->name, e.name));
	assert_true(span_equal(got->message, e.message));
	assert_true(span_equal(got->host, e.host));
	assert_true(span_equal(got->stable_id, e.stable_id));
	assert_true(span_equal(got->reason, e.reason));
	assert_true(span_equal(got->action, e.action));
}

/* Walks all that is kept: numbers without a gap up to the newest, each event as it was made. */
static uint64_t assert_whole(size_t largest)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;
	uint64_t oldest = 0, last = 0;
	uint32_t count = 0;

	while (audit_next(&audit, &cursor, &e)) {
		if (!count++)
			oldest = e.seq;
		else
			assert_int_equal(e.seq, last + 1);
		last = e.seq;
		assert_made(&e, largest);
	}
	assert_int_equal(count, audit.count);
	if (count)
		assert_int_equal(last + 1, audit.next_seq);
	assert_false(audit_next(&audit, &cursor, &e));
	return count ? oldest : audit.next_seq;
}

static void add_words(enum audit_kind kind, const char *message)
{
	struct audit_event e = {.kind = kind, .exit_code = INT32_MIN, .duration_ms = -1};

	e.message = span_of(message);
	audit_add(&audit, &e);
}

/* ---- the ring -------------------------------------------------------------------------------- */

static void test_an_empty_ring_has_no_event(void **state)
{
	struct audit_cursor cursor = {0}, since = {.seq = 5, .offset = UINT32_MAX};
	struct audit_event e;

	(void)state;
	audit_init(&audit, 100, 1);
	assert_false(audit_next(&audit, &cursor, &e));
	assert_false(audit_next(&audit, &since, &e));
	assert_int_equal(audit_clear(&audit), 0);
}

static void test_numbers_begin_where_they_are_told_and_rise_by_one(void **state)
{
	(void)state;
	audit_init(&audit, 10, 1234567890123);
	for (uint64_t i = 0; i < 30; i++)
		add(20); /* compares the number */
	assert_int_equal(audit.next_seq, 1234567890153);
	assert_int_equal(assert_whole(20), 1234567890143);
}

static void test_the_limit_is_kept_and_the_oldest_go(void **state)
{
	static const uint32_t limits[] = {1, 2, 3, 50};

	(void)state;
	for (size_t i = 0; i < COUNT(limits); i++) {
		fresh(NULL);
		audit_init(&audit, limits[i], 1);
		for (uint32_t k = 1; k <= 2000; k++) { /* through the whole ring */
			add(30);
			assert_int_equal(audit.count, k < limits[i] ? k : limits[i]);
			assert_int_equal(assert_whole(30), audit.next_seq - audit.count);
		}
	}
}

/* Many rounds through the ring, with records of every size. */
static void test_wrapping_around_keeps_the_newest_whole(void **state)
{
	static const size_t sizes[] = {0, 5, 100, 300, AUDIT_TEXT_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		size_t checks = sizes[i] ? 40 : 20;

		fresh(NULL);
		audit_init(&audit, 100000, 1);
		for (size_t k = 0; k < checks; k++) {
			for (uint64_t n = 1 + below(800); n; n--)
				add(sizes[i]);
			assert_whole(sizes[i]);
		}
		assert_true(audit.next_seq - 1 > audit.count); /* it did wrap */
	}
}

static void test_after_every_single_event_the_ring_is_whole(void **state)
{
	(void)state;
	audit_init(&audit, 100000, 1);
	/* records of 3 to 7 KiB: the ring holds some 30, so this is a dozen rounds */
	for (int i = 0; i < 400; i++) {
		add(AUDIT_TEXT_MAX);
		assert_whole(AUDIT_TEXT_MAX);
	}
}

static void test_sizes_that_change_midway_are_no_trouble(void **state)
{
	static char texts[TEXTS * AUDIT_TEXT_MAX];
	uint64_t last;

	(void)state;
	audit_init(&audit, 100000, 1);
	for (int round = 0; round < 200; round++) {
		size_t n = below(4) ? below(40) : AUDIT_TEXT_MAX;

		for (uint64_t k = below(300); k; k--) {
			struct audit_event e = {.exit_code = INT32_MIN, .duration_ms = -1}, got;
			struct audit_cursor cursor = {.offset = UINT32_MAX};

			memset(texts, (int)('a' + round % 26), n);
			e.message = (struct span){texts, n};
			e.restart_count = (uint32_t)n;
			last = audit_add(&audit, &e);
			cursor.seq = last - 1;
			assert_true(audit_next(&audit, &cursor, &got));
			assert_int_equal(got.seq, last);
			assert_int_equal(got.message.n, n);
			assert_false(audit_next(&audit, &cursor, &got));
		}
	}
}

/* It is a ring of 128 KiB: what it drops without need somebody misses. */
static void test_the_ring_is_used_to_within_two_records(void **state)
{
	static char text[AUDIT_TEXT_MAX];

	(void)state;
	audit_init(&audit, 100000, 1);
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 2000; i++) {
		struct audit_event e = {.exit_code = INT32_MIN, .duration_ms = -1};

		e.message = (struct span){text, sizeof(text)};
		audit_add(&audit, &e);
		if (i >= 200)
			assert_true(audit.count * (sizeof(text) + 128) >=
			    AUDIT_RING_SIZE - 2 * (sizeof(text) + 128));
	}
}

static void test_a_text_too_long_is_cut(void **state)
{
	static char text[3 * AUDIT_TEXT_MAX];
	struct audit_event e = {.exit_code = INT32_MIN, .duration_ms = -1}, got;
	struct audit_cursor cursor = {0};

	(void)state;
	audit_init(&audit, 10, 1);
	memset(text, 'x', sizeof(text));
	e.status = e.name = e.message = e.host = e.stable_id = e.reason = e.action = (struct span){
	    text, sizeof(text)};
	audit_add(&audit, &e);
	assert_true(audit_next(&audit, &cursor, &got));
	assert_int_equal(got.status.n, AUDIT_TEXT_MAX);
	assert_int_equal(got.message.n, AUDIT_TEXT_MAX);
	assert_int_equal(got.action.n, AUDIT_TEXT_MAX);
	assert_memory_equal(got.action.p, text, AUDIT_TEXT_MAX);
}

static void test_clearing_forgets_events_but_not_the_numbers(void **state)
{
	(void)state;
	audit_init(&audit, 1000, 1);
	for (int round = 0; round < 50; round++) {
		uint32_t count = (uint32_t)below(700);
		uint64_t next = audit.next_seq + count;

		for (uint32_t i = 0; i < count; i++)
			add(200);
		count = audit.count;
		assert_int_equal(audit_clear(&audit), count);
		assert_int_equal(audit.count, 0);
		assert_int_equal(audit.next_seq, next);
		assert_int_equal(assert_whole(200), next);
		for (uint32_t i = 1; i <= 10; i++) { /* and there is room as in the beginning */
			add(200);
			assert_int_equal(audit.count, i);
		}
	}
}

/* ---- cursors --------------------------------------------------------------------------------- */

static void test_a_cursor_at_the_end_sees_what_comes_later(void **state)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;

	(void)state;
	audit_init(&audit, 10, 1);
	assert_false(audit_next(&audit, &cursor, &e));
	for (uint64_t i = 1; i < 3000; i++) {
		add(100);
		assert_true(audit_next(&audit, &cursor, &e));
		assert_int_equal(e.seq, i);
		assert_made(&e, 100);
		assert_false(audit_next(&audit, &cursor, &e));
	}
}

/* Readers of every speed, while the ring wraps and is cleared: each sees every event once, in order,
 * but for those that were dropped before it came to them. */
static void test_cursors_survive_drops_wraps_and_clearing(void **state)
{
	static const size_t sizes[] = {0, 30, 300, AUDIT_TEXT_MAX};

	(void)state;
	for (size_t s = 0; s < COUNT(sizes); s++) {
		struct audit_cursor cursors[8] = {0};
		size_t largest = sizes[s];

		fresh(NULL);
		audit_init(&audit, largest == 30 ? 40 : 100000, 1);
		for (int round = 0; round < 12000; round++) {
			struct audit_cursor *cursor;
			struct audit_event e;
			uint64_t oldest;
			size_t reader;

			for (uint64_t n = below(4); n; n--)
				add(largest);
			if (!below(3000))
				audit_clear(&audit);
			oldest = audit.next_seq - audit.count;
			reader = below(COUNT(cursors));
			cursor = &cursors[reader];
			/* the first reads eagerly, the last hardly ever */
			for (uint64_t n = below(2000) >> reader; n; n--) {
				uint64_t expected = cursor->seq + 1 > oldest ? cursor->seq + 1
									     : oldest;
				bool there = audit_next(&audit, cursor, &e);

				assert_int_equal(there, expected < audit.next_seq);
				if (!there)
					break;
				assert_int_equal(e.seq, expected);
				assert_int_equal(cursor->seq, expected);
				assert_made(&e, largest);
			}
		}
	}
}

static void test_a_number_without_a_place_finds_the_next_event(void **state)
{
	(void)state;
	audit_init(&audit, 100000, 500);
	for (int round = 0; round < 60; round++) {
		uint64_t oldest;

		for (uint64_t n = 1 + below(90); n; n--)
			add(300);
		oldest = audit.next_seq - audit.count;
		for (uint64_t seq = round % 2 ? oldest - 1 : 0; seq < audit.next_seq + 3;
		     seq += 1 + below(20)) {
			struct audit_cursor cursor = {.seq = seq, .offset = UINT32_MAX};
			uint64_t expected = seq + 1 > oldest ? seq + 1 : oldest;
			struct audit_event e;

			for (int i = 0; i < 3; i++, expected++) {
				bool there = audit_next(&audit, &cursor, &e);

				assert_int_equal(there, expected < audit.next_seq);
				if (!there)
					break;
				assert_int_equal(e.seq, expected);
				assert_made(&e, 300);
			}
		}
	}
}

static void test_a_number_from_the_future_finds_nothing(void **state)
{
	static const uint64_t numbers[] = {10, 11, 1000, INT64_MAX - 1, INT64_MAX, UINT64_MAX - 1};
	struct audit_event e;

	(void)state;
	audit_init(&audit, 100, 1);
	for (int i = 0; i < 10; i++)
		add(10);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct audit_cursor cursor = {.seq = numbers[i], .offset = UINT32_MAX};

		assert_false(audit_next(&audit, &cursor, &e));
		assert_int_equal(cursor.seq, numbers[i]);
	}
}

static void test_a_reader_of_a_cleared_ring_goes_on_with_the_new(void **state)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;

	(void)state;
	audit_init(&audit, 100, 1);
	for (int i = 0; i < 20; i++)
		add(50);
	for (int i = 0; i < 7; i++)
		assert_true(audit_next(&audit, &cursor, &e));
	audit_clear(&audit);
	assert_false(audit_next(&audit, &cursor, &e));
	add(50);
	assert_true(audit_next(&audit, &cursor, &e));
	assert_int_equal(e.seq, 21);
	assert_made(&e, 50);
	assert_false(audit_next(&audit, &cursor, &e));
}

/* ---- kinds and their JSON -------------------------------------------------------------------- */

/* API.md, in its order. */
static const struct {
	enum audit_kind kind;
	const char *name;
} kinds[] = {
    {AUDIT_AUTO_MONITOR, "auto_monitor"},
    {AUDIT_SELECTION, "selection"},
    {AUDIT_RESTART, "restart"},
    {AUDIT_RECOVERED, "recovered"},
    {AUDIT_NOT_RECOVERED, "not_recovered"},
    {AUDIT_QUARANTINE, "quarantine"},
    {AUDIT_UNQUARANTINE, "unquarantine"},
    {AUDIT_AUTO_UNQUARANTINE, "auto_unquarantine"},
    {AUDIT_SKIPPED, "skipped"},
    {AUDIT_DEPENDENT_RESTART, "dependent_restart"},
    {AUDIT_STRANDED, "stranded"},
    {AUDIT_STALE_PROBE, "stale_probe"},
    {AUDIT_HEALTH_CHECK_FAILED, "health_check_failed"},
    {AUDIT_VERDICT, "verdict"},
    {AUDIT_CRASH_LOOP, "crash_loop"},
    {AUDIT_STORM, "storm"},
    {AUDIT_MAINTENANCE, "maintenance"},
    {AUDIT_ENGINE_LOST, "engine_lost"},
    {AUDIT_ENGINE_CONNECTED, "engine_connected"},
    {AUDIT_CONFIG, "config"},
};

static void test_every_kind_has_its_name(void **state)
{
	(void)state;
	assert_int_equal(COUNT(kinds), AUDIT_KINDS);
	for (size_t i = 0; i < COUNT(kinds); i++) {
		assert_string_equal(audit_kind_name(kinds[i].kind), kinds[i].name);
		assert_int_equal(audit_kind_of(span_of(kinds[i].name)), kinds[i].kind);
	}
}

static void test_other_names_are_no_kind(void **state)
{
	static const char *const names[] = {
	    "", "Restart", "restar", "restarts", " restart", "restart,recovered", "all", "-1"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(audit_kind_of(span_of(names[i])), -1);
	assert_int_equal(audit_kind_of((struct span){"restart\0", 8}), -1);
}

static struct buf printed;
static jsmntok_t tokens[128];
static struct json json;

/* Prints e and reads it back, as any client would. */
static void print(const struct audit_event *e)
{
	struct json_writer w;
	size_t at = 0;

	buf_free(&printed);
	buf_init(&printed, 100000);
	json_start(&w, &printed);
	audit_print(&w, e);
	assert_false(printed.failed);
	if (!json_valid((struct span){printed.p, printed.n}, &at))
		fail_msg("not JSON at %zu: %.*s", at, (int)printed.n, printed.p);
	assert_int_equal(
	    json_parse(&json, (struct span){printed.p, printed.n}, tokens, COUNT(tokens)), 0);
	assert_true(json_is_object(&json, 0));
}

static void assert_text(const char *member, const char *expected)
{
	int token = json_get(&json, 0, member);

	if (!json_is_string(&json, token) || !json_is(&json, token, expected))
		fail_msg("%s is not '%s' in %.*s", member, expected, (int)printed.n, printed.p);
}

static void assert_number(const char *member, int64_t expected)
{
	int token = json_get(&json, 0, member);

	assert_false(json_is_string(&json, token));
	assert_int_equal(json_int(&json, token, ~expected), expected);
}

static const char *const seven[] = {"timestamp", "container_id", "container_name", "event_type",
    "restart_count", "status", "message"};
static const char *const more[] = {
    "stable_id", "reason", "action", "exit_code", "duration_ms", "incident"};

static void test_no_kind_lacks_one_of_the_seven_members(void **state)
{
	(void)state;
	for (int kind = 0; kind < AUDIT_KINDS; kind++) {
		struct audit_event e = {.kind = (enum audit_kind)kind,
		    .seq = 9,
		    .wall = 1761827723789,
		    .exit_code = INT32_MIN,
		    .duration_ms = -1};
		int key = -1, value;
		size_t members = 0;

		print(&e);
		for (size_t i = 0; i < COUNT(seven); i++) {
			assert_true(json_next_member(&json, 0, &key, &value)); /* in this order */
			assert_true(json_is(&json, key, seven[i]));
			members++;
		}
		while (json_next_member(&json, 0, &key, &value))
			members++;
		assert_int_equal(members, 9); /* and seq and host; nothing that does not apply */
		assert_text("timestamp", "2025-10-30T12:35:23.789Z");
		assert_text("container_id", "");
		assert_text("container_name", "");
		assert_text("event_type", audit_kind_name((enum audit_kind)kind));
		assert_number("restart_count", 0);
		assert_text("status", "");
		assert_text("message", "");
		assert_number("seq", 9);
		assert_text("host", "");
	}
	buf_free(&printed);
}

static void test_every_member_is_printed_where_it_applies(void **state)
{
	uint8_t id[32];
	struct audit_event e = {.kind = AUDIT_RESTART,
	    .seq = INT64_MAX,
	    .wall = 1761827723789,
	    .id = id,
	    .restart_count = UINT32_MAX,
	    .exit_code = 137,
	    .duration_ms = 12345678901,
	    .incident = 0xABCDEF0123456789,
	    .status = span_of("success"),
	    .name = span_of("my-app"),
	    .message = span_of("Restarted"),
	    .host = span_of("local"),
	    .stable_id = span_of("shop_web"),
	    .reason = span_of("unhealthy"),
	    .action = span_of("restart")};

	(void)state;
	for (int i = 0; i < 32; i++)
		id[i] = (uint8_t)(0xE0 + i);
	print(&e);
	assert_text(
	    "container_id", "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
	assert_text("container_name", "my-app");
	assert_text("event_type", "restart");
	assert_number("restart_count", UINT32_MAX);
	assert_text("status", "success");
	assert_text("message", "Restarted");
	assert_number("seq", INT64_MAX);
	assert_text("host", "local");
	assert_text("stable_id", "shop_web");
	assert_text("reason", "unhealthy");
	assert_text("action", "restart");
	assert_number("exit_code", 137);
	assert_number("duration_ms", 12345678901);
	assert_text("incident", "abcdef0123456789");
	buf_free(&printed);
}

static void test_zero_is_a_value_where_minus_one_is_none(void **state)
{
	struct audit_event e = {.kind = AUDIT_RECOVERED, .exit_code = 0, .duration_ms = 0};

	(void)state;
	print(&e);
	assert_number("exit_code", 0);
	assert_number("duration_ms", 0);
	e.exit_code = -1;
	print(&e);
	assert_number("exit_code", -1);
	e.exit_code = INT32_MIN;
	e.duration_ms = -1;
	print(&e);
	for (size_t i = 0; i < COUNT(more); i++)
		assert_int_equal(json_get(&json, 0, more[i]), -1);
	buf_free(&printed);
}

static void test_foreign_text_stays_inside_its_string(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"\",\"status\":\"x", "\",\"status\":\"x"},
	    {"a\\", "a\\"},
	    {"line\nfeed\ttab\x01", "line\nfeed\ttab\x01"},
	    {"\xE2\x80\xA8", "\xE2\x80\xA8"},
	    {"\xC3\xA4\xF0\x9F\x98\x80", "\xC3\xA4\xF0\x9F\x98\x80"},
	    {"bad\xFF", "bad\xEF\xBF\xBD"},
	    {"</script>", "</script>"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct audit_event e = {
		    .kind = AUDIT_RESTART, .exit_code = INT32_MIN, .duration_ms = -1};

		e.status = e.name = e.message = e.host = e.stable_id = e.reason = e.action = span_of(
		    rows[i].text);
		print(&e);
		assert_text("container_name", rows[i].expected);
		assert_text("message", rows[i].expected);
		assert_text("status", rows[i].expected);
		assert_text("stable_id", rows[i].expected);
	}
	buf_free(&printed);
}

/* Cut within a character: what is left must still be JSON. */
static void test_a_text_cut_within_a_character_prints_as_json(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		char text[2 * AUDIT_TEXT_MAX + 8] = "xxxx";
		struct audit_cursor cursor = {0};
		struct audit_event e;

		fresh(NULL);
		for (size_t at = shift; at + 4 < sizeof(text); at += 4)
			memcpy(text + at, "\xF0\x9F\x98\x80", 5);
		audit_init(&audit, 10, 1);
		add_words(AUDIT_CONFIG, text);
		assert_true(audit_next(&audit, &cursor, &e));
		print(&e);
	}
	buf_free(&printed);
}

static void test_whatever_the_ring_holds_prints_as_json(void **state)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;

	(void)state;
	audit_init(&audit, 100000, 1);
	for (int i = 0; i < 1000; i++)
		add(60);
	while (audit_next(&audit, &cursor, &e))
		print(&e);
	buf_free(&printed);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_an_empty_ring_has_no_event),
	    TEST(test_numbers_begin_where_they_are_told_and_rise_by_one),
	    TEST(test_the_limit_is_kept_and_the_oldest_go),
	    TEST(test_wrapping_around_keeps_the_newest_whole),
	    TEST(test_after_every_single_event_the_ring_is_whole),
	    TEST(test_sizes_that_change_midway_are_no_trouble),
	    TEST(test_the_ring_is_used_to_within_two_records),
	    TEST(test_a_text_too_long_is_cut),
	    TEST(test_clearing_forgets_events_but_not_the_numbers),
	    TEST(test_a_cursor_at_the_end_sees_what_comes_later),
	    TEST(test_cursors_survive_drops_wraps_and_clearing),
	    TEST(test_a_number_without_a_place_finds_the_next_event),
	    TEST(test_a_number_from_the_future_finds_nothing),
	    TEST(test_a_reader_of_a_cleared_ring_goes_on_with_the_new),
	    TEST(test_every_kind_has_its_name),
	    TEST(test_other_names_are_no_kind),
	    TEST(test_no_kind_lacks_one_of_the_seven_members),
	    TEST(test_every_member_is_printed_where_it_applies),
	    TEST(test_zero_is_a_value_where_minus_one_is_none),
	    TEST(test_foreign_text_stays_inside_its_string),
	    TEST(test_a_text_cut_within_a_character_prints_as_json),
	    TEST(test_whatever_the_ring_holds_prints_as_json),
	};

	return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
