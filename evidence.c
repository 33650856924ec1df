/* evidence.c - asking for what a restart would wipe out, of evidence.h. */
#include "evidence.h"

#include <stdlib.h>

#include "frames.h"
#include "log.h"

enum { INSPECT, LOG, CALLS };

struct evidence_job {
	struct evidence_jobs *all;
	uint64_t incident;
	struct call *calls[CALLS];
	bool looks;
	size_t read;
	struct frames frames;
	struct loop_timer timer;
};

static struct evidence_job *find(const struct evidence_jobs *t, uint64_t incident)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i]->incident == incident)
			return t->list[i];
	return NULL;
}

/* Where the job's findings go; NULL when the incident or its evidence had to go meanwhile. */
static struct evidence *evidence_of(const struct evidence_job *job)
{
	struct incident *i = incidents_find(job->all->incidents, job->incident);

	return i ? i->evidence : NULL;
}

static void end(void *owner)
{
	struct evidence_job *job = owner;
	struct evidence_jobs *t = job->all;

	for (int i = 0; i < CALLS; i++)
		if (job->calls[i])
			call_close(job->calls[i]);
	loop_cancel(t->loop, &job->timer);
	t->incidents->changes++;
	for (size_t i = 0; i < t->count; i++)
		if (t->list[i] == job)
			t->list[i] = t->list[--t->count];
	free(job);
}

static void end_if_done(struct evidence_job *job)
{
	if (!job->calls[INSPECT] && !job->calls[LOG] && !job->looks)
		end(job);
}

static void done(struct call *call)
{
	struct evidence_job *job = call->owner;
	struct evidence *e = evidence_of(job);
	int which = call == job->calls[LOG] ? LOG : INSPECT;

	if (call->end != CALL_ANSWERED || !call_succeeded(call))
		log_line(LOG_DEBUG, "evidence", "Incident %llx is without its %s: %d %s",
		    (unsigned long long)job->incident, which == LOG ? "log" : "inspect",
		    call->status, call->words);
	else if (e && which == LOG)
		e->logged = true; /* be it empty */
	job->calls[which] = NULL;
	end_if_done(job);
}

static void inspect_value(struct call *call, const struct json *j)
{
	struct evidence_job *job = call->owner;
	struct evidence *e = evidence_of(job);

	if (e)
		evidence_read(e, j, job->all->loop->now);
}

static void log_bytes(struct call *call, const struct json *j)
{
	struct evidence_job *job = call->owner;
	struct evidence *e = evidence_of(job);
	const char *p = j->p;
	size_t n = j->n;
	struct span text;

	while (e && frames_next(&job->frames, &p, &n, &text))
		evidence_add_log(e, text);
	job->read += j->n;
	if (e && job->read < EVIDENCE_READ_MAX)
		return;
	job->calls[LOG] = NULL;
	call_close(call);
	end_if_done(job);
}

static const struct call_handler inspect_handler = {.value = inspect_value, .done = done};
static const struct call_handler log_handler = {.value = log_bytes, .done = done};

void evidence_ask(struct evidence_jobs *t, struct docker *d, struct incident *i, bool looks)
{
	struct evidence *e = t->count < t->most ? incidents_evidence(t->incidents, i) : NULL;
	struct evidence_job *job = e ? calloc(1, sizeof(*job)) : NULL;
	const char *error;
	char hex[65];

	i->wants_evidence = false;
	if (!job)
		return;
	job->all = t;
	job->incident = i->id;
	job->timer = (struct loop_timer){.fire = end, .owner = job};
	t->list[t->count++] = job;
	loop_after(t->loop, &job->timer, EVIDENCE_PATIENCE_MS);
	text_hex(i->container, 32, hex);
	if (!e->inspected || t->loop->now - e->asked > EVIDENCE_FRESH_MS) {
		job->looks = looks;
		if (!looks)
			job->calls[INSPECT] = docker_inspect(
			    d, i->container, &inspect_handler, job, &error);
	}
	job->calls[LOG] = docker_request(d, "GET", JSON_NONE, EVIDENCE_PATIENCE_MS, &log_handler,
	    job, &error, "/containers/%s/logs?stdout=1&stderr=1&tail=" EVIDENCE_LINES, hex);
	for (int k = 0; k < CALLS; k++)
		if (job->calls[k]) /* behind the connection that the next restart is to find ready */
			job->calls[k]->urgency = LOOP_CAN_WAIT;
	end_if_done(job);
}

void evidence_inspected(struct evidence_jobs *t, uint64_t incident, const struct json *j)
{
	struct incident *i = incidents_find(t->incidents, incident);
	struct evidence_job *job = find(t, incident);
	struct evidence *e;

	if (!i || (job ? !job->looks : i->closed || i->actions))
		return;
	e = job ? i->evidence : incidents_evidence(t->incidents, i);
	if (e)
		evidence_read(e, j, t->loop->now);
	if (!job)
		return;
	job->looks = false;
	end_if_done(job);
}

void evidence_answered(struct evidence_jobs *t, uint64_t incident)
{
	struct evidence_job *job = find(t, incident);

	if (job)
		loop_after(t->loop, &job->timer, EVIDENCE_GRACE_MS);
}

void evidence_close(struct evidence_jobs *t)
{
	while (t->count)
		end(t->list[0]);
}
