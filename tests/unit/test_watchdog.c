/* test_watchdog.c - what watchdog.h promises: how many system calls it costs, by a simulated alarm(); and in
 * processes of their own, under the real loop and the real alarm, who is ended and who goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop.h"
#include "watchdog.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define SECOND 1000ull

/* ---- how often the alarm is moved ------------------------------------------------------------- */

static bool real; /* in a child */
static unsigned calls, seconds;

/* Stands in for the C library's. */
unsigned alarm(unsigned s)
{
	struct itimerval t = {.it_value.tv_sec = s};

	calls++;
	seconds = s;
	if (real)
		setitimer(ITIMER_REAL, &t, NULL);
	return 0;
}

static uint64_t now;

static int begin(void **state)
{
	(void)state;
	now = 123456;
	watchdog_start(30);
	watchdog_turn(now, 0);
	calls = 0;
	return 0;
}

static void test_a_long_sleep_costs_one_call(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 100; i++) {
		watchdog_turn(now, 30 * SECOND);
		assert_int_equal(calls, i);
		assert_in_range(seconds, 60, 62);
		now += 30 * SECOND;
	}
}

/* Events come in and are dealt with, the next timer stays where it is. */
static void test_waking_up_early_costs_nothing(void **state)
{
	uint64_t due = now + 30 * SECOND;

	(void)state;
	for (; now < due; now += 7)
		watchdog_turn(now, due - now);
	assert_int_equal(calls, 1);
}

static void test_busy_turns_cost_one_call_a_second(void **state)
{
	uint64_t end = now + 100 * SECOND;

	(void)state;
	for (; now < end; now++)
		watchdog_turn(now, 0);
	assert_in_range(calls, 90, 100);
	assert_in_range(seconds, 30, 32);
}

/* Every audit plans to wait 30 s for its answer, which comes at once; then it sleeps until the next one. */
static void test_a_wait_that_ends_early_does_not_put_the_alarm_off(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 100; i++) {
		watchdog_turn(now, 30 * SECOND);
		now += 3;
		watchdog_turn(now, 2 * SECOND);
		assert_int_equal(calls, 2 * i);
		assert_in_range(seconds, 32, 34);
		now += 2 * SECOND;
	}
}

/* The alarm is never earlier than 30 s over the plan, and never much later. */
static void test_the_alarm_stands_where_it_should(void **state)
{
	static const uint64_t sleeps[] = {
	    0, 0, 1, 999, 1000, 1001, 30 * SECOND, 0, 3600 * SECOND, 5, UINT64_MAX, 0, 2000};
	uint64_t rings = now + seconds * SECOND, moved = now;
	unsigned before = calls;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t sleep = sleeps[(i * 7919u) % COUNT(sleeps)];

		watchdog_turn(now, sleep);
		if (calls != before) {
			rings = seconds ? now + seconds * SECOND : UINT64_MAX;
			moved = now;
		}
		before = calls;
		if (sleep == UINT64_MAX)
			assert_true(rings == UINT64_MAX);
		else
			assert_true(rings >= now + sleep + 30 * SECOND);
		if (sleep != UINT64_MAX && now - moved >= SECOND)
			assert_true(rings <= now + sleep + 33 * SECOND);
		now += i % 300;
	}
}

/* ---- who is ended, and who goes on ------------------------------------------------------------ */

struct child {
	pid_t pid;
	int life, words; /* it writes a byte now and then; its stderr */
};

/* All at the same time, for each takes seconds: of the watchdog's two alarms each stands 1 s over. */
static struct child hanging, silenced, stopped, sleeping;
static uint64_t started;

static struct loop loop;
static struct loop_timer timer;
static uint64_t step;
static int life, nothing[2];

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void lives(void *owner)
{
	(void)owner;
	(void)!write(life, ".", 1);
	loop_after(&loop, &timer, step);
}

/* A read that nobody ever answers, in the middle of a turn. */
static void hangs(void *owner)
{
	char byte;

	(void)owner;
	(void)!read(nothing[0], &byte, 1);
}

/* Nobody takes what it says, and there is no room for more. */
static void fill(int fd)
{
	static const char bytes[4096];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, bytes, sizeof bytes) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

_Noreturn static void run(void (*fire)(void *), uint64_t every)
{
	real = true;
	step = every;
	loop_init(&loop);
	loop.waits = watchdog_turn;
	timer = (struct loop_timer){.fire = fire};
	loop_after(&loop, &timer, every);
	watchdog_start(1);
	for (;;)
		loop_turn(&loop);
}

static struct child start(void (*fire)(void *), uint64_t every, bool silent)
{
	int alive[2], words[2];
	struct child child;

	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	assert_int_equal(pipe2(words, O_CLOEXEC), 0);
	child = (struct child){.pid = fork(), .life = alive[0], .words = words[0]};
	assert_true(child.pid >= 0);
	if (!child.pid) {
		life = alive[1];
		if (silent)
			fill(words[1]);
		dup2(words[1], STDERR_FILENO);
		run(fire, every);
	}
	close(alive[1]);
	close(words[1]);
	return child;
}

static bool shows_life(const struct child *child, int ms)
{
	struct pollfd fd = {.fd = child->life, .events = POLLIN};
	char bytes[4096];

	return poll(&fd, 1, ms) > 0 && read(child->life, bytes, sizeof bytes) > 0;
}

static void forget_life(const struct child *child)
{
	while (shows_life(child, 0))
		;
}

static int start_all(void **state)
{
	(void)state;
	assert_int_equal(pipe2(nothing, O_CLOEXEC), 0);
	started = clock_now();
	hanging = start(hangs, 50, false);
	silenced = start(hangs, 50, true);
	stopped = start(lives, 20, false);
	sleeping = start(lives, 4500, false);
	assert_true(shows_life(&stopped, 10000));
	kill(stopped.pid, SIGSTOP);
	return 0;
}

static int kill_all(void **state)
{
	struct child *all[] = {&hanging, &silenced, &stopped, &sleeping};

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i]->pid)
			kill(all[i]->pid, SIGKILL);
	return 0;
}

static void wait_until(uint64_t ms)
{
	uint64_t t = clock_now() - started;

	if (t < ms)
		poll(NULL, 0, (int)(ms - t));
}

static void ends_with_70(struct child *child)
{
	int status;

	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	child->pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 70);
	assert_true(clock_now() - started >= 2 * SECOND); /* not at the first alarm */
}

static void test_a_turn_that_hangs_ends_with_70(void **state)
{
	char words[200] = "";

	(void)state;
	ends_with_70(&hanging);
	assert_true(read(hanging.words, words, sizeof words - 1) > 0);
	assert_string_equal(words,
	    "autoheal: a turn of its loop hangs; it ends with exit code 70, so that it is started anew\n");
}

static void test_a_reader_that_hangs_does_not_keep_it(void **state)
{
	(void)state;
	ends_with_70(&silenced);
}

/* SIGSTOP, which start_all sent, for longer than both alarms: it goes on where it was. */
static void test_one_that_was_stopped_goes_on(void **state)
{
	(void)state;
	wait_until(3800);
	forget_life(&stopped);
	assert_false(shows_life(&stopped, 0));
	kill(stopped.pid, SIGCONT);
	assert_true(shows_life(&stopped, 10000));
	wait_until(5300); /* longer than the second alarm */
	forget_life(&stopped);
	assert_true(shows_life(&stopped, 10000));
	assert_int_equal(waitpid(stopped.pid, NULL, WNOHANG), 0);
}

/* Asleep as planned for longer than both alarms. */
static void test_a_planned_sleep_is_no_hang(void **state)
{
	(void)state;
	assert_true(shows_life(&sleeping, 20000));
	assert_true(clock_now() - started >= 4500);
	assert_int_equal(waitpid(sleeping.pid, NULL, WNOHANG), 0);
}

/* ---- blind ------------------------------------------------------------------------------------ */

#define MINUTE (60 * SECOND)

static void test_ten_minutes_of_refusals_are_blindness(void **state)
{
	uint64_t since = 0;

	(void)state;
	for (uint64_t t = 0; t < 10 * MINUTE; t += 10 * SECOND)
		assert_false(watchdog_blind(&since, true, 5000 + t, true));
	assert_true(watchdog_blind(&since, true, 5000 + 10 * MINUTE, true));
	assert_true(watchdog_blind(&since, true, 5000 + 11 * MINUTE, true));
}

static void test_any_other_outcome_begins_anew(void **state)
{
	uint64_t since = 0;

	(void)state;
	assert_false(watchdog_blind(&since, true, 1 * MINUTE, true));
	assert_false(watchdog_blind(&since, false, 10 * MINUTE, true));
	assert_false(watchdog_blind(&since, true, 11 * MINUTE, true));
	assert_false(watchdog_blind(&since, true, 21 * MINUTE - 1, true));
	assert_true(watchdog_blind(&since, true, 21 * MINUTE, true));
	assert_false(watchdog_blind(&since, false, 22 * MINUTE, true));
}

static void test_only_the_first_process_is_blind(void **state)
{
	uint64_t since = 0;

	(void)state;
	for (uint64_t t = 0; t < 100 * MINUTE; t += MINUTE)
		assert_false(watchdog_blind(&since, true, t, false));
}

static void test_refused_from_the_clocks_beginning(void **state)
{
	uint64_t since = 0;

	(void)state;
	assert_false(watchdog_blind(&since, true, 0, true));
	assert_false(watchdog_blind(&since, true, 10 * MINUTE - 1, true));
	assert_true(watchdog_blind(&since, true, 10 * MINUTE, true));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_a_long_sleep_costs_one_call, begin),
	    cmocka_unit_test_setup(test_waking_up_early_costs_nothing, begin),
	    cmocka_unit_test_setup(test_busy_turns_cost_one_call_a_second, begin),
	    cmocka_unit_test_setup(test_a_wait_that_ends_early_does_not_put_the_alarm_off, begin),
	    cmocka_unit_test_setup(test_the_alarm_stands_where_it_should, begin),
	    cmocka_unit_test(test_a_turn_that_hangs_ends_with_70),
	    cmocka_unit_test(test_a_reader_that_hangs_does_not_keep_it),
	    cmocka_unit_test(test_one_that_was_stopped_goes_on),
	    cmocka_unit_test(test_a_planned_sleep_is_no_hang),
	    cmocka_unit_test(test_ten_minutes_of_refusals_are_blindness),
	    cmocka_unit_test(test_any_other_outcome_begins_anew),
	    cmocka_unit_test(test_only_the_first_process_is_blind),
	    cmocka_unit_test(test_refused_from_the_clocks_beginning),
	};

	return cmocka_run_group_tests_name("watchdog", tests, start_all, kill_all);
}
