/* watchdog.h - who watches the service itself: a turn of its loop that hangs ends the process, and so
 * does an engine's socket that refuses for long because it was made anew under the bind mount. Whoever
 * started the process starts it again: a restart policy does, for an exit but never for "unhealthy". */
#ifndef AUTOHEAL_WATCHDOG_H
#define AUTOHEAL_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#define WATCHDOG_OVER_S 30 /* a turn may take so long beyond the sleep that it planned */
#define WATCHDOG_EXIT 70   /* EX_SOFTWARE of sysexits.h: it hung */
#define WATCHDOG_BLIND_MS (10 * 60 * 1000ull)
#define WATCHDOG_EXIT_BLIND 69 /* EX_UNAVAILABLE: the engine's socket must be mounted anew */

/* Begins to watch. The first alarm only sets a second one, `over_s` later: a process that was merely
 * stopped, or frozen, goes on in between. The second one ends the process. */
void watchdog_start(unsigned over_s);
/* Before every sleep: a turn begins at `now`, which plans to sleep so long (UINT64_MAX: for ever).
 * Costs a system call once for a long sleep, and at most once a second in a row of busy turns. */
void watchdog_turn(uint64_t now, uint64_t sleep_ms);

/* PURE: one more try to connect to an engine has ended. since: kept by the caller, 0 at first.
 * refused: it is a local socket, and it was refused. True when that has been so for
 * WATCHDOG_BLIND_MS without another outcome in between, and we are the container's first process:
 * elsewhere the path is looked up anew each time, and finds a socket made anew. */
bool watchdog_blind(uint64_t *since, bool refused, uint64_t now, bool first_process);

#endif
