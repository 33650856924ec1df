/* loop.c - select() and timers, of loop.h. */
#include "loop.h"

#include <time.h>

static uint64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t clock_ms(clockid_t id)
{
	return clock_us(id) / 1000;
}

uint64_t loop_since_now(const struct loop *loop)
{
	return clock_us(CLOCK_MONOTONIC) - loop->now_us;
}

void loop_clock(struct loop *loop)
{
	loop->now_us = clock_us(CLOCK_MONOTONIC);
	loop->now = LOOP_BEGINS + loop->now_us / 1000;
	loop->wall = (int64_t)clock_ms(CLOCK_REALTIME);
}

void loop_init(struct loop *loop)
{
	loop->top = -1;
	loop_clock(loop);
	loop->boot = clock_ms(CLOCK_BOOTTIME);
}

bool loop_watch(
    struct loop *loop, int fd, unsigned wants, void (*ready)(void *, unsigned), void *owner)
{
	if (fd < 0 || fd >= LOOP_FD_MAX)
		return false;
	loop->watches[fd] = (struct loop_watch){ready, owner};
	if (fd > loop->top)
		loop->top = fd;
	loop_wants(loop, fd, wants);
	return true;
}

void loop_wants(struct loop *loop, int fd, unsigned wants)
{
	if (wants & LOOP_READ)
		FD_SET(fd, &loop->read);
	else
		FD_CLR(fd, &loop->read);
	if (wants & LOOP_WRITE)
		FD_SET(fd, &loop->write);
	else
		FD_CLR(fd, &loop->write);
}

void loop_can_wait(struct loop *loop, int fd)
{
	FD_SET(fd, &loop->patient);
}

void loop_forget(struct loop *loop, int fd)
{
	if (fd < 0 || fd >= LOOP_FD_MAX)
		return;
	loop_wants(loop, fd, 0);
	FD_CLR(fd, &loop->patient);
	loop->watches[fd].ready = NULL;
	while (loop->top >= 0 && !loop->watches[loop->top].ready)
		loop->top--;
}

/* ---- timers: a binary heap, counted from 1, the nearest at heap[1] -------------------------- */

static void put_timer(struct loop *loop, size_t place, struct loop_timer *timer)
{
	loop->heap[place] = timer;
	timer->place = place;
}

static void sift_up(struct loop *loop, size_t place, struct loop_timer *timer)
{
	while (place > 1 && loop->heap[place / 2]->due > timer->due) {
		put_timer(loop, place, loop->heap[place / 2]);
		place /= 2;
	}
	put_timer(loop, place, timer);
}

static void sift_down(struct loop *loop, size_t place, struct loop_timer *timer)
{
	for (;;) {
		size_t child = place * 2;

		if (child > loop->timers)
			break;
		if (child < loop->timers && loop->heap[child + 1]->due < loop->heap[child]->due)
			child++;
		if (loop->heap[child]->due >= timer->due)
			break;
		put_timer(loop, place, loop->heap[child]);
		place = child;
	}
	put_timer(loop, place, timer);
}

void loop_cancel(struct loop *loop, struct loop_timer *timer)
{
	size_t place = timer->place;
	struct loop_timer *last;

	if (!place)
		return;
	timer->place = 0;
	last = loop->heap[loop->timers--];
	if (last == timer)
		return;
	if (place > 1 && loop->heap[place / 2]->due > last->due)
		sift_up(loop, place, last);
	else
		sift_down(loop, place, last);
}

void loop_after(struct loop *loop, struct loop_timer *timer, uint64_t after)
{
	loop_cancel(loop, timer);
	if (loop->timers == LOOP_TIMERS_MAX)
		return; /* cannot happen: the parts' own limits add up to less */
	timer->due = loop->now + after;
	sift_up(loop, ++loop->timers, timer);
}

static void fire_timers(struct loop *loop)
{
	while (loop->timers && loop->heap[1]->due <= loop->now) {
		struct loop_timer *timer = loop->heap[1];

		loop_cancel(loop, timer);
		timer->fire(timer->owner);
	}
}

/* ---- the turn ------------------------------------------------------------------------------- */

bool loop_may_compute(struct loop *loop, enum loop_urgency urgency)
{
	bool may = !loop->computed && urgency >= loop->kept_for;

	if (may)
		loop->computed = true;
	else if (urgency > loop->refused)
		loop->refused = urgency;
	return may;
}

void loop_suspect(struct loop *loop)
{
	loop->boot = 0;
}

/* How long select() may sleep, ms; UINT64_MAX for ever. */
static uint64_t until_next(const struct loop *loop)
{
	if (!loop->timers)
		return UINT64_MAX;
	return loop->heap[1]->due > loop->now ? loop->heap[1]->due - loop->now : 0;
}

/* A stall shows in three ways: the turn's own work took long, the sleep lasted longer than planned
 * (the machine was suspended), or somebody told us (loop_suspect). */
static void look_for_stall(
    struct loop *loop, uint64_t slept_from, uint64_t awake_from, uint64_t planned)
{
	uint64_t boot = clock_ms(CLOCK_BOOTTIME);
	uint64_t plan = planned < UINT64_MAX / 2 ? planned : UINT64_MAX / 2;

	/* CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not */
	loop->stalled = slept_from - loop->boot > LOOP_STALL_MS ||
	    boot - slept_from > plan + LOOP_STALL_MS ||
	    boot - slept_from > loop->now - awake_from + LOOP_STALL_MS;
	loop->boot = boot;
}

static void call_ready(struct loop *loop, int fd, const fd_set *r, const fd_set *w)
{
	unsigned what = 0;

	if (FD_ISSET(fd, r) && FD_ISSET(fd, &loop->read))
		what |= LOOP_READ;
	if (FD_ISSET(fd, w) && FD_ISSET(fd, &loop->write))
		what |= LOOP_WRITE;
	if (what && loop->watches[fd].ready)
		loop->watches[fd].ready(loop->watches[fd].owner, what);
}

/* Those who can wait: from where the last turn ended, until their time is up. */
static void call_patient(struct loop *loop, int top, const fd_set *r, const fd_set *w)
{
	int first = loop->turn_of <= top ? loop->turn_of : 0;

	for (int i = 0; i <= top; i++) {
		int fd = (first + i) % (top + 1);

		if (!FD_ISSET(fd, &loop->patient) || !(FD_ISSET(fd, r) || FD_ISSET(fd, w)))
			continue;
		loop->turn_of = fd + 1;
		call_ready(loop, fd, r, w);
		if (loop_since_now(loop) >= LOOP_PATIENCE_US)
			return;
	}
}

void loop_turn(struct loop *loop)
{
	fd_set r = loop->read, w = loop->write;
	int top = loop->top, ready;
	struct timeval left;
	uint64_t planned, slept_from, awake_from;

	loop_clock(loop);
	planned = until_next(loop);
	left = (struct timeval){
	    .tv_sec = (time_t)(planned / 1000), .tv_usec = (suseconds_t)(planned % 1000 * 1000)};
	if (loop->waits)
		loop->waits(loop->now, planned);
	slept_from = clock_ms(CLOCK_BOOTTIME);
	awake_from = loop->now;
	ready = select(top + 1, &r, &w, NULL, planned < UINT64_MAX ? &left : NULL);
	loop_clock(loop);
	look_for_stall(loop, slept_from, awake_from, planned);
	loop->computed = false;
	loop->kept_for = loop->refused;
	loop->refused = LOOP_CAN_WAIT;
	fire_timers(loop);
	if (ready <= 0)
		return;
	/* A descriptor closed and opened again within this turn may be called once too often: every
	 * `ready` reads without blocking, so that costs a system call and nothing else. */
	for (int fd = 0; fd <= top; fd++)
		if (!FD_ISSET(fd, &loop->patient))
			call_ready(loop, fd, &r, &w);
	call_patient(loop, top, &r, &w);
}
