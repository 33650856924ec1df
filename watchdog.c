/* watchdog.c - alarm() around the turns of the loop, of watchdog.h. */
#include "watchdog.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define NEVER UINT64_MAX

/* What the handler of a signal may touch has file scope. */
static volatile sig_atomic_t warned; /* the first alarm has come in this turn */
static unsigned over_s;

static uint64_t armed_until; /* ms of the loop's clock; NEVER without an alarm */
static uint64_t lowered_at;  /* when it was last moved to an earlier time */

static void on_alarm(int number)
{
	static const char words[] =
	    "autoheal: a turn of its loop hangs; it ends with exit code 70, so that it is started anew\n";
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	int saved = errno;

	(void)number;
	if (!warned) {
		warned = 1;
		alarm(over_s);
		errno = saved;
		return;
	}
	/* a reader of stderr that hangs must not keep it alive */
	if (poll(&fd, 1, 0) > 0)
		(void)!write(STDERR_FILENO, words, sizeof(words) - 1);
	_exit(WATCHDOG_EXIT);
}

void watchdog_start(unsigned seconds)
{
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

	over_s = seconds;
	armed_until = lowered_at = 0;
	warned = 0;
	sigaction(SIGALRM, &action, NULL);
	alarm(over_s);
}

/* The alarm is a second late, so that a row of busy turns need not move it but once in it. */
static void arm(uint64_t now, uint64_t sleep_ms)
{
	unsigned seconds = 0;

	armed_until = NEVER;
	if (sleep_ms / 1000 < UINT32_MAX / 2) {
		seconds = (unsigned)((sleep_ms + 999) / 1000) + over_s + 1;
		armed_until = now + seconds * 1000ull;
	}
	alarm(seconds);
}

void watchdog_turn(uint64_t now, uint64_t sleep_ms)
{
	uint64_t needed = sleep_ms < NEVER - now - over_s * 1000ull
	    ? now + sleep_ms + over_s * 1000ull
	    : NEVER;

	if (warned || armed_until < needed) {
		warned = 0;
		arm(now, sleep_ms);
	} else if (armed_until - needed > 2000 && now - lowered_at >= 1000) {
		lowered_at = now; /* a long sleep has ended early */
		arm(now, sleep_ms);
	}
}

bool watchdog_blind(uint64_t *since, bool refused, uint64_t now, bool first_process)
{
	if (!refused)
		*since = 0;
	else if (!*since)
		*since = now + 1;
	return *since && first_process && now + 1 - *since >= WATCHDOG_BLIND_MS;
}
