/* script.h - POST_RESTART_SCRIPT: a helper process, forked at the start, runs it; so that the service itself never
 * forks a program, and may give the right to do so up. One run at a time, in order, each within SCRIPT_RUN_S. */
#ifndef AUTOHEAL_SCRIPT_H
#define AUTOHEAL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

#define SCRIPT_RUN_S 60  /* then its process group is killed */
#define SCRIPT_QUEUE 16  /* runs that wait; the next is left out, with a warning */
#define SCRIPT_WORDS 352 /* bytes of its four arguments, each with its zero */

struct script;

/* Forks the helper; before anything else is open that it should not hold. A program that is missing, not executable, or
 * wants an interpreter that is missing is a warning. NULL where there is nothing to run. */
struct script *script_start(struct loop *loop, const char *path);
/* Runs it, in its turn. Nothing happens where s is NULL. */
void script_run(
    struct script *s, const char *name, const char *id, const char *state, const char *timeout);
/* The helper ends with its present run. */
void script_close(struct script *s);

#endif
