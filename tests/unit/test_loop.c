/* test_loop.c - what loop.h promises: timers in order, descriptors that are ready, and stalls. The
 * clocks and the waiting of select() are simulated; descriptors are real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- the simulated world --------------------------------------------------------------------- */

static struct {
	bool on;
	uint64_t monotonic, boot, real; /* ms */
	uint64_t oversleep;             /* added to every sleep that ends by its timeout */
	bool interrupt;                 /* the next select() is interrupted by a signal */
	void (*asleep)(void);           /* called once, when select() has nothing ready */
	unsigned waits, eternities;     /* calls of select(), and those that would never end */
	uint64_t planned;               /* ms of the last timeout */
} world;

static void pass(uint64_t ms)
{
	world.monotonic += ms;
	world.boot += ms;
	world.real += ms;
}

/* Stands in for the C library's. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	uint64_t ms = id == CLOCK_MONOTONIC ? world.monotonic
	    : id == CLOCK_BOOTTIME          ? world.boot
					    : world.real;

	if (!world.on)
		return (int)syscall(SYS_clock_gettime, id, t);
	t->tv_sec = (time_t)(ms / 1000);
	t->tv_nsec = (long)(ms % 1000 * 1000000 + 999999); /* whatever is below a millisecond */
	return 0;
}

static int ready_now(int n, fd_set *r, fd_set *w)
{
	struct timespec zero = {0};

	return (int)syscall(SYS_pselect6, n, r, w, NULL, &zero, NULL);
}

/* Stands in for the C library's: what is ready is ready at once, and a sleep takes no time. */
int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e,
    struct timeval *restrict timeout)
{
	fd_set wanted_r = *r, wanted_w = *w;
	int ready;

	assert_true(world.on);
	assert_null(e);
	world.waits++;
	if (world.interrupt) {
		world.interrupt = false;
		errno = EINTR;
		return -1;
	}
	if (timeout) {
		assert_in_range(timeout->tv_usec, 0, 999999);
		assert_true(timeout->tv_sec >= 0);
		world.planned = (uint64_t)timeout->tv_sec * 1000 + (uint64_t)timeout->tv_usec / 1000;
	}
	ready = ready_now(n, r, w);
	if (!ready && world.asleep) {
		void (*hook)(void) = world.asleep;

		world.asleep = NULL;
		hook();
		*r = wanted_r;
		*w = wanted_w;
		ready = ready_now(n, r, w);
	}
	if (ready)
		return ready;
	if (!timeout)
		world.eternities++;
	else
		pass(world.planned + world.oversleep);
	return 0;
}

static struct loop loop;

/* A time of day that would show a mistake in any clock. */
static int begin(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.on = true;
	world.monotonic = 5000000;
	world.boot = 7000000;
	world.real = 1761827723000;
	memset(&loop, 0, sizeof(loop));
	loop_init(&loop);
	return 0;
}

static int end(void **state)
{
	(void)state;
	world.on = false;
	return 0;
}

static uint64_t random_state = 0x2545F4914F6CDD1Du;

static uint64_t below(uint64_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state * 0x9E3779B97F4A7C15u >> 3) % n;
}

/* ---- timers ---------------------------------------------------------------------------------- */

/* What fired, one letter each. */
static char fired[256];
static uint64_t fired_at;

struct probe {
	struct loop_timer timer;
	char letter;
	void (*also)(struct probe *p);
	struct probe *other;
	unsigned times;
};

static void fire(void *owner)
{
	struct probe *p = owner;
	size_t n = strlen(fired);

	assert_int_equal(p->timer.place, 0); /* not armed any more: it may be armed anew */
	assert_true(p->timer.due <= loop.now);
	assert_true(n + 1 < sizeof(fired));
	fired[n] = p->letter;
	fired[n + 1] = 0;
	fired_at = loop.now;
	p->times++;
	if (p->also)
		p->also(p);
}

static struct probe probe(char letter)
{
	fired[0] = 0;
	return (struct probe){.timer = {.fire = fire}, .letter = letter};
}

static void arm(struct probe *p, uint64_t after)
{
	p->timer.owner = p;
	loop_after(&loop, &p->timer, after);
}

static void turns(unsigned n)
{
	while (n--)
		loop_turn(&loop);
}

static void test_timers_fire_in_the_order_of_their_time(void **state)
{
	struct probe a = probe('a'), b = probe('b'), c = probe('c'), d = probe('d');
	uint64_t from = loop.now;

	(void)state;
	arm(&c, 300);
	arm(&a, 100);
	arm(&d, 400);
	arm(&b, 200);
	turns(1);
	assert_string_equal(fired, "a");
	assert_int_equal(fired_at, from + 100);
	turns(1);
	assert_string_equal(fired, "ab");
	turns(2);
	assert_string_equal(fired, "abcd");
	assert_int_equal(fired_at, from + 400);
	assert_int_equal(loop.timers, 0);
}

static void test_the_sleep_lasts_until_the_nearest(void **state)
{
	struct probe a = probe('a'), b = probe('b');

	(void)state;
	arm(&a, 12345);
	arm(&b, 99999);
	turns(1);
	assert_int_equal(world.planned, 12345);
	assert_int_equal(world.waits, 1);
	turns(1);
	assert_int_equal(world.planned, 99999 - 12345);
	assert_string_equal(fired, "ab");
}

static uint64_t told_now, told_sleep;
static unsigned told_waits;

static void told(uint64_t now, uint64_t sleep_ms)
{
	told_now = now;
	told_sleep = sleep_ms;
	told_waits++;
	assert_int_equal(world.waits, told_waits - 1); /* before the wait */
}

static void test_who_watches_is_told_how_long_it_will_sleep(void **state)
{
	struct probe a = probe('a');
	uint64_t from = loop.now;

	(void)state;
	told_waits = 0;
	loop.waits = told;
	arm(&a, 70000);
	turns(1);
	assert_true(told_now == from && told_sleep == 70000);
	arm(&a, 0);
	turns(1);
	assert_true(told_now == from + 70000 && told_sleep == 0);
	turns(1);
	assert_true(told_sleep == UINT64_MAX);
	assert_int_equal(told_waits, 3);
}

static void test_nothing_due_is_asleep_for_good(void **state)
{
	(void)state;
	turns(1);
	assert_int_equal(world.eternities, 1);
	assert_int_equal(world.waits, 1);
}

static void test_what_is_due_in_one_turn_fires_in_it(void **state)
{
	struct probe a = probe('a'), b = probe('b'), c = probe('c'), d = probe('d');

	(void)state;
	arm(&b, 100);
	arm(&a, 50);
	arm(&c, 100);
	arm(&d, 101);
	pass(100); /* the turn before took its time */
	turns(1);
	assert_int_equal(world.planned, 0);
	assert_int_equal(strlen(fired), 3);
	assert_int_equal(fired[0], 'a');
	assert_null(strchr(fired, 'd'));
	turns(1);
	assert_int_equal(fired[3], 'd');
}

static void test_no_timer_fires_before_its_time(void **state)
{
	struct probe a = probe('a');

	(void)state;
	arm(&a, 100);
	pass(99);
	world.interrupt = true;
	turns(1);
	assert_string_equal(fired, "");
	pass(1);
	world.interrupt = true;
	turns(1);
	assert_string_equal(fired, "a");
}

static void test_a_timer_of_now_fires_in_the_next_turn(void **state)
{
	struct probe a = probe('a');

	(void)state;
	arm(&a, 0);
	assert_string_equal(fired, "");
	turns(1);
	assert_string_equal(fired, "a");
	assert_int_equal(world.planned, 0);
}

static void test_a_cancelled_timer_does_not_fire(void **state)
{
	struct probe a = probe('a'), b = probe('b'), c = probe('c');

	(void)state;
	arm(&a, 100);
	arm(&b, 200);
	arm(&c, 300);
	loop_cancel(&loop, &b.timer);
	assert_int_equal(b.timer.place, 0);
	loop_cancel(&loop, &b.timer); /* twice is once */
	turns(1);
	loop_cancel(&loop, &a.timer); /* fired already */
	turns(1);
	assert_string_equal(fired, "ac");
	turns(1);
	assert_int_equal(world.eternities, 1);
	arm(&b, 5); /* and may be armed again */
	turns(1);
	assert_string_equal(fired, "acb");
}

static void test_arming_an_armed_timer_moves_it(void **state)
{
	struct probe a = probe('a'), b = probe('b'), c = probe('c');

	(void)state;
	arm(&a, 100);
	arm(&b, 200);
	arm(&c, 300);
	arm(&a, 250); /* later */
	arm(&c, 150); /* sooner */
	arm(&b, 200); /* the same */
	assert_int_equal(loop.timers, 3);
	turns(3);
	assert_string_equal(fired, "cba");
	assert_int_equal(loop.timers, 0);
}

static void rearm(struct probe *p)
{
	if (p->times < 5)
		arm(p, 10);
}

static void test_a_timer_may_arm_itself(void **state)
{
	struct probe a = probe('a'), b = probe('b');
	uint64_t from = loop.now;

	(void)state;
	a.also = rearm;
	arm(&a, 10);
	arm(&b, 25);
	turns(6);
	assert_string_equal(fired, "aabaaa");
	assert_int_equal(fired_at, from + 50);
}

static void cancel_other(struct probe *p)
{
	loop_cancel(&loop, &p->other->timer);
	loop_cancel(&loop, &p->timer); /* itself: not armed now, nothing happens */
}

static void test_a_timer_may_cancel_another_that_is_due_too(void **state)
{
	struct probe a = probe('a'), b = probe('b'), c = probe('c');

	(void)state;
	a.also = cancel_other;
	a.other = &b;
	arm(&a, 1);
	arm(&b, 2);
	arm(&c, 3);
	pass(10);
	turns(1);
	assert_string_equal(fired, "ac");
	assert_int_equal(loop.timers, 0);
}

static void postpone_other(struct probe *p)
{
	arm(p->other, 100);
}

static void test_a_timer_may_move_another_that_is_due_too(void **state)
{
	struct probe a = probe('a'), b = probe('b');

	(void)state;
	a.also = postpone_other;
	a.other = &b;
	arm(&a, 1);
	arm(&b, 2);
	pass(10);
	turns(1);
	assert_string_equal(fired, "a");
	turns(1);
	assert_string_equal(fired, "ab");
}

static void test_years_are_no_trouble(void **state)
{
	struct probe a = probe('a');
	uint64_t ten_years = 10ull * 366 * 24 * 3600 * 1000;

	(void)state;
	arm(&a, ten_years);
	turns(1);
	assert_int_equal(world.planned, ten_years);
	assert_string_equal(fired, "a");
	assert_false(loop.stalled);
}

/* Many timers, armed, moved and cancelled at random, beside a list that is simply searched. */
static void test_many_timers_agree_with_a_sorted_list(void **state)
{
	enum { MANY = 400 };
	static struct probe probes[MANY];
	static uint64_t due[MANY]; /* 0 = not armed */
	uint64_t fires = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		probes[i] = probe('x');
	memset(due, 0, sizeof(due));
	for (int round = 0; round < 20000; round++) {
		size_t k = below(MANY), armed = 0;
		uint64_t nearest = UINT64_MAX;

		for (uint64_t n = below(5); n; n--, k = below(MANY)) {
			if (below(4)) {
				uint64_t after = below(8) ? 1 + below(1000) : 1;

				arm(&probes[k], after);
				due[k] = loop.now + after;
			} else {
				loop_cancel(&loop, &probes[k].timer);
				due[k] = 0;
			}
		}
		for (size_t i = 0; i < MANY; i++) {
			assert_int_equal(probes[i].timer.place != 0, due[i] != 0);
			if (due[i])
				assert_ptr_equal(loop.heap[probes[i].timer.place], &probes[i].timer);
			armed += due[i] != 0;
			if (due[i] && due[i] < nearest)
				nearest = due[i];
		}
		assert_int_equal(loop.timers, armed);
		if (!armed)
			continue;
		fired[0] = 0;
		turns(1);
		assert_int_equal(loop.now, nearest);
		for (size_t i = 0; i < MANY; i++) {
			bool expected = due[i] && due[i] <= loop.now;

			assert_int_equal(probes[i].times, expected);
			fires += expected;
			probes[i].times = 0;
			if (expected)
				due[i] = 0;
		}
	}
	assert_true(fires > 10000);
}

static uint64_t last_due;

static void in_order(struct probe *p)
{
	assert_true(p->timer.due >= last_due);
	last_due = p->timer.due;
	fired[0] = 0;
}

static void test_a_late_turn_fires_all_in_order(void **state)
{
	static struct probe probes[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(probes); i++) {
		probes[i] = probe('x');
		probes[i].also = in_order;
		arm(&probes[i], below(5000));
	}
	for (size_t i = 0; i < COUNT(probes); i += 3)
		arm(&probes[i], below(5000));
	last_due = 0;
	pass(6000);
	turns(1);
	assert_int_equal(loop.timers, 0);
	for (size_t i = 0; i < COUNT(probes); i++)
		assert_int_equal(probes[i].times, 1);
}

static void test_one_timer_too_many_is_not_armed(void **state)
{
	static struct probe probes[LOOP_TIMERS_MAX + 1];
	struct probe *last = &probes[LOOP_TIMERS_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(probes); i++) {
		probes[i] = probe('x');
		arm(&probes[i], 1000 + i);
	}
	assert_int_equal(loop.timers, LOOP_TIMERS_MAX);
	assert_int_equal(last->timer.place, 0);
	loop_cancel(&loop, &last->timer);
	arm(&probes[7], 1); /* the others move as ever */
	assert_int_equal(loop.timers, LOOP_TIMERS_MAX);
	turns(1);
	assert_int_equal(probes[7].times, 1);
	arm(last, 1);
	turns(1);
	assert_int_equal(last->times, 1);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

struct end {
	int fd;
	unsigned calls, what;
	bool stalled;
	void (*also)(struct end *e);
	struct end *other;
};

static void ready(void *owner, unsigned what)
{
	struct end *e = owner;

	e->calls++;
	e->what = what;
	e->stalled = loop.stalled;
	if (e->also)
		e->also(e);
}

static void pair(struct end *a, struct end *b)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*a = (struct end){.fd = fds[0]};
	*b = (struct end){.fd = fds[1]};
}

static void watch(struct end *e, unsigned wants)
{
	assert_true(loop_watch(&loop, e->fd, wants, ready, e));
}

static void say(struct end *e)
{
	assert_int_equal(write(e->fd, "x", 1), 1);
}

static void hear(struct end *e)
{
	char byte;

	assert_int_equal(read(e->fd, &byte, 1), 1);
}

static void close_both(struct end *a, struct end *b)
{
	loop_forget(&loop, a->fd);
	loop_forget(&loop, b->fd);
	close(a->fd);
	close(b->fd);
}

static void forget_self(struct end *e)
{
	loop_forget(&loop, e->fd);
	close(e->fd);
}

static void test_a_ready_descriptor_is_called(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	say(&b);
	turns(1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.what, LOOP_READ);
	turns(1); /* as long as it is ready */
	assert_int_equal(a.calls, 2);
	hear(&a);
	turns(1);
	assert_int_equal(a.calls, 2);
	assert_int_equal(world.eternities, 1);
	close_both(&a, &b);
}

static void test_what_is_not_wanted_is_not_told(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	say(&b); /* a is readable and writable */
	watch(&a, LOOP_READ);
	turns(1);
	assert_int_equal(a.what, LOOP_READ);
	loop_wants(&loop, a.fd, LOOP_WRITE);
	turns(1);
	assert_int_equal(a.what, LOOP_WRITE);
	loop_wants(&loop, a.fd, LOOP_READ | LOOP_WRITE);
	turns(1);
	assert_int_equal(a.what, LOOP_READ | LOOP_WRITE);
	assert_int_equal(a.calls, 3);
	loop_wants(&loop, a.fd, 0);
	turns(1);
	assert_int_equal(a.calls, 3);
	loop_wants(&loop, a.fd, LOOP_READ);
	turns(1);
	assert_int_equal(a.calls, 4);
	close_both(&a, &b);
}

static void test_the_end_of_a_stream_is_readable(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	close(b.fd);
	turns(1);
	assert_int_equal(a.what, LOOP_READ);
	loop_forget(&loop, a.fd);
	close(a.fd);
}

static void test_a_forgotten_descriptor_is_not_called(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	say(&b);
	loop_forget(&loop, a.fd);
	assert_int_equal(loop.top, -1);
	turns(1);
	assert_int_equal(a.calls, 0);
	loop_forget(&loop, a.fd); /* twice is once */
	watch(&a, LOOP_READ);
	turns(1);
	assert_int_equal(a.calls, 1);
	close_both(&a, &b);
}

/* select() fails as a whole when one descriptor of its sets is closed. */
static void test_a_forgotten_descriptor_may_be_closed_below_others(void **state)
{
	struct end a, b, c, d;

	(void)state;
	pair(&a, &b);
	pair(&c, &d);
	watch(&a, LOOP_READ | LOOP_WRITE);
	watch(&c, LOOP_READ);
	forget_self(&a);
	say(&d);
	turns(1);
	assert_int_equal(a.calls, 0);
	assert_int_equal(c.calls, 1);
	close(b.fd);
	close_both(&c, &d);
}

static void test_descriptors_beyond_select_are_refused(void **state)
{
	static const int fds[] = {-1, LOOP_FD_MAX, LOOP_FD_MAX + 1, 100000};

	(void)state;
	for (size_t i = 0; i < COUNT(fds); i++) {
		assert_false(loop_watch(&loop, fds[i], LOOP_READ, ready, NULL));
		loop_forget(&loop, fds[i]);
	}
	assert_int_equal(loop.top, -1);
}

static void test_low_and_high_descriptors_are_watched_together(void **state)
{
	struct end a, b, high;

	(void)state;
	pair(&a, &b);
	high = (struct end){.fd = fcntl(b.fd, F_DUPFD_CLOEXEC, LOOP_FD_MAX - 20)};
	assert_true(high.fd >= LOOP_FD_MAX - 20 && high.fd < LOOP_FD_MAX);
	watch(&a, LOOP_READ);
	watch(&high, LOOP_READ);
	assert_int_equal(loop.top, high.fd);
	say(&a);
	say(&b);
	turns(1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(high.calls, 1);
	loop_forget(&loop, high.fd);
	close(high.fd);
	assert_int_equal(loop.top, a.fd);
	turns(1);
	assert_int_equal(a.calls, 2);
	assert_int_equal(high.calls, 1);
	close_both(&a, &b);
}

static void forget_other(struct end *e)
{
	loop_forget(&loop, e->other->fd);
	close(e->other->fd);
}

static void test_a_descriptor_may_be_forgotten_in_its_own_call(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	a.also = forget_self;
	watch(&a, LOOP_READ | LOOP_WRITE);
	say(&b);
	turns(2);
	assert_int_equal(a.calls, 1);
	close(b.fd);
}

static void test_one_forgotten_in_anothers_call_is_not_called_any_more(void **state)
{
	struct end a, b, c, d;

	(void)state;
	pair(&a, &b);
	pair(&c, &d);
	assert_true(a.fd < c.fd);
	watch(&a, LOOP_READ);
	watch(&c, LOOP_READ);
	a.also = forget_other;
	a.other = &c;
	say(&b);
	say(&d);
	turns(1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(c.calls, 0);
	close(d.fd);
	close_both(&a, &b);
}

static void want_nothing_of_other(struct end *e)
{
	loop_wants(&loop, e->other->fd, 0);
}

static void test_what_is_unwanted_since_is_not_told(void **state)
{
	struct end a, b, c, d;

	(void)state;
	pair(&a, &b);
	pair(&c, &d);
	watch(&a, LOOP_READ);
	watch(&c, LOOP_READ);
	a.also = want_nothing_of_other;
	a.other = &c;
	say(&b);
	say(&d);
	turns(1);
	assert_int_equal(c.calls, 0);
	close_both(&a, &b);
	close_both(&c, &d);
}

static void watch_other(struct end *e)
{
	watch(e->other, LOOP_READ);
	e->also = NULL;
}

static void test_one_watched_in_anothers_call_has_its_turn_next(void **state)
{
	struct end a, b, c, d;

	(void)state;
	pair(&a, &b);
	pair(&c, &d);
	watch(&a, LOOP_READ);
	a.also = watch_other;
	a.other = &c;
	say(&b);
	say(&d);
	turns(2);
	assert_int_equal(a.calls, 2);
	assert_int_equal(c.calls, 1);
	close_both(&a, &b);
	close_both(&c, &d);
}

static struct end *timed_end;

static void forget_timed(struct probe *p)
{
	(void)p;
	assert_int_equal(timed_end->calls, 0);
	forget_self(timed_end);
}

static void test_timers_come_before_descriptors(void **state)
{
	struct probe p = probe('p');
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	timed_end = &a;
	p.also = forget_timed;
	arm(&p, 0);
	say(&b);
	turns(1);
	assert_string_equal(fired, "p");
	assert_int_equal(a.calls, 0); /* and what a timer forgot is not called */
	close(b.fd);
}

static void test_both_a_timer_and_a_descriptor_have_their_turn(void **state)
{
	struct probe p = probe('p');
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	arm(&p, 50);
	say(&b);
	turns(1); /* ready before the timer is due */
	assert_int_equal(a.calls, 1);
	assert_string_equal(fired, "");
	pass(50);
	turns(1);
	assert_int_equal(a.calls, 2);
	assert_string_equal(fired, "p");
	close_both(&a, &b);
}

static void test_a_signal_ends_the_sleep_and_nothing_else(void **state)
{
	struct probe p = probe('p');
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ | LOOP_WRITE);
	arm(&p, 50);
	world.interrupt = true;
	turns(1);
	assert_int_equal(a.calls, 0); /* the sets say nothing after an error */
	assert_string_equal(fired, "");
	turns(1);
	assert_int_equal(a.calls, 1);
	close_both(&a, &b);
}

/* Who was called, in order. */
static char order[32];
static size_t ordered;

static void note(struct end *e)
{
	order[ordered++] = e->what == LOOP_READ ? (char)('a' + e->fd % 26) : '?';
	order[ordered] = 0;
}

static void note_slowly(struct end *e)
{
	note(e);
	pass(1); /* longer than the patience of one turn */
}

static void test_who_can_wait_is_called_after_all_others(void **state)
{
	struct end patient, p, usual, u;

	(void)state;
	ordered = 0;
	pair(&patient, &p);
	pair(&usual, &u);
	assert_true(patient.fd < usual.fd);
	watch(&patient, LOOP_READ);
	watch(&usual, LOOP_READ);
	loop_can_wait(&loop, patient.fd);
	patient.also = usual.also = note;
	say(&p);
	say(&u);
	turns(1);
	assert_int_equal(ordered, 2);
	assert_int_equal(order[0], 'a' + usual.fd % 26);
	assert_int_equal(order[1], 'a' + patient.fd % 26);
	close_both(&patient, &p);
	close_both(&usual, &u);
}

static struct end three[3], ends[3];

/* Three who can wait are ready. */
static void three_wait(void (*also)(struct end *e))
{
	ordered = 0;
	for (size_t i = 0; i < 3; i++) {
		pair(&three[i], &ends[i]);
		watch(&three[i], LOOP_READ);
		loop_can_wait(&loop, three[i].fd);
		three[i].also = also;
		say(&ends[i]);
	}
}

static void three_leave(void)
{
	for (size_t i = 0; i < 3; i++)
		close_both(&three[i], &ends[i]);
}

static void test_those_who_can_wait_take_turns_when_their_time_is_up(void **state)
{
	(void)state;
	three_wait(note_slowly);
	turns(7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(order[i], 'a' + three[i % 3].fd % 26);
	assert_int_equal(ordered, 7);    /* one a turn */
	loop_forget(&loop, three[2].fd); /* whose turn is next may be gone */
	turns(2);
	assert_int_equal(ordered, 9);
	assert_int_not_equal(order[7], order[8]);
	three_leave();
}

static void test_those_who_can_wait_share_a_turn_that_is_long_enough(void **state)
{
	(void)state;
	three_wait(note);
	turns(1);
	assert_int_equal(ordered, 3);
	three_leave();
}

static void test_a_number_that_is_used_again_need_not_wait(void **state)
{
	struct end first, f, second, s, high, h;

	(void)state;
	ordered = 0;
	pair(&first, &f);
	watch(&first, LOOP_READ);
	loop_can_wait(&loop, first.fd);
	close_both(&first, &f);
	pair(&second, &s);
	pair(&high, &h);
	assert_int_equal(second.fd, first.fd);
	watch(&second, LOOP_READ);
	watch(&high, LOOP_READ);
	loop_can_wait(&loop, high.fd);
	second.also = high.also = note;
	say(&s);
	say(&h);
	turns(1);
	assert_int_equal(order[0], 'a' + second.fd % 26);
	close_both(&second, &s);
	close_both(&high, &h);
}

/* ---- clocks and stalls ----------------------------------------------------------------------- */

static void spend_a_second(struct probe *p)
{
	uint64_t now = loop.now;

	(void)p;
	pass(1000);
	assert_int_equal(loop.now, now); /* one time for all that a turn does */
	loop_clock(&loop);
	assert_int_equal(loop.now, now + 1000);
}

static void test_the_clocks_are_taken_once_a_turn(void **state)
{
	struct probe p = probe('p');

	(void)state;
	assert_int_equal(loop.now, LOOP_BEGINS + 5000000);
	assert_int_equal(loop.wall, 1761827723000);
	p.also = spend_a_second;
	arm(&p, 1500);
	turns(1);
	assert_int_equal(loop.now, LOOP_BEGINS + 5002500);
	assert_int_equal(loop.wall, 1761827725500);
}

static struct end *asleep_end;
static uint64_t asleep_ms, asleep_suspended_ms;

static void wake(void)
{
	pass(asleep_ms);
	world.boot += asleep_suspended_ms;
	say(asleep_end);
}

/* Sleeps so long, then there is something to read; returns whether that turn counts as stalled. */
static bool stalled_after(uint64_t plan, uint64_t ms, uint64_t suspended_ms)
{
	struct probe p = probe('p');
	struct end a, b;

	pair(&a, &b);
	watch(&a, LOOP_READ);
	asleep_end = &b;
	asleep_ms = ms;
	asleep_suspended_ms = suspended_ms;
	world.asleep = wake;
	if (plan)
		arm(&p, plan);
	turns(1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.stalled, loop.stalled); /* known to whoever reads in this turn */
	loop_cancel(&loop, &p.timer);
	close_both(&a, &b);
	return a.stalled;
}

static void test_a_planned_sleep_is_no_stall(void **state)
{
	struct probe p = probe('p');

	(void)state;
	arm(&p, 3600000);
	turns(1);
	assert_string_equal(fired, "p");
	assert_false(loop.stalled);
	assert_false(stalled_after(30000, 20000, 0)); /* woken before the plan */
	assert_false(stalled_after(0, 3600000, 0));   /* no plan at all */
	assert_false(stalled_after(0, 0, 0));
}

static void test_a_sleep_longer_than_planned_is_a_stall(void **state)
{
	static const struct {
		uint64_t oversleep;
		bool stalled;
	} rows[] = {{0, false}, {1, false}, {LOOP_STALL_MS, false}, {LOOP_STALL_MS + 1, true},
	    {3600000, true}};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct probe p = probe('p');

		world.oversleep = rows[i].oversleep;
		arm(&p, 5000);
		turns(1);
		assert_string_equal(fired, "p");
		assert_int_equal(loop.stalled, rows[i].stalled);
		world.oversleep = 0;
		arm(&p, 5000);
		turns(1); /* and it is over with the next turn */
		assert_false(loop.stalled);
	}
}

static void test_a_long_turn_makes_the_next_one_stalled(void **state)
{
	struct end a, b;

	(void)state;
	pair(&a, &b);
	watch(&a, LOOP_READ);
	say(&b);
	turns(1);
	assert_false(a.stalled);
	pass(LOOP_STALL_MS);
	turns(1);
	assert_false(a.stalled);
	pass(LOOP_STALL_MS + 1); /* what came meanwhile has waited so long */
	turns(1);
	assert_true(a.stalled);
	turns(1);
	assert_false(a.stalled);
	close_both(&a, &b);
}

static void test_a_suspended_machine_is_a_stall(void **state)
{
	(void)state;
	/* the monotonic clock stood still meanwhile */
	assert_true(stalled_after(5000, 5000, 60000));
	assert_false(stalled_after(5000, 5000, 0));
}

/* Suspended for 20 s of a sleep that was planned for 30: what is read then is 20 s old. */
static void test_a_machine_suspended_within_a_planned_sleep_is_a_stall(void **state)
{
	(void)state;
	assert_true(stalled_after(30000, 100, 20000));
	assert_true(stalled_after(0, 100, 20000));
}

static void test_a_suspicion_makes_one_turn_stalled(void **state)
{
	(void)state;
	loop_suspect(&loop);
	assert_true(stalled_after(30000, 10, 0));
	assert_false(stalled_after(30000, 10, 0));
}

static void test_a_wall_clock_that_is_set_is_no_stall(void **state)
{
	struct probe p = probe('p');

	(void)state;
	arm(&p, 1000);
	world.real += 86400000;
	turns(1);
	assert_false(loop.stalled);
	assert_string_equal(fired, "p");
	assert_int_equal(loop.wall, 1761827723000 + 86400000 + 1000);
	arm(&p, 1000);
	world.real -= 2 * 86400000ull;
	turns(1);
	assert_false(loop.stalled);
	assert_string_equal(fired, "pp");
}

/* ---- who may compute ----------------------------------------------------------------------------- */

/* Three who compute whenever they may, called in the order of their letters. */
static char computed[16];
static const char *urgent = "", *patient = "";

static void compute(void *owner, unsigned what)
{
	const char *letter = owner;

	(void)what;
	if (loop_may_compute(&loop,
		strchr(urgent, *letter)        ? LOOP_URGENT
		    : strchr(patient, *letter) ? LOOP_CAN_WAIT
					       : LOOP_USUAL))
		strncat(computed, letter, 1);
}

static void let_compute(unsigned n)
{
	static const char letters[] = "abc";
	int fds[3][2];

	computed[0] = 0;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe(fds[i]), 0);
		assert_true(i == 0 || fds[i][1] > fds[i - 1][1]);
		loop_watch(&loop, fds[i][1], LOOP_WRITE, compute, (void *)(uintptr_t)&letters[i]);
	}
	turns(n);
	for (int i = 0; i < 3; i++) {
		loop_forget(&loop, fds[i][1]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void test_one_computes_in_a_turn(void **state)
{
	(void)state;
	urgent = "";
	let_compute(3);
	assert_string_equal(computed, "aaa");
}

static void test_who_is_urgent_and_came_too_late_has_the_next_turn(void **state)
{
	(void)state;
	urgent = "c";
	let_compute(4);
	assert_string_equal(computed, "acac");
}

static void test_as_long_as_several_are_urgent_the_others_wait(void **state)
{
	(void)state;
	urgent = "bc";
	let_compute(4);
	assert_string_equal(computed, "abbb");
}

static void test_who_can_wait_comes_last(void **state)
{
	(void)state;
	urgent = "c";
	patient = "a";
	let_compute(5);
	patient = "";
	assert_string_equal(computed, "acbcb");
}

static void test_an_urgent_one_that_is_gone_holds_nobody_up(void **state)
{
	(void)state;
	urgent = "";
	loop.computed = true;
	assert_false(loop_may_compute(&loop, LOOP_URGENT));
	let_compute(3);
	assert_string_equal(computed, "aa"); /* the first turn was kept for it */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_timers_fire_in_the_order_of_their_time),
	    TEST(test_the_sleep_lasts_until_the_nearest),
	    TEST(test_who_watches_is_told_how_long_it_will_sleep),
	    TEST(test_nothing_due_is_asleep_for_good),
	    TEST(test_what_is_due_in_one_turn_fires_in_it),
	    TEST(test_no_timer_fires_before_its_time),
	    TEST(test_a_timer_of_now_fires_in_the_next_turn),
	    TEST(test_a_cancelled_timer_does_not_fire),
	    TEST(test_arming_an_armed_timer_moves_it),
	    TEST(test_a_timer_may_arm_itself),
	    TEST(test_a_timer_may_cancel_another_that_is_due_too),
	    TEST(test_a_timer_may_move_another_that_is_due_too),
	    TEST(test_years_are_no_trouble),
	    TEST(test_many_timers_agree_with_a_sorted_list),
	    TEST(test_a_late_turn_fires_all_in_order),
	    TEST(test_one_timer_too_many_is_not_armed),
	    TEST(test_a_ready_descriptor_is_called),
	    TEST(test_what_is_not_wanted_is_not_told),
	    TEST(test_the_end_of_a_stream_is_readable),
	    TEST(test_a_forgotten_descriptor_is_not_called),
	    TEST(test_a_forgotten_descriptor_may_be_closed_below_others),
	    TEST(test_descriptors_beyond_select_are_refused),
	    TEST(test_low_and_high_descriptors_are_watched_together),
	    TEST(test_a_descriptor_may_be_forgotten_in_its_own_call),
	    TEST(test_one_forgotten_in_anothers_call_is_not_called_any_more),
	    TEST(test_what_is_unwanted_since_is_not_told),
	    TEST(test_one_watched_in_anothers_call_has_its_turn_next),
	    TEST(test_who_can_wait_is_called_after_all_others),
	    TEST(test_those_who_can_wait_take_turns_when_their_time_is_up),
	    TEST(test_those_who_can_wait_share_a_turn_that_is_long_enough),
	    TEST(test_a_number_that_is_used_again_need_not_wait),
	    TEST(test_timers_come_before_descriptors),
	    TEST(test_both_a_timer_and_a_descriptor_have_their_turn),
	    TEST(test_a_signal_ends_the_sleep_and_nothing_else),
	    TEST(test_the_clocks_are_taken_once_a_turn),
	    TEST(test_a_planned_sleep_is_no_stall),
	    TEST(test_a_sleep_longer_than_planned_is_a_stall),
	    TEST(test_a_long_turn_makes_the_next_one_stalled),
	    TEST(test_a_suspended_machine_is_a_stall),
	    TEST(test_a_machine_suspended_within_a_planned_sleep_is_a_stall),
	    TEST(test_a_suspicion_makes_one_turn_stalled),
	    TEST(test_a_wall_clock_that_is_set_is_no_stall),
	    TEST(test_one_computes_in_a_turn),
	    TEST(test_who_is_urgent_and_came_too_late_has_the_next_turn),
	    TEST(test_as_long_as_several_are_urgent_the_others_wait),
	    TEST(test_who_can_wait_comes_last),
	    TEST(test_an_urgent_one_that_is_gone_holds_nobody_up),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
