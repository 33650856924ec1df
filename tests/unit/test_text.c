/* test_text.c - what text.h promises: durations, numbers, globs, times, UTF-8, escapes, text_print. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "text.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
/* A literal with zeros in it as a span. */
#define BYTES(s) ((struct span){(s), sizeof(s) - 1})

/* ---- helpers --------------------------------------------------------------------------------- */

/* A copy of exactly the bytes of s on the heap, so that the sanitizer sees a read beyond them. The
 * last one is kept until the next call. */
static struct span exactly(struct span s)
{
	static char *last;

	free(last);
	last = malloc(s.n ? s.n : 1);
	assert_non_null(last);
	if (s.n)
		memcpy(last, s.p, s.n);
	return (struct span){last, s.n};
}

static uint64_t random_state = 0x2545F4914F6CDD1Du;

/* The same numbers in every run. */
static uint64_t any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * 0x9E3779B97F4A7C15u >> 3;
}

static uint64_t below(uint64_t n)
{
	return any() % n;
}

static void assert_span(struct span got, const char *expected)
{
	if (!span_is(got, expected))
		fail_msg("'%.*s' instead of '%s'", (int)got.n, got.p ? got.p : "", expected);
}

/* ---- spans ----------------------------------------------------------------------------------- */

static void test_spans_are_compared_by_their_bytes(void **state)
{
	(void)state;
	assert_int_equal(span_of(NULL).n, 0);
	assert_int_equal(span_of("abc").n, 3);
	assert_true(span_equal(span_of(NULL), span_of("")));
	assert_true(span_equal(span_of("abc"), BYTES("abc")));
	assert_false(span_equal(span_of("abc"), span_of("abd")));
	assert_false(span_equal(span_of("abc"), span_of("ab")));
	assert_true(span_is(exactly(span_of("autoheal")), "autoheal"));
	assert_false(span_is(span_of("autohea"), "autoheal"));
	assert_false(span_is(span_of("autoheal2"), "autoheal"));
	assert_false(span_is(span_of("Autoheal"), "autoheal"));
	assert_false(span_is(BYTES("true\0"), "true"));
	assert_false(span_is(BYTES("true\0x"), "true"));
	assert_true(span_starts(exactly(span_of("AUTOHEAL_X")), "AUTOHEAL_"));
	assert_true(span_starts(span_of("x"), ""));
	assert_false(span_starts(exactly(span_of("AUTOHEAL")), "AUTOHEAL_"));
}

static void test_case_is_ignored_for_ascii_letters_alone(void **state)
{
	static const struct {
		const char *text, *word;
		bool same;
	} rows[] = {
	    {"Content-Length", "content-length", true},
	    {"HOST", "host", true},
	    {"host", "HOST", true},
	    {"hos", "host", false},
	    {"hosts", "host", false},
	    {"[", "{", false}, /* 0x20 apart, as A and a are */
	    {"@", "`", false},
	    {"\xC4", "\xE4", false},
	    {"", "", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (span_is_nocase(exactly(span_of(rows[i].text)), rows[i].word) != rows[i].same)
			fail_msg("'%s' and '%s'", rows[i].text, rows[i].word);
}

static void test_trimming_takes_blanks_from_both_ends(void **state)
{
	(void)state;
	assert_span(span_trim(exactly(span_of(" \t\r\n a b \t\r\n "))), "a b");
	assert_span(span_trim(exactly(span_of("ab"))), "ab");
	assert_span(span_trim(exactly(span_of(" \t"))), "");
	assert_span(span_trim(span_of("")), "");
	assert_int_equal(span_trim(BYTES("\0a\v")).n, 3); /* other controls are bytes like any */
}

static void test_a_copy_is_cut_and_terminated(void **state)
{
	char out[8];

	(void)state;
	for (size_t cap = 1; cap <= sizeof(out); cap++) {
		size_t n = cap - 1 < 5 ? cap - 1 : 5;

		memset(out, '#', sizeof(out));
		assert_int_equal(span_copy(exactly(span_of("abcde")), out, cap), n);
		assert_memory_equal(out, "abcde", n);
		assert_int_equal(out[n], 0);
		for (size_t i = n + 1; i < sizeof(out); i++)
			assert_int_equal(out[i], '#');
	}
	assert_int_equal(span_copy(span_of(NULL), out, sizeof(out)), 0);
	assert_string_equal(out, "");
}

static void test_the_items_of_a_list(void **state)
{
	static const struct {
		const char *list, *items;
	} rows[] = {
	    {"", ""},
	    {",", ""},
	    {" , ,,\t", ""},
	    {"a", "a|"},
	    {"a,b", "a|b|"},
	    {",a,,b,", "a|b|"},
	    {" a b , c\n", "a b|c|"},
	    {"web-*,db[12]", "web-*|db[12]|"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span rest = exactly(span_of(rows[i].list)), item;
		char got[64] = "";

		while (span_next(&rest, ',', &item))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%.*s|", (int)item.n,
			    item.p);
		assert_int_equal(rest.n, 0);
		assert_false(span_next(&rest, ',', &item)); /* and the end stays the end */
		assert_string_equal(got, rows[i].items);
	}
}

static void test_words_are_found(void **state)
{
	struct span s = span_of("---BEGIN--END");

	(void)state;
	assert_ptr_equal(span_find(s, "BEGIN"), s.p + 3);
	assert_ptr_equal(span_find(s, "--"), s.p);
	assert_ptr_equal(span_find(s, "--E"), s.p + 8);
	assert_ptr_equal(span_find(s, "END"), s.p + 10);
	assert_null(span_find(s, "ENDE"));
	assert_null(span_find(s, "begin"));
	assert_null(span_find((struct span){NULL, 0}, "a"));
	/* nothing behind the end is looked at */
	assert_null(span_find(exactly(span_of("aaab")), "abc"));
	assert_null(span_find((struct span){"END", 2}, "END"));
}

/* ---- numbers, durations, booleans ------------------------------------------------------------ */

static void test_a_number_is_read_up_to_its_bound(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
	} rows[] = {
	    {"0", 0, 0},
	    {"10", 10, 10},
	    {"00010", 10, 10},
	    {"000000000000000000000000000001", 1, 1},
	    {"65535", 65535, 65535},
	    {"9223372036854775807", INT64_MAX, INT64_MAX},
	    {"18446744073709551615", UINT64_MAX, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 77;

		if (!text_number(exactly(span_of(rows[i].text)), rows[i].max, &v))
			fail_msg("'%s' was refused", rows[i].text);
		assert_int_equal(v, rows[i].value);
	}
}

static void test_a_number_too_large_is_refused(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
	} rows[] = {
	    {"1", 0},
	    {"11", 10},
	    {"65536", 65535},
	    {"18446744073709551615", UINT64_MAX - 1},
	    {"18446744073709551616", UINT64_MAX}, /* 0 modulo 2^64 */
	    {"18446744073709551617", UINT64_MAX},
	    {"18446744073709551620", UINT64_MAX}, /* 2^64 / 10, and one digit more */
	    {"36893488147419103233", UINT64_MAX},
	    {"99999999999999999999", UINT64_MAX},
	    {"100000000000000000000000000000000000000001", UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 77;

		if (text_number(exactly(span_of(rows[i].text)), rows[i].max, &v))
			fail_msg("'%s' was read as %llu", rows[i].text, (unsigned long long)v);
		assert_int_equal(v, 77);
	}
}

static void test_a_number_is_digits_alone(void **state)
{
	static const struct span rows[] = {BYTES(""), BYTES(" "), BYTES(" 1"), BYTES("1 "),
	    BYTES("-1"), BYTES("+1"), BYTES("1a"), BYTES("a"), BYTES("0x1"), BYTES("1.0"),
	    BYTES("1e3"), BYTES("1,0"), BYTES("/"), BYTES(":"), BYTES("1\0"), BYTES("\xD9\xA3"),
	    BYTES("\xB1"), BYTES("1\n")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t v = 77;

		if (text_number(exactly(rows[i]), UINT64_MAX, &v))
			fail_msg("'%s' was read", rows[i].p);
		assert_int_equal(v, 77);
	}
}

static void test_a_duration_is_seconds_or_has_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
	    {"0", 0},
	    {"0ms", 0},
	    {"0d", 0},
	    {"90", 90000},
	    {"90s", 90000},
	    {"5m", 300000},
	    {"1h", 3600000},
	    {"2d", 172800000},
	    {"500ms", 500},
	    {"1ms", 1},
	    {"007", 7000},
	    {" 7 ", 7000},
	    {"\t7m\n", 420000},
	    /* ten years */
	    {"316224000", 316224000000},
	    {"5270400m", 316224000000},
	    {"87840h", 316224000000},
	    {"3660d", 316224000000},
	    {"316224000000ms", 316224000000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ms = 77;

		if (!text_duration(exactly(span_of(rows[i].text)), &ms))
			fail_msg("'%s' was refused", rows[i].text);
		if (ms != rows[i].ms)
			fail_msg("'%s' was read as %llu ms", rows[i].text, (unsigned long long)ms);
	}
}

static void test_a_duration_beyond_ten_years_is_refused(void **state)
{
	static const char *const rows[] = {"316224001", "316224001s", "5270401m", "87841h", "3661d",
	    "316224000001ms", "18446744073709551615", "18446744073709551616",
	    "99999999999999999999ms",
	    /* these wrap around to a few seconds when multiplied without care */
	    "18446744073709552", "213503982335d", "5124095576031h", "307445734561826m"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ms = 77;

		if (text_duration(span_of(rows[i]), &ms))
			fail_msg("'%s' was read as %llu ms", rows[i], (unsigned long long)ms);
		assert_int_equal(ms, 77);
	}
}

static void test_what_is_no_duration(void **state)
{
	static const struct span rows[] = {BYTES(""), BYTES(" "), BYTES("s"), BYTES("ms"),
	    BYTES("m5"), BYTES("-1"), BYTES("+1"), BYTES("-1s"), BYTES("1.5s"), BYTES("1,5"),
	    BYTES("5 m"), BYTES("5mm"), BYTES("5M"), BYTES("5S"), BYTES("5H"), BYTES("1h30m"),
	    BYTES("5min"), BYTES("5sec"), BYTES("1e3"), BYTES("0x10"), BYTES("soon"), BYTES("5\0s"),
	    BYTES("5s\0"), BYTES("5w"), BYTES("5us"), BYTES("\xD9\xA3")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t ms = 77;

		if (text_duration(exactly(rows[i]), &ms))
			fail_msg("'%s' was read as %llu ms", rows[i].p, (unsigned long long)ms);
		assert_int_equal(ms, 77);
	}
}

static void test_booleans(void **state)
{
	static const char *const yes[] = {
	    "true", "1", "yes", "on", "TRUE", "True", "Yes", "ON", " on "};
	static const char *const no[] = {
	    "false", "0", "no", "off", "FALSE", "False", "No", "OFF", " 0\n"};
	static const char *const neither[] = {"", " ", "2", "t", "y", "n", "f", "truefalse", "tru",
	    "true1", "01", "enabled", "-1", "of"};

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++) {
		bool out = false;

		assert_true(text_boolean(exactly(span_of(yes[i])), &out));
		assert_true(out);
	}
	for (size_t i = 0; i < COUNT(no); i++) {
		bool out = true;

		assert_true(text_boolean(exactly(span_of(no[i])), &out));
		assert_false(out);
	}
	for (size_t i = 0; i < COUNT(neither); i++) {
		bool out = true;

		if (text_boolean(exactly(span_of(neither[i])), &out))
			fail_msg("'%s' was read", neither[i]);
		assert_true(out);
	}
}

/* ---- globs ----------------------------------------------------------------------------------- */

static const struct glob_row {
	const char *pattern, *name;
	bool match;
} glob_rows[] = {
    /* no pattern at all */
    {"", "", true},
    {"", "a", false},
    {"web", "web", true},
    {"web", "we", false},
    {"web", "web1", false},
    {"web", "Web", false},
    /* any run */
    {"*", "", true},
    {"*", "anything", true},
    {"**", "x", true},
    {"web*", "web", true},
    {"web*", "web-1", true},
    {"web*", "my-web", false},
    {"*web", "my-web", true},
    {"*web", "web-1", false},
    {"*web*", "a-web-b", true},
    {"*web*", "wwwebb", true},
    {"a*b*c", "abc", true},
    {"a*b*c", "a-b-b-c", true},
    {"a*b*c", "acb", false},
    {"*aab", "aaaab", true},
    {"a*", "b", false},
    {"*/x", "a/b/x", true}, /* a slash is a byte like any */
    {"*", ".hidden", true},
    /* one byte */
    {"?", "", false},
    {"?", "a", true},
    {"?", "ab", false},
    {"web-?", "web-1", true},
    {"web-?", "web-12", false},
    {"*?", "", false},
    {"*?", "a", true},
    {"?*?", "a", false},
    {"?*?", "ab", true},
    {"??", "\xC3\xA4", true},
    /* sets */
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[abc]", "", false},
    {"[abc]", "ab", false},
    {"[a-c]", "a", true},
    {"[a-c]", "c", true},
    {"[a-c]", "d", false},
    {"[a-c]", "-", false},
    {"[0-9a-f]", "7", true},
    {"[0-9a-f]", "e", true},
    {"[0-9a-f]", "g", false},
    {"db[0-9][0-9]", "db42", true},
    {"db[0-9][0-9]", "db4", false},
    {"*[0-9]", "web-7", true},
    {"*[0-9]", "web-x", false},
    {"*[0-9]x", "a1b2x", true},
    {"[!a]", "b", true},
    {"[!a]", "a", false},
    {"[!a]", "", false},
    {"[!a-c]x", "dx", true},
    {"[!a-c]x", "bx", false},
    {"[a!]", "!", true},
    {"[]]", "]", true}, /* the first byte of a set does not end it */
    {"[]a]", "a", true},
    {"[!]]", "]", false},
    {"[!]]", "x", true},
    {"[a-]", "-", true},
    {"[a-]", "a", true},
    {"[a-]", "b", false},
    {"[-a]", "-", true},
    {"[*]", "*", true},
    {"[*]", "x", false},
    {"[?]", "x", false},
    {"[c-a]", "b", false},
    {"[\x80-\xFF]", "\xC3", true}, /* bytes are not signed */
    {"[\x80-\xFF]", "a", false},
    {"[a-\xFF]", "\x80", true},
    /* without an end it is no set */
    {"[", "[", true},
    {"[abc", "[abc", true},
    {"[abc", "a", false},
    {"a[", "a[", true},
    {"[!", "[!", true},
    {"[]", "[]", true},
    {"[]", "]", false},
    {"[a-", "[a-", true},
    {"*[", "a[", true},
    /* the next byte itself */
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"\\?", "?", true},
    {"\\?", "a", false},
    {"\\[a]", "[a]", true},
    {"\\[a]", "a", false},
    {"\\\\", "\\", true},
    {"\\a", "a", true},
    {"\\a", "\\a", false},
    {"*\\*", "a*", true},
    {"*\\*", "ab", false},
    {"a\\", "a\\", true}, /* nothing follows: it stands for itself */
    {"\\", "\\", true},
};

static void test_globs(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(glob_rows); i++) {
		const struct glob_row *r = &glob_rows[i];
		size_t n = strlen(r->name);
		char *name = malloc(n + 1);

		assert_non_null(name);
		memmove(name, r->name, n);
		name = realloc(name, n ? n : 1);
		if (text_glob(exactly(span_of(r->pattern)), (struct span){name, n}) != r->match)
			fail_msg("pattern '%s', name '%s'", r->pattern, r->name);
		free(name);
	}
}

/* Pieces that fnmatch() understands in the same way. */
static void test_globs_agree_with_fnmatch(void **state)
{
	static const char *const pieces[] = {"*", "*", "?", "a", "b", "c", "-", "[ab]", "[!a]",
	    "[a-b]", "[]a]", "[a-]", "\\*", "\\?", "\\[", "*a", "?b", "[!b-c]"};
	static const char letters[] = "aaabbc-*?[]";
	unsigned hits = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		char pattern[64] = "", name[16];
		size_t n = below(10);
		bool expected;

		for (uint64_t i = below(7); i; i--)
			strcat(pattern, pieces[below(COUNT(pieces))]);
		for (size_t i = 0; i < n; i++)
			name[i] = letters[below(sizeof(letters) - 1)];
		name[n] = 0;
		expected = !fnmatch(pattern, name, 0);
		hits += expected;
		if (text_glob(span_of(pattern), span_of(name)) != expected)
			fail_msg("pattern '%s', name '%s'", pattern, name);
	}
	assert_true(hits > 1000 && hits < 19000);
}

static double seconds_for_glob(const char *piece, size_t pieces, const char *end, char c, size_t n)
{
	size_t length = strlen(piece);
	char *pattern = malloc(length * pieces + strlen(end) + 2), *name = malloc(n);
	struct timespec from, to;

	assert_true(pattern && name);
	strcpy(pattern, "*");
	for (size_t i = 0; i < pieces; i++)
		memcpy(pattern + 1 + i * length, piece, length);
	strcpy(pattern + 1 + pieces * length, end);
	memset(name, c, n);
	alarm(20); /* a matcher without a bound never comes back */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_false(text_glob(span_of(pattern), (struct span){name, n}));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	alarm(0);
	free(pattern);
	free(name);
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

/* Each of these is some 4 million steps by the product of both lengths, and more than a thousand
 * times that without the bound. */
static void test_a_glob_takes_no_longer_than_the_product(void **state)
{
	(void)state;
	assert_true(seconds_for_glob("a*", 1000, "b", 'a', 2000) < 1);
	assert_true(seconds_for_glob("?*", 1000, "b", 'a', 2000) < 1);
	assert_true(seconds_for_glob("*", 2000, "b", 'a', 2000) < 1);
	assert_true(seconds_for_glob("[ab]*", 400, "b", 'a', 2000) < 1);
	assert_true(seconds_for_glob("a", 1000, "b", 'a', 2000) < 1);
	assert_true(seconds_for_glob("[!b]", 500, "b", 'a', 2000) < 1);
}

static void test_sets_without_an_end_take_no_longer(void **state)
{
	(void)state;
	assert_true(seconds_for_glob("[", 1500, "b", '[', 3000) < 1);
}

/* ---- times ----------------------------------------------------------------------------------- */

static void assert_time(const char *text, int64_t expected)
{
	int64_t wall = -77;

	if (!text_read_time(exactly(span_of(text)), &wall))
		fail_msg("'%s' was refused", text);
	if (wall != expected)
		fail_msg("'%s' was read as %lld", text, (long long)wall);
}

static void test_a_time_is_printed_in_utc_with_milliseconds(void **state)
{
	static const struct {
		int64_t wall;
		const char *text;
	} rows[] = {
	    {0, "1970-01-01T00:00:00.000Z"},
	    {1, "1970-01-01T00:00:00.001Z"},
	    {999, "1970-01-01T00:00:00.999Z"},
	    {1761827723789, "2025-10-30T12:35:23.789Z"},
	    {951782400000, "2000-02-29T00:00:00.000Z"},
	    {4107542400000, "2100-03-01T00:00:00.000Z"},
	    {253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	char out[TEXT_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(text_time(out, rows[i].wall), strlen(rows[i].text));
		assert_string_equal(out, rows[i].text);
	}
}

static void test_a_printed_time_reads_back(void **state)
{
	char out[TEXT_TIME_SIZE];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		int64_t wall = (int64_t)below(253402300800000);
		size_t n = text_time(out, wall);
		int64_t again = -77;

		assert_int_equal(n, 24);
		assert_true(text_read_time(exactly((struct span){out, n}), &again));
		assert_int_equal(again, wall);
	}
}

static void test_every_day_until_2400_is_the_calendars(void **state)
{
	(void)state;
	for (time_t day = 0; day < 157054; day++) {
		time_t at = day * 86400 + day % 86400;
		char text[32];
		struct tm tm;
		int64_t wall = -77;

		gmtime_r(&at, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		if (!text_read_time(span_of(text), &wall) || wall != (int64_t)at * 1000)
			fail_msg("'%s' was read as %lld", text, (long long)wall);
	}
}

static void assert_date(int64_t seconds)
{
	struct text_date d = text_date(seconds);
	time_t at = (time_t)seconds;
	struct tm tm;

	gmtime_r(&at, &tm);
	if (d.year != (int64_t)tm.tm_year + 1900 || d.month != (unsigned)tm.tm_mon + 1 ||
	    d.day != (unsigned)tm.tm_mday || d.hour != (unsigned)tm.tm_hour ||
	    d.minute != (unsigned)tm.tm_min || d.second != (unsigned)tm.tm_sec)
		fail_msg("%lld is %lld-%u-%u %u:%u:%u", (long long)seconds, (long long)d.year,
		    d.month, d.day, d.hour, d.minute, d.second);
}

static void test_dates_agree_with_gmtime(void **state)
{
	(void)state;
	/* every day of 800 years, before 1970 too: all leap years of an era, and its end */
	for (int64_t day = -146097; day < 146097; day++) {
		assert_date(day * 86400);
		assert_date(day * 86400 + 86399);
	}
	for (int round = 0; round < 100000; round++)
		assert_date((int64_t)below(1ull << 50) - (1ll << 49));
	assert_date(INT64_MAX / 1000);
	assert_date(INT64_MIN / 1000);
}

static void test_days_count_on_over_the_end_of_a_month(void **state)
{
	(void)state;
	assert_int_equal(text_days(1970, 1, 1), 0);
	assert_int_equal(text_days(2000, 2, 29), 11016);
	assert_int_equal(text_days(2000, 2, 30), text_days(2000, 3, 1));
	assert_int_equal(text_days(1969, 12, 31), -1);
	assert_int_equal(text_days(1, 1, 1), -719162);
}

static void test_times_before_1970_are_printed(void **state)
{
	char out[TEXT_TIME_SIZE];

	(void)state;
	text_time(out, -1);
	assert_string_equal(out, "1969-12-31T23:59:59.999Z");
}

static void test_random_times_agree_with_timegm(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		/* years of four digits, with leap years of every kind among them */
		struct tm tm = {.tm_year = (int)(70 + below(8029)),
		    .tm_mon = (int)below(12),
		    .tm_mday = (int)(1 + below(28)),
		    .tm_hour = (int)below(24),
		    .tm_min = (int)below(60),
		    .tm_sec = (int)below(60)};
		char text[48];

		snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
		    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
		assert_time(text, (int64_t)timegm(&tm) * 1000);
	}
}

static void test_fractions_are_cut_to_milliseconds(void **state)
{
	(void)state;
	assert_time("2025-10-30T12:35:23Z", 1761827723000);
	assert_time("2025-10-30T12:35:23.7Z", 1761827723700);
	assert_time("2025-10-30T12:35:23.07Z", 1761827723070);
	assert_time("2025-10-30T12:35:23.78Z", 1761827723780);
	assert_time("2025-10-30T12:35:23.789Z", 1761827723789);
	assert_time("2025-10-30T12:35:23.7899Z", 1761827723789);
	assert_time("2025-10-30T12:35:23.000999999Z", 1761827723000);
	assert_time("2025-10-30T12:35:23.123456789Z", 1761827723123);
	assert_time("2025-10-30T12:35:23.99999999999999999999999999999999Z", 1761827723999);
}

static void test_offsets_count_towards_utc(void **state)
{
	(void)state;
	assert_time("2025-10-30T13:35:23+01:00", 1761827723000);
	assert_time("2025-10-30T07:05:23-05:30", 1761827723000);
	assert_time("2025-10-30T12:35:23+00:00", 1761827723000);
	assert_time("2025-10-30T12:35:23-00:00", 1761827723000);
	assert_time("2025-10-31T02:35:23.5+14:00", 1761827723500);
	assert_time("2026-01-01T00:30:00+01:00", 1767223800000); /* still the year before */
	assert_time("2024-02-28T23:30:00-01:00", 1709166600000); /* the leap day already */
	assert_time("2025-10-30t12:35:23z", 1761827723000); /* RFC 3339 5.6: in lower case too */
	assert_time("2025-10-30 12:35:23Z", 1761827723000);
	assert_time("2016-12-31T23:59:60Z", 1483228800000); /* a leap second */
}

static void test_never_is_zero(void **state)
{
	(void)state;
	assert_time("0001-01-01T00:00:00Z", 0);
	assert_time("0001-01-01T00:00:00+01:00", 0);
	assert_time("1969-12-31T23:59:59Z", 0);
	assert_time("1970-01-01T00:00:00Z", 0);
}

static void test_what_is_no_time(void **state)
{
	static const struct span rows[] = {BYTES(""), BYTES("now"), BYTES("2025-10-30"),
	    BYTES("2025-10-30T12:35:23"), BYTES("2025-10-30T12:35Z"),
	    BYTES("2025-10-30T12:35:23+0100"), BYTES("2025-10-30T12:35:23+1:00"),
	    BYTES("2025-10-30T12:35:23+01"), BYTES("2025-10-30T12:35:23UTC"),
	    BYTES("2025-10-30T12:35:23Zx"), BYTES("2025-10-30T12:35:23Z "),
	    BYTES(" 2025-10-30T12:35:23Z"), BYTES("2025-10-30T12:35:23+01:00x"),
	    BYTES("2025-10-30T12:35:23Z\0"), BYTES("25-10-30T12:35:23Z"),
	    BYTES("12025-10-30T12:35:23Z"), BYTES("2025/10/30T12:35:23Z"),
	    BYTES("2025-1-30T12:35:23Z"), BYTES("2025-10-3T12:35:23Z"),
	    BYTES("2025-10-30T1:35:23Z"), BYTES("2025-10-30_12:35:23Z"),
	    BYTES("-025-10-30T12:35:23Z"), BYTES("2025-00-30T12:35:23Z"),
	    BYTES("2025-13-30T12:35:23Z"), BYTES("2025-10-00T12:35:23Z"),
	    BYTES("2025-10-32T12:35:23Z"), BYTES("2025-10-30T24:35:23Z"),
	    BYTES("2025-10-30T12:60:23Z"), BYTES("2025-10-30T12:35:61Z"),
	    BYTES("2025-10-30T12:35:23.5"), BYTES("2025-10-30T12:35:23.5,Z"), BYTES("1761827723")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		int64_t wall = -77;

		if (text_read_time(exactly(rows[i]), &wall))
			fail_msg("'%s' was read as %lld", rows[i].p, (long long)wall);
		assert_int_equal(wall, -77);
	}
}

static void test_no_part_of_a_time_is_one(void **state)
{
	static const char text[] = "2025-10-30T12:35:23.789+01:30";
	int64_t wall = -77;

	(void)state;
	for (size_t n = 0; n + 1 < sizeof(text); n++)
		if (text_read_time(exactly((struct span){text, n}), &wall))
			fail_msg("'%.*s' was read", (int)n, text);
	assert_int_equal(wall, -77);
}

static void test_http_dates_agree_with_timegm(void **state)
{
	int64_t wall = -77;

	(void)state;
	assert_true(text_read_http_date(exactly(span_of("Sun, 06 Nov 1994 08:49:37 GMT")), &wall));
	assert_int_equal(wall, 784111777000);
	for (int round = 0; round < 10000; round++) {
		time_t at = (time_t)below(253402300800);
		char text[40];
		struct tm tm;

		gmtime_r(&at, &tm);
		strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		if (!text_read_http_date(exactly(span_of(text)), &wall))
			fail_msg("'%s' was refused", text);
		if (wall != (int64_t)at * 1000)
			fail_msg("'%s' was read as %lld", text, (long long)wall);
	}
}

static void test_what_is_no_http_date(void **state)
{
	static const char *const rows[] = {"", "now", "Sunday, 06-Nov-94 08:49:37 GMT", /* RFC 850 */
	    "Sun Nov  6 08:49:37 1994", /* asctime */
	    "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
	    "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:37 gmt",
	    "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
	    "Sun, 06 ovD 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
	    "Sun, 6  Nov 1994 08:49:37 GMT", "Sun, 06-Nov-1994 08:49:37 GMT",
	    "Sun, 06 Nov 1994 08.49.37 GMT", "Sun; 06 Nov 1994 08:49:37 GMT",
	    "Sun, -6 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:3x GMT",
	    "2025-10-30T12:35:23.789+01:30"};
	int64_t wall = -77;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (text_read_http_date(exactly(span_of(rows[i])), &wall))
			fail_msg("'%s' was read as %lld", rows[i], (long long)wall);
	assert_int_equal(wall, -77);
	/* every length short of a whole one, in memory that ends there */
	for (size_t n = 0; n < 29; n++)
		assert_false(text_read_http_date(
		    exactly((struct span){"Sun, 06 Nov 1994 08:49:37 GMT", n}), &wall));
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* RFC 3629 3, for any number below 2^21, also for those which are no characters. */
static size_t encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xC0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xE0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xF0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

static void test_every_character_is_decoded(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x200000; c++) {
		bool is_character = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
		uint32_t code = 77;
		char bytes[5] = {0};
		size_t n = encode(c, bytes), got = text_utf8(bytes, sizeof(bytes), &code);

		if (got != (is_character ? n : 0) || code != (is_character ? c : 77))
			fail_msg("U+%04X gave %zu, %X", c, got, code);
	}
}

static void test_a_character_cut_short_is_none(void **state)
{
	(void)state;
	for (uint32_t c = 0x80; c < 0x110000; c += c < 0x3000 ? 1 : 997) {
		char bytes[4];
		uint32_t code = 77;

		for (size_t n = encode(c, bytes) - 1; n; n--) {
			struct span cut = exactly((struct span){bytes, n});

			assert_int_equal(text_utf8(cut.p, cut.n, &code), 0);
		}
		assert_int_equal(code, 77);
	}
	assert_int_equal(text_utf8("a", 0, &(uint32_t){0}), 0);
}

static void test_no_other_bytes_are_utf8(void **state)
{
	static const struct span rows[] = {BYTES("\x80"), BYTES("\xBF"), BYTES("\xC3\x28"),
	    BYTES("\xC3\xC3"), BYTES("\xC3\xFF"),
	    /* overlong forms */
	    BYTES("\xC0\x80"), BYTES("\xC0\xAF"), BYTES("\xC1\xBF"), BYTES("\xE0\x80\x80"),
	    BYTES("\xE0\x80\xAF"), BYTES("\xE0\x9F\xBF"), BYTES("\xF0\x80\x80\x80"),
	    BYTES("\xF0\x80\x80\xAF"), BYTES("\xF0\x8F\xBF\xBF"),
	    /* surrogates, also as a pair (CESU-8) */
	    BYTES("\xED\xA0\x80"), BYTES("\xED\xAF\xBF"), BYTES("\xED\xB0\x80"),
	    BYTES("\xED\xBF\xBF"), BYTES("\xED\xA0\xBD\xED\xB8\x80"),
	    /* beyond U+10FFFF, and lengths of old */
	    BYTES("\xF4\x90\x80\x80"), BYTES("\xF5\x80\x80\x80"), BYTES("\xF7\xBF\xBF\xBF"),
	    BYTES("\xF8\x88\x80\x80\x80"), BYTES("\xFC\x84\x80\x80\x80\x80"), BYTES("\xFE"),
	    BYTES("\xFF"), BYTES("\xFE\xFE\xFF\xFF"),
	    /* a wrong byte at each place */
	    BYTES("\xE2\x28\xA1"), BYTES("\xE2\x82\x28"), BYTES("\xF0\x28\x8C\xBC"),
	    BYTES("\xF0\x90\x28\xBC"), BYTES("\xF0\x90\x8C\x28"), BYTES("\xE2\x82\xC2")};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct span s = exactly(rows[i]);
		uint32_t code = 77;

		if (text_utf8(s.p, s.n, &code))
			fail_msg("row %zu was decoded to %X", i, code);
		assert_int_equal(code, 77);
	}
}

/* The table of RFC 3629 4, byte by byte. */
static size_t utf8_by_the_table(const unsigned char *b, size_t n)
{
	static const struct {
		unsigned char first, first_end, second, second_end;
		size_t length;
	} table[] = {{0x00, 0x7F, 0, 0, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
	    {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
	    {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};

	for (size_t i = 0; i < COUNT(table); i++) {
		if (b[0] < table[i].first || b[0] > table[i].first_end || n < table[i].length)
			continue;
		if (table[i].length > 1 && (b[1] < table[i].second || b[1] > table[i].second_end))
			return 0;
		for (size_t k = 2; k < table[i].length; k++)
			if (b[k] < 0x80 || b[k] > 0xBF)
				return 0;
		return table[i].length;
	}
	return 0;
}

static void test_any_bytes_agree_with_the_table(void **state)
{
	static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
	    0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4,
	    0xF5, 0xFF};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < 65536; i++) {
		unsigned char b[4] = {(unsigned char)(i >> 8), (unsigned char)i, 0x80, 0xBF};

		assert_int_equal(text_utf8((char *)b, 4, &code), utf8_by_the_table(b, 4));
	}
	for (size_t i = 0; i < COUNT(edges) * COUNT(edges) * COUNT(edges) * COUNT(edges); i++) {
		unsigned char b[4];
		size_t rest = i;

		for (size_t k = 0; k < 4; k++, rest /= COUNT(edges))
			b[k] = edges[rest % COUNT(edges)];
		if (text_utf8((char *)b, 4, &code) != utf8_by_the_table(b, 4))
			fail_msg("%02x %02x %02x %02x", b[0], b[1], b[2], b[3]);
	}
}

/* ---- what is not safe to print --------------------------------------------------------------- */

static void test_what_could_fool_a_reader_is_unsafe(void **state)
{
	static const struct {
		uint32_t from, to;
	} unsafe[] = {
	    {0x00, 0x1F},     /* C0 */
	    {0x7F, 0x9F},     /* DEL, C1 */
	    {0xAD, 0xAD},     /* soft hyphen */
	    {0x61C, 0x61C},   /* Arabic letter mark */
	    {0x200B, 0x200F}, /* zero-width, left-to-right and right-to-left marks */
	    {0x2028, 0x202E}, /* separators, embeddings, overrides */
	    {0x2060, 0x2064}, /* word joiner and other invisible ones */
	    {0x2066, 0x2069}, /* isolates */
	    {0xFEFF, 0xFEFF}, /* byte order mark */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(unsafe); i++)
		for (uint32_t c = unsafe[i].from; c <= unsafe[i].to; c++)
			if (!text_unsafe(c))
				fail_msg("U+%04X counts as safe", c);
}

static void test_letters_and_signs_are_safe(void **state)
{
	static const uint32_t safe[] = {0xA0, 0xAC, 0xAE, 0xE4, 0xDF, 0x416, 0x5D0, 0x61B, 0x61D,
	    0x627, 0x200A, 0x2010, 0x2026, 0x2027, 0x202F, 0x20AC, 0x2713, 0x4E2D, 0xAC00, 0xFF01,
	    0xFFFD, 0x1F600, 0x20000};

	(void)state;
	for (uint32_t c = 0x20; c < 0x7F; c++)
		assert_false(text_unsafe(c));
	for (size_t i = 0; i < COUNT(safe); i++)
		if (text_unsafe(safe[i]))
			fail_msg("U+%04X counts as unsafe", safe[i]);
}

static void assert_escaped(struct span s, const char *expected)
{
	char out[128];
	size_t n = text_escape(exactly(s), out, sizeof(out));

	assert_string_equal(out, expected);
	assert_int_equal(n, strlen(expected));
}

static void test_every_control_is_escaped(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x20; c++) {
		char text[3] = {'a', (char)c, 'z'}, expected[16];

		snprintf(expected, sizeof(expected), "a\\x%02xz", c);
		assert_escaped((struct span){text, 3}, expected);
	}
	for (unsigned c = 0x7F; c < 0xA0; c++) {
		char text[8], expected[16];

		snprintf(expected, sizeof(expected), "\\x%02x", c);
		assert_escaped((struct span){text, encode(c, text)}, expected);
	}
}

static void test_marks_and_invalid_bytes_are_escaped(void **state)
{
	(void)state;
	assert_escaped(BYTES("a\xE2\x80\xAE"
			     "b"),
	    "a\\u{202e}b");
	assert_escaped(BYTES("\xE2\x80\x8B"), "\\u{200b}");
	assert_escaped(BYTES("\xEF\xBB\xBF"), "\\u{feff}");
	assert_escaped(BYTES("\xD8\x9C"), "\\u{61c}");
	assert_escaped(BYTES("\xE2\x80\xA8"), "\\u{2028}");
	assert_escaped(BYTES("\x1b[31mred\x1b[0m\r\n"), "\\x1b[31mred\\x1b[0m\\x0d\\x0a");
	assert_escaped(BYTES("\xC2"), "\\xc2");
	assert_escaped(BYTES("\xFF\xFE"
			     "x"),
	    "\\xff\\xfex");
	assert_escaped(BYTES("\xC3("), "\\xc3(");
	assert_escaped(BYTES("\xE2\x80"), "\\xe2\\x80");
	assert_escaped(BYTES("\xED\xA0\x80"), "\\xed\\xa0\\x80");
	assert_escaped(BYTES("\xF0\x9F\x98"), "\\xf0\\x9f\\x98");
	assert_escaped(BYTES("\x9B"), "\\x9b"); /* CSI as a byte */
}

static void test_other_text_stays_as_it_is(void **state)
{
	static const char text[] =
	    "my-app 'quoted' \"twice\" \\ ~ \xC3\xA4 \xE2\x9C\x93 \xF0\x9F\x98\x80";

	(void)state;
	assert_escaped(BYTES(text), text);
	assert_escaped(BYTES(""), "");
}

/* Characters and escapes of every length, at every size of the output. */
static void test_an_escape_is_cut_at_its_whole(void **state)
{
	static const char text[] = "a\x01\xC3\xA4\xE2\x80\xAE\xF0\x9F\x98\x80\xFF"
				   "z";
	static const char whole[] = "a\\x01\xC3\xA4\\u{202e}\xF0\x9F\x98\x80\\xffz";
	static const size_t ends[] = {0, 1, 5, 7, 15, 19, 23, 24};

	(void)state;
	for (size_t cap = 1; cap < sizeof(whole) + 4; cap++) {
		char *out = malloc(cap);
		size_t expected = 0, n;

		assert_non_null(out);
		for (size_t i = 0; i < COUNT(ends); i++)
			if (ends[i] < cap)
				expected = ends[i];
		n = text_escape(BYTES(text), out, cap);
		assert_int_equal(n, expected);
		assert_int_equal(out[n], 0);
		assert_memory_equal(out, whole, n);
		free(out);
	}
}

static void test_escaped_text_is_safe_whatever_it_was(void **state)
{
	(void)state;
	for (int round = 0; round < 5000; round++) {
		char text[40], out[200];
		size_t n = below(sizeof(text)), at = 0, length;

		for (size_t i = 0; i < n; i++)
			text[i] = (char)(below(2) ? any() : 0x80 | below(128));
		length = text_escape((struct span){text, n}, out, 1 + below(sizeof(out)));
		assert_int_equal(length, strlen(out));
		while (at < length) {
			uint32_t code = 0;
			size_t step = text_utf8(out + at, length - at, &code);

			assert_true(step > 0);
			assert_false(text_unsafe(code));
			at += step;
		}
	}
}

/* ---- hex and hash ---------------------------------------------------------------------------- */

static void test_hex_reads_back(void **state)
{
	uint8_t bytes[256], again[256];
	char out[513];

	(void)state;
	for (size_t i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	text_hex(bytes, 256, out);
	assert_int_equal(strlen(out), 512);
	assert_memory_equal(out, "000102", 6);
	assert_string_equal(out + 506, "fdfeff");
	assert_true(text_unhex(exactly((struct span){out, 512}), again, 256));
	assert_memory_equal(bytes, again, 256);
	text_hex(bytes, 0, out);
	assert_string_equal(out, "");
	assert_true(text_unhex(BYTES(""), again, 0));
}

static void test_what_is_no_hex(void **state)
{
	static const struct span rows[] = {BYTES(""), BYTES("a"), BYTES("abc"), BYTES("abcde"),
	    BYTES("abcdef"), BYTES("abcg"), BYTES("gabc"), BYTES("ab d"), BYTES("ab/0"),
	    BYTES("ab:0"), BYTES("ab`0"), BYTES("ab@0"), BYTES("0x12"), BYTES("-123"),
	    BYTES("ab\0d"), BYTES("ab\xB1\xB1")};
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (text_unhex(exactly(rows[i]), out, 2))
			fail_msg("'%s' was read", rows[i].p);
}

static void test_a_hash_depends_on_bytes_and_seed(void **state)
{
	uint8_t seen[1024] = {0};
	unsigned used = 0;

	(void)state;
	assert_true(text_hash(span_of("web"), 1) == text_hash(exactly(span_of("web")), 1));
	assert_true(text_hash(span_of("web"), 1) != text_hash(span_of("web"), 2));
	assert_true(text_hash(span_of("web"), 1) != text_hash(span_of("wec"), 1));
	assert_true(text_hash(BYTES("a"), 1) != text_hash(BYTES("a\0"), 1));
	assert_true(text_hash(BYTES("ab"), 1) != text_hash(BYTES("ba"), 1));
	/* the low bits choose the bucket: 1,024 names in a row spread over some 63 % of 1,024 */
	for (int i = 0; i < 1024; i++) {
		char name[16];
		size_t n = (size_t)snprintf(name, sizeof(name), "web-%d", i);

		seen[text_hash((struct span){name, n}, 42) % 1024] = 1;
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		used += seen[i];
	assert_in_range(used, 580, 720);
}

/* ---- text_print ------------------------------------------------------------------------------ */

/* Compares text_print with the C library's for one format and its values, at a random room. Format
 * strings made at run time are the point here. */
static void same(const char *format, ...)
{
	char expected[256], got[64];
	size_t cap = 1 + below(60);
	char *room = malloc(cap);
	va_list args, again;
	int n, m;

	assert_non_null(room);
	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(expected, sizeof(expected), format, args);
	m = text_vprint(room, cap, format, again);
	va_end(again);
	va_end(args);
	if ((size_t)n >= cap)
		expected[cap - 1] = 0;
	memcpy(got, room, cap);
	free(room);
	if (m != n || strcmp(got, expected))
		fail_msg("\"%s\" gave '%s' (%d), not '%s' (%d)", format, got, m, expected, n);
}

/* Numbers of every magnitude, the ends of each type among them. */
static uint64_t any_number(void)
{
	static const uint64_t edges[] = {0, 1, 9, 10, INT32_MAX, (uint64_t)INT32_MAX + 1,
	    UINT32_MAX, (uint64_t)UINT32_MAX + 1, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX,
	    UINT64_MAX - 9};

	return below(4) ? any() * 8 >> below(64) : edges[below(COUNT(edges))];
}

static void test_numbers_are_printed_as_the_c_library_does(void **state)
{
	static const char *const kinds[] = {
	    "d", "u", "x", "ld", "lu", "lx", "lld", "llu", "llx", "zu", "zx"};

	(void)state;
	for (int round = 0; round < 40000; round++) {
		const char *kind = kinds[below(COUNT(kinds))];
		char f[32], width[8] = "";
		uint64_t v = any_number();

		if (below(2))
			snprintf(width, sizeof(width), "%s%u", below(2) ? "0" : "",
			    1 + (unsigned)below(26));
		snprintf(f, sizeof(f), "%s%%%s%s%s", below(2) ? "<" : "", width, kind,
		    below(2) ? "> %%" : "");
		if (!strncmp(kind, "ll", 2))
			same(f, (unsigned long long)v);
		else if (kind[0] == 'l')
			same(f, (unsigned long)v);
		else if (kind[0] == 'z')
			same(f, (size_t)v);
		else
			same(f, (unsigned)v);
	}
}

static void test_a_signed_size_is_printed_whole(void **state)
{
	(void)state;
	same("%zd", (ssize_t)-1);
	same("%zd", (ssize_t)42);
	same("%zd", (ssize_t)5000000000);
	same("%zd", (ssize_t)-5000000000);
}

static void test_a_width_may_be_an_argument(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		same("%*d|", (int)below(20), (int)any_number());
		same("%0*d|", 1 + (int)below(20), (int)any_number());
		same("%*u|", (int)below(20), (unsigned)any_number());
		same("%*s|", (int)below(20), "text");
	}
}

static void test_texts_are_printed_as_the_c_library_does(void **state)
{
	static const char *const texts[] = {
	    "", "a", "text", "a text that is somewhat longer", "\xC3\xA4"};

	(void)state;
	for (int round = 0; round < 5000; round++) {
		const char *s = texts[below(COUNT(texts))];
		char f[32];

		same("%s", s);
		same("<%s|%s>", s, texts[below(COUNT(texts))]);
		same("%.*s|", (int)below(12), s);
		snprintf(f, sizeof(f), "%%%us|", 1 + (unsigned)below(30));
		same(f, s);
		snprintf(f, sizeof(f), "%%%u.%us|", 1 + (unsigned)below(30), (unsigned)below(12));
		same(f, s);
		same("%.s|%.0s", s, s);
		same("%c%c", (int)(1 + below(255)), (int)(1 + below(255)));
		same("%4c", 'x');
		same("100 %% of %d", (int)below(100));
	}
}

static void test_a_precision_reads_no_further(void **state)
{
	struct span s = exactly(BYTES("abcdef")); /* no zero behind it */
	char out[32];

	(void)state;
	assert_int_equal(text_print(out, sizeof(out), "%.*s!", (int)s.n, s.p), 7);
	assert_string_equal(out, "abcdef!");
	assert_int_equal(text_print(out, sizeof(out), "%.3s", s.p), 3);
	assert_string_equal(out, "abc");
}

static void test_no_text_is_no_crash(void **state)
{
	const char *volatile nothing = NULL;
	char out[32];

	(void)state;
	assert_true(text_print(out, sizeof(out), "%s", nothing) > 0);
	assert_true(out[0]);
}

static void test_a_print_of_one_byte_counts_alone(void **state)
{
	char none = 'x';

	(void)state;
	assert_int_equal(text_print(&none, 1, "%s-%d", "abc", 1234), 8);
	assert_int_equal(none, 0);
}

static void test_errors_have_the_words_of_libc(void **state)
{
	unsigned known = 0;

	(void)state;
	for (int error = 1; error < 140; error++) {
		if (!strcmp(text_error(error), text_error(-1)))
			continue;
		assert_string_equal(text_error(error), strerror(error));
		known++;
	}
	assert_true(known > 40);
	assert_string_equal(text_error(ECONNREFUSED), "Connection refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_errors_have_the_words_of_libc),
	    cmocka_unit_test(test_words_are_found),
	    cmocka_unit_test(test_spans_are_compared_by_their_bytes),
	    cmocka_unit_test(test_case_is_ignored_for_ascii_letters_alone),
	    cmocka_unit_test(test_trimming_takes_blanks_from_both_ends),
	    cmocka_unit_test(test_a_copy_is_cut_and_terminated),
	    cmocka_unit_test(test_the_items_of_a_list),
	    cmocka_unit_test(test_a_number_is_read_up_to_its_bound),
	    cmocka_unit_test(test_a_number_too_large_is_refused),
	    cmocka_unit_test(test_a_number_is_digits_alone),
	    cmocka_unit_test(test_a_duration_is_seconds_or_has_a_unit),
	    cmocka_unit_test(test_a_duration_beyond_ten_years_is_refused),
	    cmocka_unit_test(test_what_is_no_duration),
	    cmocka_unit_test(test_booleans),
	    cmocka_unit_test(test_globs),
	    cmocka_unit_test(test_globs_agree_with_fnmatch),
	    cmocka_unit_test(test_a_glob_takes_no_longer_than_the_product),
	    cmocka_unit_test(test_sets_without_an_end_take_no_longer),
	    cmocka_unit_test(test_a_time_is_printed_in_utc_with_milliseconds),
	    cmocka_unit_test(test_a_printed_time_reads_back),
	    cmocka_unit_test(test_every_day_until_2400_is_the_calendars),
	    cmocka_unit_test(test_dates_agree_with_gmtime),
	    cmocka_unit_test(test_days_count_on_over_the_end_of_a_month),
	    cmocka_unit_test(test_times_before_1970_are_printed),
	    cmocka_unit_test(test_random_times_agree_with_timegm),
	    cmocka_unit_test(test_fractions_are_cut_to_milliseconds),
	    cmocka_unit_test(test_offsets_count_towards_utc),
	    cmocka_unit_test(test_never_is_zero),
	    cmocka_unit_test(test_what_is_no_time),
	    cmocka_unit_test(test_no_part_of_a_time_is_one),
	    cmocka_unit_test(test_http_dates_agree_with_timegm),
	    cmocka_unit_test(test_what_is_no_http_date),
	    cmocka_unit_test(test_every_character_is_decoded),
	    cmocka_unit_test(test_a_character_cut_short_is_none),
	    cmocka_unit_test(test_no_other_bytes_are_utf8),
	    cmocka_unit_test(test_any_bytes_agree_with_the_table),
	    cmocka_unit_test(test_what_could_fool_a_reader_is_unsafe),
	    cmocka_unit_test(test_letters_and_signs_are_safe),
	    cmocka_unit_test(test_every_control_is_escaped),
	    cmocka_unit_test(test_marks_and_invalid_bytes_are_escaped),
	    cmocka_unit_test(test_other_text_stays_as_it_is),
	    cmocka_unit_test(test_an_escape_is_cut_at_its_whole),
	    cmocka_unit_test(test_escaped_text_is_safe_whatever_it_was),
	    cmocka_unit_test(test_hex_reads_back),
	    cmocka_unit_test(test_what_is_no_hex),
	    cmocka_unit_test(test_a_hash_depends_on_bytes_and_seed),
	    cmocka_unit_test(test_numbers_are_printed_as_the_c_library_does),
	    cmocka_unit_test(test_a_signed_size_is_printed_whole),
	    cmocka_unit_test(test_a_width_may_be_an_argument),
	    cmocka_unit_test(test_texts_are_printed_as_the_c_library_does),
	    cmocka_unit_test(test_a_precision_reads_no_further),
	    cmocka_unit_test(test_no_text_is_no_crash),
	    cmocka_unit_test(test_a_print_of_one_byte_counts_alone),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
