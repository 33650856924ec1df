/* test_tz.c - what tz.h promises: zones in POSIX form against glibc's, hostile strings, zones' files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tz.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOUR 3600
#define DAY 86400
#define YEAR_2024 1704067200 /* a leap year */

/* A copy of exactly the bytes of s on the heap, so that the sanitizer sees a read beyond them. */
static bool reads(struct span s, struct tz *tz)
{
	char *copy = malloc(s.n ? s.n : 1);
	bool result;

	assert_non_null(copy);
	if (s.n)
		memcpy(copy, s.p, s.n);
	result = tz_read((struct span){copy, s.n}, tz);
	free(copy);
	return result;
}

static struct tz zone(const char *text)
{
	struct tz tz;

	if (!reads(span_of(text), &tz))
		fail_msg("'%s' was refused", text);
	return tz;
}

static void assert_offset(const char *text, int64_t at, int32_t expected)
{
	struct tz tz = zone(text);
	int32_t got = tz_offset(&tz, at);

	if (got != expected)
		fail_msg("'%s' at %lld: %d instead of %d", text, (long long)at, got, expected);
}

/* ---- the POSIX form -------------------------------------------------------------------------- */

static void test_zones_without_summer_time(void **state)
{
	static const struct {
		const char *text;
		int32_t east;
	} rows[] = {{"UTC0", 0}, {"CET-1", HOUR}, {"EST5", -5 * HOUR}, {"EST+5", -5 * HOUR},
	    {"EST05", -5 * HOUR}, {"IST-5:30", 5 * HOUR + 1800}, {"<+0545>-5:45", 5 * HOUR + 2700},
	    {"<-03>3", -3 * HOUR}, {"<+14>-14", 14 * HOUR}, {"XXX24", -24 * HOUR},
	    {"XXX-24:59:59", 24 * HOUR + 3599}, {"LMT0:01:15", -75}, {"LMT-0:00:01", 1},
	    {"abcdefghijklmnopqrstuvwxyz-1", HOUR}, {"<a b,c>-1", HOUR}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_offset(rows[i].text, 0, rows[i].east);
		assert_offset(rows[i].text, YEAR_2024 + 180 * DAY, rows[i].east);
	}
}

static void test_the_second_of_the_change(void **state)
{
	static const char berlin[] = "CET-1CEST,M3.5.0,M10.5.0/3";
	static const char sydney[] = "AEST-10AEDT,M10.1.0,M4.1.0/3";
	static const char dublin[] = "IST-1GMT0,M10.5.0,M3.5.0/1";
	static const char godthab[] = "<-02>2<-01>,M3.5.0/-1,M10.5.0/0";
	static const char lord_howe[] = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0";
	static const char gaza[] = "EET-2EEST,M3.4.4/50,M10.4.4/50";

	(void)state;
	/* 2025-03-30 01:00 and 2025-10-26 01:00 UTC */
	assert_offset(berlin, 1743296399, HOUR);
	assert_offset(berlin, 1743296400, 2 * HOUR);
	assert_offset(berlin, 1761440399, 2 * HOUR);
	assert_offset(berlin, 1761440400, HOUR);
	/* 2025-04-05 16:00 and 2025-10-04 16:00 UTC; summer goes over New Year */
	assert_offset(sydney, 1743868799, 11 * HOUR);
	assert_offset(sydney, 1743868800, 10 * HOUR);
	assert_offset(sydney, 1759593599, 10 * HOUR);
	assert_offset(sydney, 1759593600, 11 * HOUR);
	assert_offset(sydney, 1767225599, 11 * HOUR);
	assert_offset(sydney, 1767225600, 11 * HOUR);
	/* what is called summer is winter here: 2025-03-30 01:00 and 2025-10-26 01:00 UTC */
	assert_offset(dublin, 1743296399, 0);
	assert_offset(dublin, 1743296400, HOUR);
	assert_offset(dublin, 1761440399, HOUR);
	assert_offset(dublin, 1761440400, 0);
	/* an hour before the midnight of the Sunday: 2025-03-30 01:00 UTC again */
	assert_offset(godthab, 1743296399, -2 * HOUR);
	assert_offset(godthab, 1743296400, -HOUR);
	/* half an hour of summer: 2025-04-05 15:00 UTC */
	assert_offset(lord_howe, 1743865199, 11 * HOUR);
	assert_offset(lord_howe, 1743865200, 10 * HOUR + 1800);
	/* 50 h after the fourth Thursday's midnight: Saturday 2025-03-29 00:00 UTC */
	assert_offset(gaza, 1743206399, 2 * HOUR);
	assert_offset(gaza, 1743206400, 3 * HOUR);
}

static void test_days_of_the_year(void **state)
{
	(void)state;
	/* J60 is 1 March in every year, J59 28 February; 59 counts from 0 and knows the leap day */
	assert_offset("XXX0YYY,J60/0,J300/0", YEAR_2024 + 60 * DAY - 1, 0);
	assert_offset("XXX0YYY,J60/0,J300/0", YEAR_2024 + 60 * DAY, HOUR);
	assert_offset("XXX0YYY,J59/0,J300/0", YEAR_2024 + 58 * DAY - 1, 0);
	assert_offset("XXX0YYY,J59/0,J300/0", YEAR_2024 + 58 * DAY, HOUR);
	assert_offset("XXX0YYY,59/0,300/0", YEAR_2024 + 59 * DAY - 1, 0);
	assert_offset("XXX0YYY,59/0,300/0", YEAR_2024 + 59 * DAY, HOUR);
	assert_offset("XXX0YYY,J60/0,J300/0", YEAR_2024 + (366 + 59) * DAY - 1, 0);
	assert_offset("XXX0YYY,J60/0,J300/0", YEAR_2024 + (366 + 59) * DAY, HOUR);
}

/* RFC 9636 3.3.1: summer all year begins with the year and ends as the next one begins. */
static void test_summer_all_year(void **state)
{
	(void)state;
	for (int64_t at = YEAR_2024 - 2 * DAY; at < YEAR_2024 + 800 * DAY; at += 1800) {
		assert_offset("XXX3EDT4,0/0,J365/23", at, -4 * HOUR);
		assert_offset("EST5EDT,0/0,J365/25", at, -4 * HOUR);
	}
}

static void test_summer_without_rules_is_americas(void **state)
{
	struct tz bare = zone("EST5EDT"), told = zone("EST5EDT,M3.2.0,M11.1.0");

	(void)state;
	for (int64_t at = YEAR_2024; at < YEAR_2024 + 800 * DAY; at += HOUR)
		assert_int_equal(tz_offset(&bare, at), tz_offset(&told, at));
	assert_offset("EST5EDT", 1741503600, -4 * HOUR); /* 2025-03-09 07:00 UTC */
	assert_offset("EST5EDT", 1741503599, -5 * HOUR);
}

static void test_zones_of_the_world_agree_with_libc(void **state)
{
	static const char *const rows[] = {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3",
	    "EST5EDT,M3.2.0,M11.1.0", "AEST-10AEDT,M10.1.0,M4.1.0/3", "GMT0BST,M3.5.0/1,M10.5.0",
	    "NZST-12NZDT,M9.5.0,M4.1.0/3", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
	    "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "NST3:30NDT,M3.2.0,M11.1.0",
	    "IST-2IDT,M3.4.4/26,M10.5.0", "CST5CDT,M3.2.0/0,M11.1.0/1",
	    "EET-2EEST,M4.5.5/0,M10.5.4/24", "AKST9AKDT4,J70/1:30,J310/2:59:59",
	    "XXX-3YYY-5,70/3,310/4", "<+11>-11<+12>,M10.1.0,M4.1.0/3", "IST-5:30", "HST10",
	    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tz tz = zone(rows[i]);

		setenv("TZ", rows[i], 1);
		tzset();
		/* every 30 minutes of eleven years, and 1970 */
		for (int64_t at = 0; at < YEAR_2024 + 4018ll * DAY; at += 1800) {
			time_t now = (time_t)at;
			struct tm tm;

			if (at == 366 * DAY)
				at = YEAR_2024;
			localtime_r(&now, &tm);
			if (tz_offset(&tz, now) != tm.tm_gmtoff)
				fail_msg("'%s' at %lld: %d instead of %ld", rows[i], (long long)now,
				    tz_offset(&tz, now), tm.tm_gmtoff);
		}
	}
	unsetenv("TZ");
}

static void test_what_is_no_zone(void **state)
{
	static const char *const rows[] = {"", " ", "U", "UT", "UT0", "UTC", "Europe/Berlin",
	    ":UTC0", "UTC0 ", " UTC0", "UTC 0", "UTC25", "UTC--1", "UTC+-1", "UTC-",
	    "UTC0:", "UTC0:60", "UTC0:00:60", "UTC0:00:00:00", "UTC0:0:", "UTC00000", "UTC1e1",
	    "<UT>0", "<UTC0", "UTC>0", "<>0", "<<UTC>0x", "U1C0", "\xc3\x9cTC0", "CET-1CE",
	    "CET-1CEST,", "CET-1CEST2,", "CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,",
	    "CET-1CEST,M3.5.0,M10.5.0,", "CET-1,M3.5.0,M10.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x",
	    "CET-1CEST,M0.5.0,M10.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.0.0,M10.5.0",
	    "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,M3.5,M10.5.0",
	    "CET-1CEST,M3..0,M10.5.0", "CET-1CEST,M3.5.0/,M10.5.0", "CET-1CEST,M3.5.0/168,M10.5.0",
	    "CET-1CEST,M3.5.0/-168,M10.5.0", "CET-1CEST,J0,J10", "CET-1CEST,J366,J10",
	    "CET-1CEST,366,10", "CET-1CEST,-1,10", "CET-1CEST,m3.5.0,m10.5.0",
	    "CET-1CEST,M99999999999999999999.5.0,M10.5.0", "CET-1CEST,00001,10"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct tz tz = {.standard = 77, .has_summer = true};

		if (reads(span_of(rows[i]), &tz))
			fail_msg("'%s' was read", rows[i]);
		assert_int_equal(tz.standard, 0);
		assert_false(tz.has_summer);
		assert_int_equal(tz_offset(&tz, YEAR_2024), 0);
	}
	assert_false(reads((struct span){"UTC0\0", 5}, &(struct tz){0}));
}

static uint64_t random_state = 0x2545F4914F6CDD1Du;

static unsigned below(unsigned n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)((random_state * 0x9E3779B97F4A7C15u >> 40) % n);
}

/* Whatever the bytes are, it ends, reads nothing else, and no clock is off by more than two days. */
static void test_random_strings(void **state)
{
	static const char alphabet[] = "ABCabc<>+-0123456789:,./MJ \xff";
	static const int64_t times[] = {
	    0, -1, YEAR_2024, YEAR_2024 - 1, 4102444800, INT32_MAX, 253402300799};
	unsigned taken = 0;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		char text[] = "CET-1CEST,M3.5.0/2:00,J300/-3";
		size_t n = below(sizeof(text));
		struct tz tz;

		for (unsigned changes = below(4); changes; changes--)
			text[below(sizeof(text) - 1)] = alphabet[below(sizeof(alphabet))];
		if (!reads((struct span){text, n}, &tz))
			continue;
		taken++;
		for (size_t i = 0; i < COUNT(times); i++)
			assert_in_range(tz_offset(&tz, times[i]) + 2 * DAY, 0, 4 * DAY);
	}
	assert_true(taken > 1000);
}

/* ---- files ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/test_tz.XXXXXX";

static void file(const char *name, const char *bytes, size_t n, char path[64])
{
	int fd;

	snprintf(path, 64, "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void test_the_last_line_of_a_zones_file(void **state)
{
	static const char good[] = "TZif2\0\0\0data\nTZif2more\0\nCET-1CEST,M3.5.0,M10.5.0/3\n";
	char path[64];
	struct tz tz;

	(void)state;
	file("good", good, sizeof(good) - 1, path);
	assert_true(tz_find(path, &tz));
	assert_int_equal(tz.standard, HOUR);
	assert_int_equal(tz_offset(&tz, 1743296400), 2 * HOUR);
	/* cut anywhere, it is no zone, and nothing else */
	for (size_t n = 0; n + 1 < sizeof(good); n++) {
		file("cut", good, n, path);
		assert_false(tz_find(path, &tz));
		assert_int_equal(tz.standard, 0);
		assert_false(tz.has_summer);
	}
}

static void test_what_is_no_zones_file(void **state)
{
	static char large[10000];
	char path[64];
	struct tz tz;

	(void)state;
	file("text", "CET-1\n", 6, path);
	assert_false(tz_find(path, &tz));
	file("no-rule", "TZif2\n\n", 7, path);
	assert_false(tz_find(path, &tz));
	file("no-line", "TZif\n", 5, path);
	assert_false(tz_find(path, &tz));
	/* a newline ends the part that is read */
	memset(large, '\n', sizeof(large));
	memcpy(large, "TZif2", 5);
	file("large", large, sizeof(large), path);
	assert_false(tz_find(path, &tz));
	memset(large + 5, 'x', sizeof(large) - 5);
	large[4095] = '\n';
	file("one-line", large, sizeof(large), path);
	assert_false(tz_find(path, &tz));
	assert_false(tz_find(folder, &tz));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(tz_find(path, &tz));
	assert_false(tz_find("/nonexistent/zone", &tz));
}

static void test_what_the_variable_may_say(void **state)
{
	char long_name[5000];
	struct tz tz;

	(void)state;
	assert_true(tz_find("EST5", &tz));
	assert_int_equal(tz.standard, -5 * HOUR);
	assert_true(tz_find("UTC", &tz));
	assert_int_equal(tz.standard, 0);
	assert_true(tz_find("GMT", &tz));
	assert_true(tz_find(NULL, &tz));
	assert_true(tz_find("", &tz));
	assert_false(tz_find(":", &tz));
	assert_false(tz_find("Nowhere/Land", &tz));
	assert_false(tz_find(":Nowhere/Land", &tz));
	assert_false(tz_find("../../../etc/passwd", &tz));
	assert_int_equal(tz.standard, 0);
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = 0;
	assert_false(tz_find(long_name, &tz));
}

/* Where the zones are installed, their names are known. */
static void test_names_of_zones(void **state)
{
	struct tz tz;

	(void)state;
	if (access("/usr/share/zoneinfo/Asia/Kolkata", R_OK))
		skip();
	assert_true(tz_find("Asia/Kolkata", &tz));
	assert_int_equal(tz.standard, 5 * HOUR + 1800);
	assert_true(tz_find(":Asia/Kolkata", &tz));
	assert_int_equal(tz.standard, 5 * HOUR + 1800);
	assert_true(tz_find("/usr/share/zoneinfo/Asia/Kolkata", &tz));
	assert_int_equal(tz.standard, 5 * HOUR + 1800);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = {
	    "good", "cut", "text", "no-rule", "no-line", "large", "one-line", "fifo"};
	char path[64];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_zones_without_summer_time),
	    cmocka_unit_test(test_the_second_of_the_change),
	    cmocka_unit_test(test_days_of_the_year),
	    cmocka_unit_test(test_summer_all_year),
	    cmocka_unit_test(test_summer_without_rules_is_americas),
	    cmocka_unit_test(test_zones_of_the_world_agree_with_libc),
	    cmocka_unit_test(test_what_is_no_zone),
	    cmocka_unit_test(test_random_strings),
	    cmocka_unit_test(test_the_last_line_of_a_zones_file),
	    cmocka_unit_test(test_what_is_no_zones_file),
	    cmocka_unit_test(test_what_the_variable_may_say),
	    cmocka_unit_test(test_names_of_zones),
	};

	return cmocka_run_group_tests_name("tz", tests, make_folder, remove_folder);
}
