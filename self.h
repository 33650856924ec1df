/* self.h - which container is autoheal's own: it must never restart itself. Known by the id in
 * /proc/self/mountinfo, else by a hostname that an inspect confirms (SPEC 3). */
#ifndef AUTOHEAL_SELF_H
#define AUTOHEAL_SELF_H

#include <stdbool.h>
#include <stddef.h>

#include "docker.h"
#include "loop.h"
#include "monitor.h"
#include "text.h"

struct self {
	struct monitor *monitor;
	struct docker *engine;
	struct loop_timer timer;
	char hostname[65];
	unsigned tries;
};

/* Finds the id of 64 hex digits in the text of a mountinfo: the files /etc/hostname, /etc/hosts and
 * /etc/resolv.conf of a container are mounted from a folder named by its id. p == NULL when there
 * is none. PURE. */
struct span self_find_id(struct span mountinfo);

void self_init(struct self *s, struct monitor *monitor, struct docker *engine);
/* Looks in /proc; where that says nothing, asks the engine for a container of our hostname once it is connected. */
void self_start(struct self *s);

#endif
