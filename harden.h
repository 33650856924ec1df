/* harden.h - what the process takes away from itself at its start. */
#ifndef AUTOHEAL_HARDEN_H
#define AUTOHEAL_HARDEN_H

/* Makes the relocated constants (the segment PT_GNU_RELRO) read-only, which musl 1.2.3 does for dynamic
 * programs and leaves undone in a static PIE. 0, or -errno. */
int harden_relro(void);

#endif
