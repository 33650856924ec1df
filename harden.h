/* harden.h - what the process takes away from itself at its start. */
#ifndef AUTOHEAL_HARDEN_H
#define AUTOHEAL_HARDEN_H

/* Adds the load address to the program's constant pointers where the linker packed their places (DT_RELR:
 * a bit each in place of 24 bytes), which musl's start code does from 1.2.4 on; where it was done, and
 * in a dynamic program, this does nothing. Before it, no pointer in a table may be used: the first call of main. */
void harden_relocate(void);

/* Makes the relocated constants (the segment PT_GNU_RELRO) read-only, which musl 1.2.3 does for dynamic
 * programs and leaves undone in a static PIE. 0, or -errno. */
int harden_relro(void);

/* Moves the values of the variables named in the list (by commas) out of the block that /proc/PID/environ shows, where
 * stars take their place: environment[] then points to memory of its own. One for which there is none stays. */
void harden_environment(char **environment, const char *secrets);

#endif
