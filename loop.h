/* loop.h - one select() loop with timers. A part registers a descriptor or a timer with a function
 * of its own; a turn waits for the nearest timer or the first ready descriptor, and calls what is
 * due. Idle means asleep: without something due there is no wake-up. */
#ifndef AUTOHEAL_LOOP_H
#define AUTOHEAL_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/select.h>

#define LOOP_FD_MAX FD_SETSIZE /* select() knows no descriptor at or above it */
#define LOOP_TIMERS_MAX \
	2048 /* every part has a fixed number of them: connections, engines, listeners */
#define LOOP_BEGINS \
	(1ull << 40) /* ms: of the loop's clock at the machine's start, so that it has words for what was before */
#define LOOP_PATIENCE_US 200 /* of one turn for those who can wait, and at least one of them */
#define LOOP_STALL_MS 2000   /* events read after a stall longer than this are a backlog */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

enum loop_urgency { LOOP_CAN_WAIT, LOOP_USUAL, LOOP_URGENT };

struct loop_watch {
	void (*ready)(void *owner, unsigned what);
	void *owner;
};

struct loop_timer {
	void (*fire)(void *owner);
	void *owner;
	uint64_t due; /* ms of the loop's clock */
	size_t place; /* in the heap, counted from 1; 0 = not armed */
};

struct loop {
	struct loop_watch watches[LOOP_FD_MAX];
	fd_set read, write;
	fd_set patient;  /* those who can wait */
	int turn_of;     /* whose turn among them it is next */
	int top;         /* the highest watched descriptor, -1 without one */
	uint64_t now;    /* ms, CLOCK_MONOTONIC and LOOP_BEGINS, taken once after each wait */
	uint64_t now_us; /* the same moment by CLOCK_MONOTONIC alone, microseconds */
	int64_t wall;    /* ms since 1970, taken with it */
	uint64_t boot;   /* ms, CLOCK_BOOTTIME at the end of the last turn */
	bool stalled;    /* this turn began after a stall: what it reads may be old */
	bool computed;   /* in this turn somebody has taken the time of loop_may_compute */
	/* the most urgent who came too late in this turn, and the least who may now, for those of the last one */
	enum loop_urgency refused, kept_for;
	/* called before each wait with how long it may last, UINT64_MAX for ever; or NULL */
	void (*waits)(uint64_t now, uint64_t sleep_ms);
	size_t timers;
	struct loop_timer *heap[LOOP_TIMERS_MAX + 1];
};

/* Zeroed memory is expected: pages of the tables are only touched where used. */
void loop_init(struct loop *loop);
/* Watches fd for `wants` (LOOP_READ | LOOP_WRITE). false when fd is not below LOOP_FD_MAX. */
bool loop_watch(
    struct loop *loop, int fd, unsigned wants, void (*ready)(void *, unsigned), void *owner);
/* Changes what a watched descriptor is waited for. */
void loop_wants(struct loop *loop, int fd, unsigned wants);
/* This one can wait: a client of the API, a long list. All others that are ready come first, and the wait begins anew
 * when LOOP_PATIENCE_US are spent, so that many of them together hold up an event no longer than one of them. They take
 * turns. */
void loop_can_wait(struct loop *loop, int fd);
/* Must be called before fd is closed. */
void loop_forget(struct loop *loop, int fd);
/* Arms the timer, or moves it when armed; `after` ms from now. */
void loop_after(struct loop *loop, struct loop_timer *timer, uint64_t after);
void loop_cancel(struct loop *loop, struct loop_timer *timer);
/* Reads the clocks anew. */
void loop_clock(struct loop *loop);
/* Microseconds since `now` was taken. */
uint64_t loop_since_now(const struct loop *loop);
/* Whether the caller may compute for some ms in this turn: the first who asks in a turn may; the others leave
 * their descriptors watched and ask again in the next, which comes at once. That one is kept for
 * those who are as urgent as the most urgent of them. */
bool loop_may_compute(struct loop *loop, enum loop_urgency urgency);
/* The process was stopped and goes on (SIGCONT): the next turn counts as stalled. */
void loop_suspect(struct loop *loop);
/* Waits for the nearest timer or a descriptor, then calls what is due: timers, then descriptors. */
void loop_turn(struct loop *loop);

#endif
