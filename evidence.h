/* evidence.h - asks an engine, each time on a connection of its own, what a container that is just being restarted
 * looked like: its last probes, how it ended, the end of its log. Nobody waits for the answers. */
#ifndef AUTOHEAL_EVIDENCE_H
#define AUTOHEAL_EVIDENCE_H

#include "budget.h"
#include "docker.h"
#include "incidents.h"

#define EVIDENCE_PATIENCE_MS 30000 /* with the engine, however long the request takes */
#define EVIDENCE_GRACE_MS \
	2000 /* after the answer to the request: what is missing then is left out */
#define EVIDENCE_FRESH_MS 2000 /* an inspect that proved the trouble so shortly before serves */
#define EVIDENCE_LINES "50"    /* of the log are asked for */
#define EVIDENCE_READ_MAX (256 * 1024) /* bytes of them that are read; then what came is kept */

struct evidence_job;

struct evidence_jobs {
	struct loop *loop;
	struct incidents *incidents;
	size_t most,
	    count; /* most: as many as there are descriptors for; the next goes without evidence */
	struct evidence_job *list[BUDGET_EVIDENCE_MAX];
};

/* Asks for what i->wants_evidence. looks: an inspect of the policy's is on its way, and will be handed in. */
void evidence_ask(struct evidence_jobs *t, struct docker *d, struct incident *i, bool looks);
/* An inspect that the policy asked for is there: it serves for this incident, while nothing has been done in it yet or
 * evidence_ask relies on it. */
void evidence_inspected(struct evidence_jobs *t, uint64_t incident, const struct json *j);
/* The engine has answered the request. */
void evidence_answered(struct evidence_jobs *t, uint64_t incident);
void evidence_close(struct evidence_jobs *t);

#endif
