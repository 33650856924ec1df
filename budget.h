/* budget.h - one budget of descriptors, shared out once at the start: select() knows FD_SETSIZE of them,
 * RLIMIT_NOFILE may allow fewer. Every part keeps within its share, so that nobody's clients can take
 * the descriptor that a heal needs. */
#ifndef AUTOHEAL_BUDGET_H
#define AUTOHEAL_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

#include "loop.h"

#define BUDGET_LIMIT LOOP_FD_MAX
/* stdin, stdout, stderr (the log); the self-pipe (2); the listeners (2); a file being read, or a client
 * being told that there are too many; a connection whose end is being told while the next one begins; the
 * data folder; a pipe out of which events on disk come; /proc/self/statm */
#define BUDGET_FIXED 12
/* the event stream; version or list; a spare connection (of TLS, made ready); a question to DNS */
#define BUDGET_ENGINE 4
#define BUDGET_CLIENT 2 /* its own connection, and the one to the engine that its answer may need */
#define BUDGET_CLIENTS_MIN 4 /* a page, a health check, a person with curl, and one more */
#define BUDGET_CLIENTS_MAX 64
#define BUDGET_LOOKS_MIN 2 /* of each engine: one that takes its time must not hold up all others */
#define BUDGET_LOOKS_MAX 16
#define BUDGET_EVIDENCE 2 /* an inspect and a log, of one restarted container */
#define BUDGET_EVIDENCE_MAX 32
#define BUDGET_PROBES_MAX \
	32 /* own probes, over all engines; where descriptors are few there are none */
#define BUDGET_RESTARTS_MAX 256 /* at least one for every engine */
#define BUDGET_NOTICES_MIN \
	2 /* one on its way, and the helper that runs a script; where there are so many */
#define BUDGET_NOTICES_MAX 17
#define BUDGET_ENGINES_MAX 64

struct budget {
	unsigned limit;    /* descriptors there are */
	unsigned needed;   /* for the minima of all */
	unsigned clients;  /* of the API, at once */
	unsigned looks;    /* inspects under way, of each engine */
	unsigned restarts; /* restarts under way, over all engines */
	unsigned evidence; /* restarted containers whose evidence is asked for at once; 0: there is none */
	unsigned probes;  /* own probes under way, over all engines */
	unsigned notices; /* on their way at once, and that helper */
	unsigned left;    /* nobody may have: notices of targets that are named later may */
};

/* PURE: shares `limit` descriptors out for 1 to BUDGET_ENGINES_MAX engines and so many targets of notices, the
 * helper of a script counted in. false when not even the
 * minima fit: only limit and needed are set then. */
bool budget_make(struct budget *b, unsigned limit, unsigned engines, unsigned targets);
/* Closes what was inherited beyond stderr, raises RLIMIT_NOFILE as far as it may be and is of use, and
 * returns how many descriptors there are. */
unsigned budget_limit(void);
/* Why it cannot be started, and the remedy. */
void budget_explain(const struct budget *b, unsigned engines, char *out, size_t cap);

#endif
