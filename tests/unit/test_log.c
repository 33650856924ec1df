/* test_log.c - what log.h promises: lines to the letter, whatever is in them, and a stderr that may sleep or be gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "log.h"

static int own_stderr, ends[2];
static char got[1 << 20];

/* stderr is a pipe of one page that nobody reads yet. */
static int set_up(void **state)
{
	(void)state;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) || fcntl(ends[1], F_SETPIPE_SZ, 4096) < 0)
		return -1;
	own_stderr = dup(STDERR_FILENO);
	return dup2(ends[1], STDERR_FILENO) < 0 || close(ends[1]);
}

static size_t take(size_t n)
{
	ssize_t more;

	while (ends[0] >= 0 && (more = read(ends[0], got + n, sizeof(got) - 1 - n)) > 0)
		n += (size_t)more;
	got[n] = 0;
	return n;
}

/* All that comes until the log has nothing left. */
static size_t take_all(void)
{
	size_t n = 0;

	do {
		log_flush();
		n = take(n);
	} while (log_pending());
	return take(n);
}

static int tear_down(void **state)
{
	(void)state;
	take_all();
	log_setup(LOG_DEBUG, LOG_TEXT);
	dup2(own_stderr, STDERR_FILENO);
	close(own_stderr);
	if (ends[0] >= 0)
		close(ends[0]);
	return 0;
}

/* "2025-10-30 12:34:56", and now. */
static bool is_time(const char *text, char between)
{
	static const char form[] = "dddd-dd-dd dd:dd:dd";

	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
			: i == 10  ? text[i] != between
				   : text[i] != form[i])
			return false;
	return true;
}

static void test_a_text_line(void **state)
{
	static const char first[] =
	    " - monitor - INFO - ✓ Auto-monitoring enabled for container 'my-app\\x1b[2J\\x0a'\n";

	(void)state;
	log_setup(LOG_INFO, LOG_TEXT);
	log_line(LOG_DEBUG, "monitor", "not wanted");
	log_line(
	    LOG_INFO, "monitor", "✓ Auto-monitoring enabled for container '%s'", "my-app\x1b[2J\n");
	log_line(LOG_ERROR, "a", "%d", 7);
	take_all();
	assert_true(is_time(got, ' '));
	assert_memory_equal(got + 19, first, strlen(first));
	assert_true(is_time(got + 19 + strlen(first), ' '));
	assert_string_equal(got + 19 + strlen(first) + 19, " - a - ERROR - 7\n");
}

static void test_a_json_line(void **state)
{
	(void)state;
	log_setup(LOG_DEBUG, LOG_JSON);
	log_line(LOG_WARNING, "notify", "a \"b\" \\ %s", "\xff\xc2\x9b\xe2\x80\xae");
	take_all();
	assert_memory_equal(got, "{\"time\":\"", 9);
	assert_true(is_time(got + 9, 'T'));
	assert_string_equal(got + 32,
	    "Z\",\"module\":\"notify\",\"level\":\"WARNING\",\"message\":\"a \\\"b\\\" \\\\ "
	    "\\\\xff\\\\x9b\\\\u{202e}\"}\n");
}

/* Lines of all lengths and bytes: each stays one, and of 1 KiB. */
static void test_any_bytes_of_any_length(void **state)
{
	static char words[3000];
	size_t wrong;

	(void)state;
	for (unsigned turn = 0; turn < 400; turn++) {
		bool json = turn % 2;
		size_t n = (turn * 131) % sizeof(words), length;

		for (size_t i = 0; i < n; i++)
			words[i] = turn % 3 ? (char)(1 + (i * 7 + turn) % 255)
					    : "\xe2\x80\xae"[i % 3];
		words[n] = 0;
		log_setup(LOG_DEBUG, json ? LOG_JSON : LOG_TEXT);
		log_line(LOG_INFO, "m", "%s", words);
		length = take_all();
		assert_true(length > 20 && length < 2200 && got[length - 1] == '\n');
		assert_null(memchr(got, '\n', length - 1));
		for (size_t i = 0; i < length - 1; i++)
			assert_true((unsigned char)got[i] >= ' ' && got[i] != 0x7f);
		if (json)
			assert_true(json_valid((struct span){got, length - 1}, &wrong));
	}
}

static void test_a_reader_who_sleeps(void **state)
{
	uint64_t before = log_dropped();
	unsigned lines = 0;
	char *line, *told;

	(void)state;
	log_setup(LOG_DEBUG, LOG_TEXT);
	for (int i = 0; i < 1000; i++)
		log_line(LOG_INFO, "m", "line %d of a log that nobody reads, and so on and on", i);
	before = log_dropped() - before;
	assert_true(before > 500 && before < 900 && log_pending());
	assert_true(take_all() < 4096 + 16384 + 200);
	told = strstr(got, " - log - WARNING - ");
	assert_non_null(told);
	assert_int_equal(strtoull(told + 19, NULL, 10), before);
	for (line = strtok(got, "\n"); line; line = strtok(NULL, "\n"), lines++)
		assert_true(is_time(line, ' '));
	assert_int_equal(lines, 1000 - before + 1);
	log_line(LOG_INFO, "m", "there is room again");
	take_all();
	assert_non_null(strstr(got, "there is room again"));
	assert_null(strstr(got, "dropped"));
}

/* What is left at the end has its time, and no more. */
static void test_the_end_does_not_wait_for_ever(void **state)
{
	struct timespec start, now;

	(void)state;
	for (int i = 0; i < 500; i++)
		log_line(LOG_INFO, "m", "line %d of a log that nobody reads, and so on and on", i);
	clock_gettime(CLOCK_MONOTONIC, &start);
	log_finish(100);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(
	    (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 5000);
	assert_true(log_pending());
}

static void test_a_reader_who_is_gone(void **state)
{
	(void)state;
	close(ends[0]);
	ends[0] = -1;
	for (int i = 0; i < 100; i++)
		log_line(
		    LOG_INFO, "m", "nobody is there any more, and nothing waits for ever: %d", i);
	log_flush();
	assert_false(log_pending());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_text_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_json_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_any_bytes_of_any_length, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_reader_who_sleeps, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_the_end_does_not_wait_for_ever, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_reader_who_is_gone, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
