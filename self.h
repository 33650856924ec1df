/* self.h - which container is autoheal's own: it must never restart itself. Known by the id in
 * /proc/self/mountinfo, else by a hostname that an inspect confirms. */
#ifndef AUTOHEAL_SELF_H
#define AUTOHEAL_SELF_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"
#include "monitor.h"
#include "text.h"

/* Finds the id of 64 hex digits in the text of a mountinfo: the files /etc/hostname, /etc/hosts and
 * /etc/resolv.conf of a container are mounted from a folder named by its id. p == NULL when there
 * is none. PURE. */
struct span self_find_id(struct span mountinfo);

/* Looks in /proc; where that says nothing, the engines are to be asked for a container of our hostname. */
void self_find(struct monitor *monitor);

#endif
