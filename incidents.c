/* incidents.c - the last incidents, of incidents.h. */
#include "incidents.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ------------------------------------------------------------------------------ */

static void drop(struct incidents *t, size_t at)
{
	free(t->list[at]->evidence);
	free(t->list[at]);
	t->count--;
	memmove(t->list + at, t->list + at + 1, (t->count - at) * sizeof(t->list[0]));
}

void incidents_free(struct incidents *t)
{
	while (t->count)
		drop(t, t->count - 1);
}

struct incident *incidents_find(const struct incidents *t, uint64_t id)
{
	for (size_t i = t->count; i--;)
		if (t->list[i]->id == id)
			return t->list[i];
	return NULL;
}

static void make_room(struct incidents *t)
{
	size_t at = 0;

	if (t->count < INCIDENTS_MAX)
		return;
	while (at < t->count && !t->list[at]->closed)
		at++;
	drop(t, at < t->count ? at : 0);
}

struct incident *incidents_open(
    struct incidents *t, const struct incident *what, struct span name, struct span stable_id)
{
	struct incident *i = calloc(1, sizeof(*i) + name.n + 1 + stable_id.n + 1);

	if (!i)
		return NULL;
	*i = *what;
	i->stable_id = i->name + name.n + 1;
	span_copy(name, i->name, name.n + 1);
	span_copy(stable_id, i->stable_id, stable_id.n + 1);
	for (size_t k = 0; k < t->count; k++)
		if (!t->list[k]->closed && t->list[k]->host == i->host &&
		    !strcmp(t->list[k]->stable_id, i->stable_id))
			incident_close(t, t->list[k], i->opened, 0);
	make_room(t);
	t->list[t->count++] = i;
	t->changes++;
	return i;
}

struct evidence *incidents_evidence(struct incidents *t, struct incident *i)
{
	size_t others = 0, most = t->stored ? INCIDENTS_MAX : INCIDENTS_EVIDENCE;

	if (i->evidence)
		return i->evidence;
	for (size_t k = t->count; k--;)
		if (t->list[k]->evidence && ++others >= most) {
			free(t->list[k]->evidence);
			t->list[k]->evidence = NULL;
		}
	i->evidence = calloc(1, sizeof(*i->evidence));
	return i->evidence;
}

/* ---- what is done and told ----------------------------------------------------------------- */

static struct incident_action *last_action(struct incident *i)
{
	uint32_t n = i->actions < INCIDENT_ACTIONS_MAX ? i->actions : INCIDENT_ACTIONS_MAX;

	return n ? &i->kept[n - 1] : NULL;
}

/* The action under way, or a new one. */
static struct incident_action *action_of(struct incident *i, const char *action, int64_t wall)
{
	struct incident_action *a = last_action(i);

	if (!a || a->status) {
		i->actions++;
		a = last_action(i);
	}
	*a = (struct incident_action){.at = wall, .took = -1, .action = action};
	return a;
}

void incident_asked(struct incident *i, unsigned engine, const uint8_t container[32],
    const char *action, int64_t wall)
{
	i->engine = (uint8_t)engine;
	memcpy(i->container, container, sizeof(i->container));
	action_of(i, action, wall);
	i->wants_evidence |= !i->evidence || !i->evidence->logged;
	if (!i->closed)
		i->outcome = INCIDENT_OPEN;
}

/* An action of ours has its answer, or was only told. */
static void answered(struct incident *i, const struct audit_event *e, int64_t took)
{
	bool only_told = span_is(e->action, "notify");
	bool done = only_told || audit_succeeded(e);
	struct incident_action *a = last_action(i);

	if (only_told || !a || a->status)
		a = action_of(i, e->action.p, e->wall);
	a->status = done ? "success" : "failure";
	a->took = only_told ? 0 : took;
	if (!done)
		span_copy(e->message, a->error, sizeof(a->error));
	/* a stop leaves it down, as its label wants */
	if (!done || span_is(e->action, "stop"))
		i->outcome = INCIDENT_NOT_RECOVERED;
}

void incident_told(struct incident *i, const struct audit_event *e, int64_t took)
{
	switch (e->kind) {
	case AUDIT_RESTART:
	case AUDIT_DEPENDENT_RESTART:
	case AUDIT_STRANDED:
		if (e->action.p)
			answered(i, e, took);
		break;
	case AUDIT_RECOVERED:
		i->outcome = INCIDENT_RECOVERED;
		break;
	case AUDIT_NOT_RECOVERED:
		i->outcome = INCIDENT_NOT_RECOVERED;
		break;
	case AUDIT_QUARANTINE:
		i->outcome = INCIDENT_QUARANTINED;
		break;
	case AUDIT_SKIPPED:
		i->outcome = span_is(e->status, "recovered") ? INCIDENT_RECOVERED
							     : INCIDENT_CANCELLED;
		break;
	default:
		break;
	}
}

void incident_close(struct incidents *t, struct incident *i, int64_t wall, int64_t took)
{
	t->changes++;
	i->closed = wall;
	i->took = took;
	if (i->outcome == INCIDENT_OPEN)
		i->outcome = INCIDENT_CANCELLED;
}

/* ---- evidence ------------------------------------------------------------------------------ */

/* The newest probes; of each output the beginning. names: of end, exit code and output. */
static void read_probes(struct evidence *e, const struct json *j, int log, const char names[3][10])
{
	size_t count = 0, used = 0, room;
	int element = -1;
	char text[48];

	e->probes_count = 0;
	while (json_next_element(j, log, &element))
		count++;
	room = sizeof(e->outputs) /
	    (count < EVIDENCE_PROBES_MAX ? count + !count : EVIDENCE_PROBES_MAX);
	element = -1;
	while (json_next_element(j, log, &element)) {
		size_t n, at = e->probes_count;

		if (count-- > EVIDENCE_PROBES_MAX)
			continue;
		n = json_text(j, json_get(j, element, names[0]), text, sizeof(text));
		if (!text_read_time((struct span){text, n}, &e->probes[at].end))
			e->probes[at].end = 0;
		e->probes[at].exit_code = (int32_t)json_int(j, json_get(j, element, names[1]), 0);
		n = json_text(j, json_get(j, element, names[2]), e->outputs + used, room);
		e->probes[at].length = (uint16_t)n;
		used += n;
		e->probes_count++;
	}
}

void evidence_read(struct evidence *e, const struct json *j, uint64_t now)
{
	static const char names[3][10] = {"End", "ExitCode", "Output"};
	int state = json_get(j, 0, "State"), health = json_get(j, state, "Health");

	if (!json_is_object(j, state))
		return;
	if (health < 0)
		health = json_get(j, state, "Healthcheck"); /* Podman before 4.4 */
	e->asked = now;
	e->inspected = true;
	e->exit_code = (int32_t)json_int(j, json_get(j, state, "ExitCode"), 0);
	e->oom_killed = json_bool(j, json_get(j, state, "OOMKilled"), false);
	read_probes(e, j, json_get(j, health, "Log"), names);
}

void evidence_recall(struct evidence *e, const struct json *j, int token)
{
	static const char names[3][10] = {"end", "exit_code", "output"};
	int exit_code = json_get(j, token, "exit_code"), log = json_get(j, token, "log");

	e->inspected = !json_is_null(j, exit_code);
	e->exit_code = (int32_t)json_int(j, exit_code, 0);
	e->oom_killed = json_bool(j, json_get(j, token, "oom_killed"), false);
	read_probes(e, j, json_get(j, token, "probes"), names);
	e->logged = json_is_string(j, log);
	e->log_length = (uint16_t)json_text(j, log, e->log, sizeof(e->log));
}

struct span evidence_output(const struct evidence *e)
{
	struct span output = {e->outputs, 0};

	for (size_t k = 0; k < e->probes_count; k++) {
		output.p += output.n;
		output.n = e->probes[k].length;
	}
	if (!e->probes_count || !e->probes[e->probes_count - 1].exit_code)
		output.n = 0;
	return output;
}

void evidence_add_log(struct evidence *e, struct span text)
{
	size_t most = sizeof(e->log), kept = e->log_length;

	e->log_cut |= text.n + kept > most;
	if (text.n > most) {
		text.p += text.n - most;
		text.n = most;
	}
	if (text.n + kept > most) {
		kept = most - text.n;
		memmove(e->log, e->log + e->log_length - kept, kept);
	}
	memcpy(e->log + kept, text.p, text.n);
	e->log_length = (uint16_t)(kept + text.n);
	e->logged = true;
}

/* The log from the beginning of its first whole line on; a line that is longer than all is shown from where it is. */
static struct span whole_lines(const struct evidence *e)
{
	struct span log = {e->log, e->log_length};
	const char *end = e->log_cut ? memchr(log.p, '\n', log.n) : NULL;

	if (end && end + 1 < log.p + log.n) {
		log.n -= (size_t)(end + 1 - log.p);
		log.p = end + 1;
	}
	return log;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* A number, or null where there is none. */
static void key_number(struct json_writer *w, const char *key, int64_t value, bool known)
{
	json_key(w, key);
	if (known)
		json_number(w, value);
	else
		json_null(w);
}

static void print_text(struct json_writer *w, struct span text, bool whole)
{
	json_string(w, whole ? text : span_of("***"));
}

static void print_probes(struct json_writer *w, const struct evidence *e, bool whole)
{
	const char *output = e->outputs;

	json_print(w, "probes [");
	for (size_t k = 0; k < e->probes_count; k++) {
		json_print(w, "{ end %lli exit_code %lld output", (long long)e->probes[k].end,
		    (long long)e->probes[k].exit_code);
		print_text(w, (struct span){output, e->probes[k].length}, whole);
		json_close(w, '}');
		output += e->probes[k].length;
	}
	json_close(w, ']');
}

static void print_evidence(struct json_writer *w, const struct evidence *e, bool whole)
{
	json_key(w, "evidence");
	if (!e || (!e->inspected && !e->logged)) {
		json_null(w);
		return;
	}
	json_open(w, '{');
	key_number(w, "exit_code", e->exit_code, e->inspected);
	json_key(w, "oom_killed");
	if (e->inspected)
		json_bool_value(w, e->oom_killed);
	else
		json_null(w);
	print_probes(w, e, whole);
	json_key(w, "log");
	if (e->logged)
		print_text(w, whole_lines(e), whole);
	else
		json_null(w);
	json_close(w, '}');
}

static void print_actions(struct json_writer *w, const struct incident *i)
{
	json_print(w, "actions [");
	for (size_t k = 0; k < i->actions && k < INCIDENT_ACTIONS_MAX; k++) {
		const struct incident_action *a = &i->kept[k];

		json_print(
		    w, "{ at %lli action %s status %s", (long long)a->at, a->action, a->status);
		key_number(w, "duration_ms", a->took, a->took >= 0);
		json_print(w, "error %s }", a->error[0] ? a->error : NULL);
	}
	json_print(w, "] actions_left_out %u",
	    i->actions > INCIDENT_ACTIONS_MAX ? i->actions - INCIDENT_ACTIONS_MAX : 0u);
}

static const char outcomes[][16] = {"open", "recovered", "not_recovered", "quarantined", "cancelled"};

enum incident_outcome incident_outcome_of(const struct json *j, int token)
{
	unsigned outcome = INCIDENT_CANCELLED;

	while (outcome && !json_is(j, token, outcomes[outcome]))
		outcome--;
	return (enum incident_outcome)outcome;
}

void incident_print(struct json_writer *w, const struct incident *i, bool whole)
{
	char id[24];

	text_print(id, sizeof(id), "%llx", (unsigned long long)i->id);
	json_print(w,
	    "{ id %s stable_id %s container_name %s host %s opened %lli closed %lli cause %s detected_by %s",
	    id, i->stable_id, i->name, i->host, (long long)i->opened, (long long)i->closed,
	    i->cause, i->detected_by);
	print_actions(w, i);
	json_print(
	    w, "outcome %s seconds_to_recover", outcomes[i->closed ? i->outcome : INCIDENT_OPEN]);
	if (i->closed && i->outcome == INCIDENT_RECOVERED)
		json_seconds(w, (uint64_t)i->took);
	else
		json_null(w);
	print_evidence(w, i->evidence, whole);
	json_close(w, '}');
}

bool incidents_print(
    const struct incidents *t, struct buf *out, const char *wanted, const char *host, bool whole)
{
	struct json_writer w;
	bool any = false;

	json_start(&w, out);
	json_open(&w, '[');
	for (size_t k = 0; k < t->count; k++) {
		const struct incident *i = t->list[k];

		if (strcmp(i->stable_id, wanted) && (host || strcmp(i->name, wanted)))
			continue;
		if (host && strcmp(i->host, host))
			continue;
		incident_print(&w, i, whole);
		any = true;
	}
	json_close(&w, ']');
	return any;
}
