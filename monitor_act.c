/* monitor_act.c - what the policy decided is told and carried out: audit events, incidents, requests and looks; of monitor.h. */
#include "monitor_parts.h"

#include <string.h>

#include "log.h"

/* ---- telling -------------------------------------------------------------------------------- */

void monitor_short_id(const uint8_t id[32], char out[13])
{
	text_hex(id, 6, out);
}

void monitor_log(
    enum log_level level, const char *module, const struct container *c, const char *words)
{
	char id[13];

	monitor_short_id(c->id, id);
	log_line(level, module, "Container '%s' (%s) %s", c->name, id, words);
}

static const char *host_of(const struct monitor *m, const struct container *c)
{
	return m->engines[c->engine].name;
}

/* An event without the parts that only some have. */
struct audit_event monitor_event(
    const struct monitor *m, enum audit_kind kind, const char *status, const char *message)
{
	return (struct audit_event){.kind = kind,
	    .wall = m->loop->wall,
	    .exit_code = INT32_MIN,
	    .duration_ms = -1,
	    .status = span_of(status),
	    .message = span_of(message)};
}

/* c: whom it is about, NULL: none that is watched. */
void monitor_add_event(struct monitor *m, const struct container *c, const struct audit_event *e)
{
	const struct heal *h = c ? c->identity->heal : NULL;
	bool over = h && !(h->open && h->incident == e->incident);

	audit_add(&m->audit, e);
	if (m->told)
		m->told(m->told_owner);
	if (m->notify && !(c && c->own && c->own->no_notices))
		notify_event(m->notify, e, over);
}

/* POST_RESTART_SCRIPT is told what willfarrell's tells: the state before the restart, and the stop timeout. */
static void run_script(struct monitor *m, const struct action *a, const char *id)
{
	const struct container *c = a->container;
	uint32_t seconds = c->own ? c->own->stop_timeout : WATCH_UNSET;
	char text[16];

	if (!m->script || strcmp(a->status, a->audit == AUDIT_STRANDED ? "restarted" : "success") ||
	    !a->did || !strcmp(a->did, "notify") || !strcmp(a->did, "stop"))
		return;
	if (seconds == WATCH_UNSET && m->settings->stop_timeout != CONFIG_UNSET)
		seconds = (uint32_t)(m->settings->stop_timeout / 1000);
	if (seconds == WATCH_UNSET)
		seconds = c->stop_timeout == WATCH_UNSET ? 10 : c->stop_timeout;
	text_print(text, sizeof(text), seconds == WATCH_FOREVER ? "-1" : "%u", seconds);
	script_run(m->script, c->name, id, a->exit_code == INT32_MIN ? "running" : "exited", text);
}

static void keep_event(struct monitor *m, const struct container *c, struct audit_event *e)
{
	e->id = c->id;
	e->name = span_of(c->name);
	e->stable_id = span_of(c->identity->name);
	e->host = span_of(host_of(m, c));
	e->restart_count = c->identity->restarts;
	monitor_add_event(m, c, e);
}

/* ---- incidents ------------------------------------------------------------------------------ */

/* Ends the record of the identity's incident where the policy has closed that. */
static struct incident *end_incident(struct monitor *m, const struct identity *identity)
{
	const struct heal *h = identity->heal;
	struct incident *i = h ? incidents_find(&m->incidents, h->incident) : NULL;

	if (i && !h->open && !i->closed)
		incident_close(
		    &m->incidents, i, m->loop->wall, (int64_t)(m->loop->now - h->detected));
	return i;
}

static const char *cause_of(const struct heal *h)
{
	if (h->by_person)
		return "manual";
	if (h->bond)
		return h->bond == BOND_STRANDED ? "stranded" : "dependent";
	return policy_cause_name(h);
}

/* The record of c's incident, which is begun or ended as the policy has it; NULL where there is none. */
static struct incident *follow(struct monitor *m, const struct container *c)
{
	const struct heal *h = c->identity->heal;
	struct incident *i = end_incident(m, c->identity), what;

	if (i || !h || !h->open)
		return i;
	what = (struct incident){.id = h->incident,
	    .opened = m->loop->wall - (int64_t)(m->loop->now - h->detected),
	    .cause = cause_of(h),
	    .detected_by = h->by_person   ? "person"
		: h->cause >= CAUSE_PROBE ? policy_cause_name(h)
		: h->from_event           ? "event"
					  : "audit",
	    .host = host_of(m, c)};
	return incidents_open(&m->incidents, &what, span_of(c->name), span_of(c->identity->name));
}

static void tell(struct monitor *m, const struct action *a)
{
	const struct heal *h = a->container->identity->heal;
	struct incident *i = a->incident ? incidents_find(&m->incidents, a->incident) : NULL;
	struct audit_event e = monitor_event(m, a->audit, a->status, a->message);
	char id[13];

	e.exit_code = a->exit_code;
	e.duration_ms = a->duration_ms;
	e.incident = a->incident;
	e.reason = span_of(a->reason);
	e.action = span_of(a->did);
	e.health_output = span_of(a->output);
	if (i && i->evidence && span_is(e.reason, "unhealthy"))
		e.health_output = evidence_output(i->evidence);
	keep_event(m, a->container, &e);
	metrics_told(&m->metrics, a);
	if (i)
		incident_told(i, &e, (int64_t)(m->loop->now - h->requested));
	follow(m, a->container);
	monitor_short_id(a->container->id, id);
	run_script(m, a, id);
	log_line(a->level, "monitor", "Container '%s' (%s) %s (%s): %s", a->container->name, id,
	    audit_kind_name(a->audit), a->status, a->message);
}

void monitor_tell_container(struct monitor *m, const struct container *c, enum audit_kind kind,
    const char *status, const char *message)
{
	struct audit_event e = monitor_event(m, kind, status, message);

	if (kind == AUDIT_SKIPPED)
		e.incident = c->identity->heal->incident;
	keep_event(m, c, &e);
}

/* An event of an identity whose container is not there (any more). */
void monitor_tell_identity(struct monitor *m, const struct identity *identity, enum audit_kind kind,
    const char *status, const char *message)
{
	struct audit_event e = monitor_event(m, kind, status, message);

	e.name = e.stable_id = span_of(identity->name);
	e.host = span_of(m->engines[identity->engine].name);
	e.restart_count = identity->restarts;
	monitor_add_event(m, NULL, &e);
	log_line(LOG_INFO, "monitor", "'%s' %s: %s", identity->name, status, message);
}

const char *monitor_any_host(const struct monitor *m)
{
	return m->engines_count == 1 ? m->engines[0].name : "";
}

void monitor_tell(struct monitor *m, enum audit_kind kind, const char *status, const char *host,
    const char *message)
{
	struct audit_event e = monitor_event(m, kind, status, message);

	e.host = span_of(host);
	monitor_add_event(m, NULL, &e);
}

/* ---- carrying out --------------------------------------------------------------------------- */

static void look_failed(struct monitor *m, struct container *c);

void monitor_give(struct monitor *m, struct container *c, const struct policy_event *event)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};
	bool ran = monitor_probe_runs(c);

	policy_on_event(&m->policy, c, event, m->loop->now, &out);
	follow(m, c);
	if (c->word && (ran != monitor_probe_runs(c) || event->kind == EVENT_START))
		monitor_probe_follow(m, c, event->kind == EVENT_START);
	monitor_carry_out(m, &out);
}

/* Frees c, which is gone or not to be watched any more, as soon as nothing is under way; that ends its incident. */
static void let_go(struct monitor *m, struct container *c)
{
	const struct identity *identity = c->identity;
	const struct heal *h = identity->heal;

	if (c->gone && h && h->open && (c->state != STATE_RESTARTING || h->lost))
		monitor_tell_container(m, c, AUDIT_SKIPPED, "gone", "Not healed: it is gone");
	policy_keep(&m->policy, c, m->loop->now);
	end_incident(m, identity);
}

void monitor_forget(struct monitor *m, struct container *c, bool gone)
{
	c->gone |= gone;
	c->dropped |= !gone;
	monitor_probe_drop(m, c);
	let_go(m, c);
	if (!m->sweep.place && gone)
		loop_after(m->loop, &m->sweep, CONTAINERS_SELECTION_MS);
}

static void request_done(struct call *call);
static const struct call_handler request_handler = {.done = request_done};

static struct policy_answer answer_of(const struct call *call)
{
	struct policy_answer answer = {.status = call->status, .message = span_of(call->words)};

	/* No engine says 502 or 504: a proxy does, which did not wait for the answer or lost it. */
	if (call->end == CALL_ANSWERED && (call->status == 502 || call->status == 504))
		answer.kind = ANSWER_LOST;
	else if (call->end == CALL_ANSWERED)
		answer.kind = call_succeeded(call) ? ANSWER_DONE : ANSWER_REFUSED;
	else
		answer.kind = call->end == CALL_UNSENT ? ANSWER_UNSENT : ANSWER_LOST;
	return answer;
}

static void drop_request(struct monitor *m, const struct call *call)
{
	for (size_t i = 0; i < m->restarts_count; i++) {
		if (m->restarts[i] == call) {
			m->restarts[i] = m->restarts[--m->restarts_count];
			return;
		}
	}
}

/* The engine answered our restart or start, or the connection ended. */
static void request_done(struct call *call)
{
	struct docker *d = call->owner;
	struct monitor *m = d->owner;
	struct container *c = containers_find(&m->policy.containers, d->index, call->id);
	struct policy_answer answer = answer_of(call);
	struct policy_event event = {.kind = EVENT_ANSWER, .answer = &answer};

	drop_request(m, call);
	docker_renew_certificates(d, call);
	/* refused before anything was done: to be sent again in words that the engine knows */
	if (docker_refused_version(d, call))
		answer.kind = ANSWER_UNSENT;
	if (!c)
		return;
	evidence_answered(&m->evidence, c->identity->heal ? c->identity->heal->incident : 0);
	monitor_give(m, c, &event);
	let_go(m, c);
	monitor_settle(m); /* its slot may be another's now, be it kept or not */
}

static void unsent(struct monitor *m, struct container *c, const char *why)
{
	struct policy_answer answer = {.kind = ANSWER_UNSENT, .message = span_of(why)};
	struct policy_event event = {.kind = EVENT_ANSWER, .answer = &answer};

	monitor_give(m, c, &event);
}

/* The query of a restart. Podman kills at once where there is no t (podman#29276), and knows no negative
 * one: it is given the container's own stop timeout, which was asked for before the request. */
static void stop_timeout_query(
    const struct docker *d, const struct container *c, uint32_t seconds, char *out, size_t cap)
{
	if (seconds == WATCH_UNSET && d->podman)
		seconds = c->stop_timeout;
	if (seconds == WATCH_UNSET)
		return;
	if (seconds == WATCH_FOREVER && !d->podman)
		text_print(out, cap, "?t=-1");
	else
		text_print(out, cap, "?t=%u", seconds < INT32_MAX ? seconds : INT32_MAX);
}

/* The last part of a request's path; NULL: the action is no request. Without `signal` a kill is SIGKILL. */
static const char *request_word(enum action_kind kind)
{
	static const char *const words[ACTION_DEPENDENTS + 1] = {
	    [ACTION_RESTART] = "restart", [ACTION_START] = "start", [ACTION_STOP] = "stop", [ACTION_KILL] = "kill"};

	return words[kind];
}

static void send_request(struct monitor *m, const struct action *a)
{
	struct container *c = a->container;
	struct docker *d = &m->engines[c->engine];
	const char *error = "autoheal has too many requests under way";
	struct call *call = NULL;
	const char *word = request_word(a->kind);
	struct incident *incident;
	char id[65], query[24] = "";

	text_hex(c->id, 32, id);
	if (a->kind == ACTION_RESTART || a->kind == ACTION_STOP)
		stop_timeout_query(d, c, a->stop_timeout, query, sizeof(query));
	if (m->restarts_count < MONITOR_RESTARTS_MAX)
		call = docker_request(d, "POST", JSON_STREAM, 0, &request_handler, d, &error,
		    "/containers/%s/%s%s", id, word, query);
	if (!call) {
		unsent(m, c, error);
		return;
	}
	memcpy(call->id, c->id, 32);
	m->restarts[m->restarts_count++] = call;
	metrics_requested(&m->metrics, c->identity->heal, m->loop);
	m->memory.pressing = true;
	incident = follow(m, c);
	if (incident)
		incident_asked(incident, c->engine, c->id, word, m->loop->wall);
	monitor_log(LOG_INFO, "monitor", c,
	    c->identity->heal->manual ? "is restarted because a person asked for it" : a->message);
}

static void abandon(struct monitor *m, const struct container *c)
{
	for (size_t i = 0; i < m->restarts_count; i++) {
		struct call *call = m->restarts[i];
		const struct docker *d = call->owner;

		if (d->index != c->engine || memcmp(call->id, c->id, 32))
			continue;
		drop_request(m, call);
		call_close(call);
		return;
	}
}

static void queue_look(struct monitor *m, struct container *c)
{
	struct monitor_looks *looks = &m->looks[c->engine];
	unsigned at = (looks->first + looks->waiting) % MONITOR_LOOKS_QUEUE;

	if (looks->waiting == MONITOR_LOOKS_QUEUE) {
		look_failed(m, c);
		return;
	}
	memcpy(m->look_ids[c->engine][at], c->id, 32);
	looks->waiting++;
}

/* What hangs on c is asked for: it was restarted, or has recovered since. */
static void find_dependents(struct monitor *m, const struct action *a)
{
	const struct container *c = a->container;
	const struct heal *h = c->identity->heal;
	struct policy_bond parent = {.cascade = h->cascade, .since = h->detected, .parent = c->name};

	if (m->settings->dependents && !m->policy.stopping)
		dependents_ask(&m->dependents[c->engine], c->id, &parent, a->bonds);
}

void monitor_carry_out(struct monitor *m, struct actions *actions)
{
	/* Requests first: what is told can wait the microseconds. */
	for (size_t i = 0; i < actions->count; i++)
		if (request_word(actions->list[i].kind))
			send_request(m, &actions->list[i]);
	for (size_t i = 0; i < actions->count; i++) {
		const struct action *a = &actions->list[i];

		if (a->kind == ACTION_TELL)
			tell(m, a);
		else if (a->kind == ACTION_LOG)
			monitor_log(a->level, "policy", a->container, a->message);
		else if (a->kind == ACTION_ABANDON)
			abandon(m, a->container);
		else if (a->kind == ACTION_DEPENDENTS)
			find_dependents(m, a);
	}
	for (size_t i = 0; i < actions->count; i++)
		if (actions->list[i].kind == ACTION_INSPECT)
			queue_look(m, actions->list[i].container);
}

/* ---- looking: an inspect, at the policy's wish ------------------------------------------- */

static void look_value(struct call *call, const struct json *j)
{
	struct docker *d = call->owner;
	struct monitor *m = d->owner;
	struct container *c = containers_find(&m->policy.containers, d->index, call->id);
	struct container_facts facts;
	struct policy_event event = {.kind = EVENT_FACTS, .facts = &facts.now};
	unsigned untold;

	if (!c || !facts_read_inspected(j, call->date, &facts))
		return;
	if (c->announce)
		monitor_announce(m, c);
	facts.now.asked = call->started;
	call->told = true;
	untold = facts_untold(c, &facts.now, d->podman);
	if (untold)
		docker_doubt(d, c->id, untold); /* else the next list finds nothing amiss */
	monitor_give(m, c, &event);
	if (c->identity->heal)
		evidence_inspected(&m->evidence, c->identity->heal->incident, j);
}

/* It was gone before it could be inspected. */
void monitor_look_gone(struct monitor *m, struct container *c)
{
	if (c->announce)
		monitor_log(LOG_WARNING, "monitor", c, "was gone before it could be inspected");
	c->announce = false;
	monitor_forget(m, c, true);
}

/* The engine could not be asked, or did not say: the policy asks again later. */
static void look_failed(struct monitor *m, struct container *c)
{
	static const struct policy_event failed = {.kind = EVENT_LOOK_FAILED};

	if (c->announce)
		monitor_announce(m, c); /* its label was seen; only the details are missing */
	monitor_give(m, c, &failed);
}

static void look_done(struct call *call)
{
	struct docker *d = call->owner;
	struct monitor *m = d->owner;
	struct container *c = containers_find(&m->policy.containers, d->index, call->id);

	m->looks[d->index].running--;
	docker_renew_certificates(d, call);
	docker_refused_version(d, call);
	if (c && c->looking && !call->told) {
		if (call->end == CALL_ANSWERED && call->status == 404) {
			c->looking = false;
			if (!d->podman)
				docker_doubt(d, c->id, 1u << ENGINE_DESTROY);
			monitor_look_gone(m, c);
		} else {
			look_failed(m, c);
		}
	}
	monitor_settle(m);
}

static const struct call_handler look_handler = {.value = look_value, .done = look_done};

static void begin_look(struct monitor *m, struct docker *d, const uint8_t id_bytes[32])
{
	struct container *c = containers_find(&m->policy.containers, d->index, id_bytes);
	const char *error;
	struct call *call;

	if (!c || !c->looking)
		return;
	call = docker_inspect(d, c->id, &look_handler, d, &error);
	if (!call) {
		look_failed(m, c);
		return;
	}
	memcpy(call->id, c->id, 32);
	m->looks[d->index].running++;
}

/* After the requests of this turn: what those containers looked like. */
static void ask_for_evidence(struct monitor *m)
{
	for (size_t k = 0; k < m->incidents.count; k++) {
		struct incident *i = m->incidents.list[k];
		struct docker *d = &m->engines[i->engine];
		const struct container *c;

		if (!i->wants_evidence)
			continue;
		c = containers_find(&m->policy.containers, i->engine, i->container);
		evidence_ask(&m->evidence, d, i, c && c->looking);
	}
}

static void begin_looks(struct monitor *m)
{
	for (size_t i = 0; i < m->engines_count; i++) {
		struct monitor_looks *looks = &m->looks[i];

		while (looks->waiting && looks->running < m->looks_most) {
			const uint8_t *id = m->look_ids[i][looks->first];

			looks->first = (uint16_t)((looks->first + 1u) % MONITOR_LOOKS_QUEUE);
			looks->waiting--;
			begin_look(m, &m->engines[i], id);
		}
	}
}

/* ---- deciding: after all that one read brought ------------------------------------------- */

void monitor_settle(struct monitor *m)
{
	struct action list[MONITOR_ACTIONS];
	struct actions out = {.list = list, .room = MONITOR_ACTIONS};
	uint64_t next;
	bool more;

	monitor_maintenance_over(m);
	do {
		out.count = 0;
		monitor_storm(m);
		more = policy_run(&m->policy, m->loop->now, &out);
		monitor_carry_out(m, &out);
	} while (more);
	ask_for_evidence(m);
	begin_looks(m);
	monitor_remember(m, false);
	next = policy_next(&m->policy);
	if (next == UINT64_MAX)
		loop_cancel(m->loop, &m->due);
	else
		loop_after(m->loop, &m->due, next > m->loop->now ? next - m->loop->now : 0);
}

void monitor_due(void *owner)
{
	monitor_settle(owner);
}
