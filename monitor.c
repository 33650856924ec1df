/* monitor.c - what the engines say goes to the policy, what the policy decides is carried out; of monitor.h. */
#include "monitor.h"

#include <string.h>

#include "log.h"
#include "watchdog.h"

#define ACTIONS_AT_ONCE (POLICY_ACTIONS_MAX + 2) /* handed over by the policy in one piece */

/* ---- telling -------------------------------------------------------------------------------- */

static void short_id(const uint8_t id[32], char out[13])
{
	text_hex(id, 6, out);
}

static void log_container(
    enum log_level level, const char *module, const struct container *c, const char *words)
{
	char id[13];

	short_id(c->id, id);
	log_line(level, module, "Container '%s' (%s) %s", c->name, id, words);
}

static const char *host_of(const struct monitor *m, const struct container *c)
{
	return m->engines[c->engine].name;
}

/* An event without the parts that only some have. */
static struct audit_event plain_event(
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
static void add_event(struct monitor *m, const struct container *c, const struct audit_event *e)
{
	const struct heal *h = c ? c->identity->heal : NULL;
	bool over = h && !(h->open && h->incident == e->incident);

	audit_add(&m->audit, e);
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
	add_event(m, c, e);
}

/* ---- incidents ------------------------------------------------------------------------------ */

/* Ends the record of the identity's incident where the policy has closed that. */
static struct incident *end_incident(struct monitor *m, const struct identity *identity)
{
	const struct heal *h = identity->heal;
	struct incident *i = h ? incidents_find(&m->incidents, h->incident) : NULL;

	if (i && !h->open && !i->closed)
		incident_close(i, m->loop->wall, (int64_t)(m->loop->now - h->detected));
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
	struct audit_event e = plain_event(m, a->audit, a->status, a->message);
	char id[13];

	e.exit_code = a->exit_code;
	e.duration_ms = a->duration_ms;
	e.incident = a->incident;
	e.reason = span_of(a->reason);
	e.action = span_of(a->did);
	e.health_output = span_of(a->output);
	keep_event(m, a->container, &e);
	metrics_told(&m->metrics, a);
	if (i)
		incident_told(i, &e, (int64_t)(m->loop->now - h->requested));
	follow(m, a->container);
	short_id(a->container->id, id);
	run_script(m, a, id);
	log_line(a->level, "monitor", "Container '%s' (%s) %s (%s): %s", a->container->name, id,
	    audit_kind_name(a->audit), a->status, a->message);
}

static void tell_container(struct monitor *m, const struct container *c, enum audit_kind kind,
    const char *status, const char *message)
{
	struct audit_event e = plain_event(m, kind, status, message);

	if (kind == AUDIT_SKIPPED)
		e.incident = c->identity->heal->incident;
	keep_event(m, c, &e);
}

/* An event of an identity whose container is not there (any more). */
void monitor_tell_identity(struct monitor *m, const struct identity *identity, enum audit_kind kind,
    const char *status, const char *message)
{
	struct audit_event e = plain_event(m, kind, status, message);

	e.name = e.stable_id = span_of(identity->name);
	e.host = span_of(m->engines[identity->engine].name);
	e.restart_count = identity->restarts;
	add_event(m, NULL, &e);
	log_line(LOG_INFO, "monitor", "'%s' %s: %s", identity->name, status, message);
}

const char *monitor_any_host(const struct monitor *m)
{
	return m->engines_count == 1 ? m->engines[0].name : "";
}

void monitor_tell(struct monitor *m, enum audit_kind kind, const char *status, const char *host,
    const char *message)
{
	struct audit_event e = plain_event(m, kind, status, message);

	e.host = span_of(host);
	add_event(m, NULL, &e);
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
		tell_container(m, c, AUDIT_SKIPPED, "gone", "Not healed: it is gone");
	policy_keep(&m->policy, c, m->loop->now);
	end_incident(m, identity);
}

static void forget(struct monitor *m, struct container *c, bool gone)
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
	log_container(LOG_INFO, "monitor", c,
	    c->identity->heal->manual ? "is restarted because a person asked for it"
		: a->message[0]       ? a->message
				      : a->status);
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
			log_container(a->level, "policy", a->container, a->message);
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

static void announce(struct monitor *m, struct container *c);

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
		announce(m, c);
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
static void look_gone(struct monitor *m, struct container *c)
{
	if (c->announce)
		log_container(LOG_WARNING, "monitor", c, "was gone before it could be inspected");
	c->announce = false;
	forget(m, c, true);
}

/* The engine could not be asked, or did not say: the policy asks again later. */
static void look_failed(struct monitor *m, struct container *c)
{
	static const struct policy_event failed = {.kind = EVENT_LOOK_FAILED};

	if (c->announce)
		announce(m, c); /* its label was seen; only the details are missing */
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
			look_gone(m, c);
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
	struct action list[ACTIONS_AT_ONCE];
	struct actions out = {.list = list, .room = ACTIONS_AT_ONCE};
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

static void policy_due(void *owner)
{
	monitor_settle(owner);
}

/* ---- who is watched ---------------------------------------------------------------------- */

static bool is_self(const struct monitor *m, const uint8_t id[32])
{
	for (size_t i = 0; i < m->self_count; i++)
		if (!memcmp(m->self[i], id, 32))
			return true;
	return false;
}

static enum watch_reason decide(struct monitor *m, const uint8_t id[32], struct span name,
    struct span stable_id, const struct watch_labels *labels)
{
	const struct identity *identity = containers_identity(
	    &m->policy.containers, stable_id, false);
	struct watch_candidate candidate = {
	    .name = name,
	    .stable_id = stable_id,
	    .labels = labels,
	    .choice = identity ? (enum watch_choice)identity->choice : CHOICE_NONE,
	    .self = is_self(m, id),
	};

	return watch_decide(m->settings, &candidate);
}

/* The label that is looked for, for sentences. */
static void label_words(const struct monitor *m, char *out, size_t cap)
{
	text_print(out, cap, "%.64s=%.64s",
	    config_watches_all(m->settings) ? "autoheal" : m->settings->label,
	    m->settings->label_value);
}

static void announce(struct monitor *m, struct container *c)
{
	char label[136], message[224], id[13];

	c->announce = false;
	if (c->identity->announced) {
		log_container(LOG_DEBUG, "monitor", c, "is monitored already");
		return;
	}
	c->identity->announced = true;
	m->policy.changes++;
	if (c->identity->choice == CHOICE_NONE)
		c->identity->choice = CHOICE_LABEL;
	label_words(m, label, sizeof(label));
	short_id(c->id, id);
	text_print(
	    message, sizeof(message), "Automatically added to monitoring due to %s label", label);
	tell_container(m, c, AUDIT_AUTO_MONITOR, "enabled", message);
	log_line(LOG_INFO, "monitor",
	    "✓ Auto-monitoring enabled for container '%s' (%s) - detected %s label", c->name, id,
	    label);
}

/* A container that the engine shows, and what the rules say of it. */
struct candidate {
	struct watch_labels labels;
	char name[WATCH_NAME_MAX], stable[WATCH_NAME_MAX];
	struct span name_span, stable_span;
	enum watch_reason reason;
	uint32_t created;
};

/* Whether the identity is one of another engine's containers: such names begin with their engine's, and a label must
 * not move what is not its own. */
static bool is_of_another_engine(const struct monitor *m, const struct docker *d, const char *id)
{
	for (size_t i = 0; id[0] && i < m->engines_count; i++) {
		const struct docker *other = &m->engines[i];
		size_t n = strlen(other->name);

		if (other != d && !strncmp(id, other->name, n) && id[n] == '/')
			return true;
	}
	return false;
}

/* labels: a token of j. One that is watched already is judged by the identity that it holds. */
static void examine(struct monitor *m, const struct docker *d, const uint8_t id[32],
    const char *name, const struct json *j, int labels, struct candidate *out)
{
	const struct container *c = containers_find(&m->policy.containers, d->index, id);

	watch_read_labels(&out->labels, m->settings, j, labels);
	if (is_of_another_engine(m, d, out->labels.monitoring_id))
		out->labels.monitoring_id[0] = 0;
	span_copy(span_of(name), out->name, sizeof(out->name));
	out->name_span = span_of(out->name);
	if (c)
		span_copy(span_of(c->identity->name), out->stable, sizeof(out->stable));
	else
		watch_stable_id(out->stable, &out->labels, out->name_span, d->name);
	out->stable_span = span_of(out->stable);
	out->created = 0;
	out->reason = decide(m, id, out->name_span, out->stable_span, &out->labels);
}

/* The identity of one that must do without its stable one: its name, or, where even that is taken by
 * somebody's monitoring.id, its name and id. */
static struct identity *by_name(
    struct monitor *m, unsigned engine, const uint8_t id[32], struct span name)
{
	struct watch_labels none = {0};
	char own[WATCH_NAME_MAX], hex[13];
	size_t n = watch_stable_id(own, &none, name, m->engines[engine].name);
	struct identity *identity = containers_identity(
	    &m->policy.containers, (struct span){own, n}, true);

	if (!identity || !identity->holder)
		return identity;
	short_id(id, hex);
	text_print(own, sizeof(own), "%.200s@%s", identity->name, hex);
	return containers_identity(&m->policy.containers, span_of(own), true);
}

/* The identity that a newcomer gets: its stable one, unless a living container holds that already:
 * the older of the two keeps it, the other goes by its name. */
static struct identity *claim(struct monitor *m, unsigned engine, const uint8_t id[32],
    struct span name, struct span stable_id, uint32_t created)
{
	struct identity *identity = containers_identity(&m->policy.containers, stable_id, true);
	struct container *holder = identity ? identity->holder : NULL;
	struct identity *other;
	bool newcomer_is_older;

	if (!holder)
		return identity;
	if (!holder->running && holder->state != STATE_RESTARTING) {
		forget(m, holder, true);
		return identity;
	}
	newcomer_is_older = created && identity->created && created < identity->created;
	log_line(LOG_WARNING, "monitor",
	    "Containers '%s' and '%.*s' both claim the identity '%s': the older keeps it, the other "
	    "goes by its name",
	    holder->name, (int)name.n, name.p, identity->name);
	if (!newcomer_is_older)
		return by_name(m, engine, id, name);
	other = by_name(m, engine, holder->id, span_of(holder->name));
	if (!other || !containers_move(holder, other, m->loop->now))
		return by_name(m, engine, id, name);
	other->created = identity->created;
	other->announced = identity->announced;
	other->choice = identity->choice;
	identity->announced = false;
	return identity;
}

static struct container *add(
    struct monitor *m, unsigned engine, const uint8_t id[32], const struct candidate *who)
{
	struct identity *identity = claim(
	    m, engine, id, who->name_span, who->stable_span, who->created);
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};
	struct container *c = NULL;
	char words[160];

	if (identity)
		c = containers_add(&m->policy.containers, engine, id, who->name_span, identity);
	if (!c || (who->labels.has_own && !containers_set_own(c, &who->labels.own))) {
		log_line(LOG_ERROR, "monitor",
		    "Container '%s' cannot be watched: %zu are watched already, and there is no room "
		    "for more",
		    who->name, m->policy.containers.count);
		return NULL;
	}
	c->reason = (uint8_t)who->reason;
	c->health_only = watch_is_unasked(who->reason, &who->labels);
	identity->created = who->created;
	c->generation = m->generation[engine];
	policy_adopt(&m->policy, c, m->loop->now, &out);
	monitor_carry_out(m, &out);
	for (int i = 0; i < who->labels.unreadable_count; i++)
		log_line(LOG_WARNING, "monitor",
		    "Container '%s' has the label %s, which this version does not understand",
		    c->name, who->labels.unreadable[i]);
	if (watch_is_watched(who->reason))
		monitor_probe_add(m, c, &who->labels.check);
	if (who->reason != REASON_LABEL && watch_is_watched(who->reason)) {
		watch_say(who->reason, m->settings, words, sizeof(words));
		log_line(LOG_INFO, "monitor", "Container '%s' is watched: %s", c->name, words);
	}
	return c;
}

/* A label's selection is over. */
static void end_selection(struct monitor *m, struct identity *identity, const char *message)
{
	identity->choice = CHOICE_NONE;
	identity->announced = false;
	m->policy.changes++;
	monitor_tell_identity(m, identity, AUDIT_SELECTION, "ended", message);
}

/* A container runs that is not watched: a word where its label would have it otherwise, or where
 * its label's selection ends now. */
static void not_watched(struct monitor *m, const uint8_t id[32], const struct candidate *who)
{
	struct identity *identity = containers_identity(
	    &m->policy.containers, who->stable_span, false);
	char hex[13], label[136];

	if (who->labels.label == WATCH_LABEL_YES &&
	    (who->reason == REASON_EXCLUDED || who->reason == REASON_EXCLUDE_SETTING)) {
		short_id(id, hex);
		label_words(m, label, sizeof(label));
		log_line(LOG_INFO, "monitor",
		    "Container '%s' (%s) has %s but is in excluded list, skipping", who->name, hex,
		    label);
	}
	if (identity && identity->choice == CHOICE_LABEL && !identity->holder) {
		end_selection(
		    m, identity, "It came back without the label: it is not watched any more");
	}
}

/* ---- events ------------------------------------------------------------------------------ */

static void on_start(struct monitor *m, struct docker *d, const struct json *j,
    const struct engine_event *e, struct container *c, uint64_t at)
{
	struct policy_event start = {.kind = EVENT_START, .happened = at};
	struct candidate who;
	char name[WATCH_NAME_MAX], hex[13];

	json_text(j, json_member(j, e->attributes, span_of("name")), name, sizeof(name));
	short_id(e->id, hex);
	log_line(LOG_DEBUG, "monitor", "Container start event detected: %s (%s)", name, hex);
	if (c) {
		monitor_give(m, c, &start);
		if (c->reason == REASON_LABEL && c->identity->announced)
			log_container(LOG_DEBUG, "monitor", c, "is monitored already");
		return;
	}
	examine(m, d, e->id, name, j, e->attributes, &who);
	if (!watch_is_watched(who.reason)) {
		not_watched(m, e->id, &who);
		return;
	}
	who.created = (uint32_t)(e->time_nano / 1000000000);
	c = add(m, d->index, e->id, &who);
	if (!c)
		return;
	monitor_give(m, c, &start);
	c->announce = who.reason == REASON_LABEL;
	c->looking = true;
	monitor_carry_out(m,
	    &(struct actions){
		.list = &(struct action){.kind = ACTION_INSPECT, .container = c}, .count = 1});
}

static void rename_to(struct container *c, const char *name)
{
	char old[WATCH_NAME_MAX];

	if (!name[0] || !strcmp(name, c->name))
		return;
	span_copy(span_of(c->name), old, sizeof(old));
	if (containers_rename(c, span_of(name)))
		log_line(LOG_INFO, "monitor", "Container '%s' is called '%s' now", old, c->name);
}

static void on_rename(struct monitor *m, const struct json *j, const struct engine_event *e,
    struct container *c, uint64_t at)
{
	char name[WATCH_NAME_MAX];

	json_text(j, json_member(j, e->attributes, span_of("name")), name, sizeof(name));
	c->changed = (uint32_t)(at ? at : m->loop->now); /* a list from before it has the old name */
	rename_to(c, name);
}

static int32_t exit_code_of(const struct json *j, const struct engine_event *e)
{
	char text[16];
	size_t n = json_text(
	    j, json_member(j, e->attributes, span_of("exitCode")), text, sizeof(text));
	uint64_t code;

	return text_number((struct span){text, n}, 255, &code) ? (int32_t)code : -1;
}

static enum policy_event_kind kind_of(enum engine_action action)
{
	static const enum policy_event_kind kinds[] = {
	    [ENGINE_START] = EVENT_START,
	    [ENGINE_DIE] = EVENT_DIE,
	    [ENGINE_STOP] = EVENT_STOP,
	    [ENGINE_KILL] = EVENT_KILL,
	    [ENGINE_PAUSE] = EVENT_PAUSE,
	    [ENGINE_UNPAUSE] = EVENT_UNPAUSE,
	    [ENGINE_RESTART] = EVENT_RESTARTED,
	    [ENGINE_HEALTHY] = EVENT_HEALTHY,
	    [ENGINE_UNHEALTHY] = EVENT_UNHEALTHY,
	};

	return kinds[action];
}

static void on_event(
    void *owner, struct docker *d, const struct json *j, const struct engine_event *e, bool live)
{
	struct monitor *m = owner;
	struct container *c = containers_find(&m->policy.containers, d->index, e->id);
	struct policy_event event = {.live = live, .happened = docker_happened(d, e)};

	if (e->action == ENGINE_START) {
		on_start(m, d, j, e, c, event.happened);
		return;
	}
	if (e->action == ENGINE_CREATE)
		dependents_created(&m->dependents[d->index]);
	if (!c && e->action != ENGINE_CREATE)
		docker_list_again(d); /* the list on its way may be older than what was just told */
	if (!c && e->action == ENGINE_RENAME)
		m->renamed[d->index] = 2;
	if (!c || e->action == ENGINE_CREATE)
		return;
	if (e->action == ENGINE_DESTROY) {
		if (c->announce)
			look_gone(m, c);
		else
			forget(m, c, true);
		return;
	}
	if (e->action == ENGINE_RENAME) {
		on_rename(m, j, e, c, event.happened);
		return;
	}
	event.kind = kind_of(e->action);
	if (event.kind == EVENT_DIE) {
		event.exit_code = exit_code_of(j, e);
		event.has_exit_code = event.exit_code >= 0;
	}
	monitor_give(m, c, &event);
}

static void on_batch(void *owner, struct docker *d)
{
	(void)d;
	monitor_settle(owner);
}

/* ---- the list ---------------------------------------------------------------------------- */

static void list_begins(void *owner, struct docker *d)
{
	struct monitor *m = owner;

	m->generation[d->index]++;
	dependents_list_begins(&m->dependents[d->index]);
}

/* Adds or drops the container that the list shows as the rules say now; returns its record when it is watched. */
static struct container *consider(
    struct monitor *m, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct container *c = containers_find(&m->policy.containers, d->index, facts->id);
	struct candidate who;
	bool unfinished, guest = false;

	if (!c && !facts->now.running && m->engines[d->index].last_audit)
		return NULL;
	examine(m, d, facts->id, facts->name, j, facts->labels, &who);
	unfinished = !c &&
	    policy_is_unfinished(containers_identity(&m->policy.containers, who.stable_span, false),
		facts->id, &guest);
	guest &= unfinished && who.reason == REASON_NO_LABEL;
	if (!c && !facts->now.running && !unfinished) {
		if (watch_is_watched(who.reason) && json_is(j, json_get(j, 0, "State"), "exited"))
			log_line(LOG_INFO, "monitor",
			    "Container '%s' (%.12s) stopped while nobody watched: it is left alone until it is started",
			    facts->name, json_raw(j, json_get(j, 0, "Id")).p);
		return NULL;
	}
	if (c && watch_is_watched(who.reason)) {
		c->reason = (uint8_t)who.reason;
		c->dropped = false;
		c->health_only = watch_is_unasked(who.reason, &who.labels);
		return c;
	}
	if (!watch_is_watched(who.reason) && !guest) {
		bool first = !c && m->engines[d->index].last_audit == 0;

		if (c) {
			c->generation = m->generation[d->index]; /* it is there, if only for its restart */
			forget(m, c, false);
		}
		if (c || first)
			not_watched(m, facts->id, &who);
		return NULL;
	}
	who.created = facts->created;
	c = add(m, d->index, facts->id, &who);
	if (c && who.reason == REASON_LABEL)
		announce(m, c);
	if (c)
		c->dropped = guest;
	return c;
}

static void take_listed(
    struct monitor *m, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct container *c = consider(m, d, j, facts);
	struct policy_event event = {.kind = EVENT_FACTS, .facts = &facts->now};

	if (!c)
		return;
	c->generation = m->generation[d->index];
	if (policy_is_stale(c, &facts->now))
		docker_list_again(d);
	else
		rename_to(c, facts->name); /* the event may have been lost in a gap */
	monitor_give(m, c, &event);
}

/* The events of which one should have brought a container under watch that the list brings now. None where a person
 * has just chosen it, or another name may have made it one of the watched. */
static unsigned start_untold(
    const struct monitor *m, const struct docker *d, const struct container_facts *facts)
{
	const struct container *c = containers_find(&m->policy.containers, d->index, facts->id);

	if (!c || c->reason == REASON_PERSON || m->renamed[d->index])
		return 0;
	return 1u << ENGINE_START | 1u << ENGINE_RENAME;
}

static void on_listed(
    void *owner, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	struct monitor *m = owner;
	const struct container *known = containers_find(&m->policy.containers, d->index, facts->id);
	unsigned untold = known ? facts_untold(known, &facts->now, d->podman) : 0;

	take_listed(m, d, j, facts);
	dependents_listed(&m->dependents[d->index], j, facts);
	if (!known)
		untold = start_untold(m, d, facts);
	if (untold)
		docker_doubt(d, facts->id, untold);
}

static void forget_missing(struct monitor *m, struct docker *d)
{
	struct container *c;
	size_t at = 0;

	while ((c = containers_next(&m->policy.containers, &at))) {
		if (c->engine != d->index || c->generation == m->generation[d->index])
			continue;
		if (c->state == STATE_RESTARTING || c->looking)
			continue; /* its own answer will tell */
		if (!d->podman)
			docker_doubt(d, c->id, 1u << ENGINE_DESTROY);
		forget(m, c, true);
		at--;
	}
}

static void end_selections(void *owner)
{
	struct monitor *m = owner;
	struct identity *identity = NULL;
	size_t bucket = 0;
	bool waiting = false;

	while ((identity = containers_next_identity(&m->policy.containers, &bucket, identity))) {
		if (identity->choice != CHOICE_LABEL || identity->holder)
			continue;
		if (m->loop->now < identity->forget_at) {
			waiting = true;
			continue;
		}
		end_selection(m, identity, "Its container is gone: the label's selection ended");
	}
	containers_sweep(&m->policy.containers, m->loop->now);
	if (waiting)
		loop_after(m->loop, &m->sweep, 5000);
}

/* Where the list has no word on health (Podman's), inspects stand in for it. */
static void look_where_silent(struct monitor *m, const struct docker *d)
{
	struct action list[ACTIONS_AT_ONCE];
	struct actions out = {.list = list, .room = ACTIONS_AT_ONCE};
	struct policy_round round = {.in_turn = POLICY_LOOKS_IN_TURN};
	bool more;

	do {
		out.count = 0;
		more = policy_list_ended(&m->policy, d->index, &round, m->loop->now, &out);
		monitor_carry_out(m, &out);
	} while (more);
}

/* ---- what hangs on what ------------------------------------------------------------------ */

/* Only one without a label may be restarted unwatched, with what it hangs on. It is forgotten after that. */
static void on_dependent(void *owner, struct docker *d, const struct json *j,
    const struct container_facts *facts, const struct policy_bond *bond)
{
	struct monitor *m = owner;
	struct container *c = containers_find(&m->policy.containers, d->index, facts->id);
	struct policy_event learn = {.kind = EVENT_FACTS, .facts = &facts->now};
	struct policy_event wish = {.kind = EVENT_PARENT, .bond = bond};
	struct candidate who;

	examine(m, d, facts->id, facts->name, j, facts->labels, &who);
	if (who.reason != REASON_NO_LABEL && !watch_is_watched(who.reason))
		return;
	if (!c && facts->now.running) {
		who.created = facts->created;
		c = add(m, d->index, facts->id, &who);
		if (c && who.reason == REASON_LABEL)
			announce(m, c);
		if (c)
			c->dropped = who.reason == REASON_NO_LABEL;
	}
	if (!c)
		return;
	if (c->dropped)
		monitor_give(m, c, &learn);
	monitor_give(m, c, &wish);
	if (c->dropped)
		policy_keep(&m->policy, c, m->loop->now);
}

static bool is_worth_a_look(void *owner, struct docker *d, const uint8_t id[32])
{
	struct monitor *m = owner;
	const struct container *c = containers_find(&m->policy.containers, d->index, id);

	return c && !c->dropped && c->running && !c->paused;
}

static void on_stranded(
    void *owner, struct docker *d, const uint8_t id[32], const struct policy_bond *bond)
{
	struct monitor *m = owner;
	struct container *c = containers_find(&m->policy.containers, d->index, id);
	struct policy_event left = {.kind = EVENT_PARENT, .bond = bond};

	if (!c)
		return;
	monitor_give(m, c, &left);
	monitor_settle(m);
}

static const struct dependents_handler dependents_handler = {
    .found = on_dependent,
    .watched = is_worth_a_look,
    .stranded = on_stranded,
};

/* ---- the engine comes and goes ----------------------------------------------------------- */

static void tell_lost(struct monitor *m, const struct docker *d)
{
	char message[POLICY_MESSAGE_MAX];

	text_print(message, sizeof(message), "The event stream was lost: %.160s", d->error);
	monitor_tell(m, AUDIT_ENGINE_LOST, "lost", d->name, message);
	log_line(LOG_WARNING, "engine", "Engine '%s' lost: %s. Reconnecting", d->name, d->error);
}

static void tell_connected(struct monitor *m, const struct docker *d)
{
	char message[POLICY_MESSAGE_MAX];

	text_print(message, sizeof(message), "Connected to %.120s, %s %s, API %s", d->target.url,
	    d->podman ? "Podman" : "Docker", d->version, d->api);
	monitor_tell(m, AUDIT_ENGINE_CONNECTED, "connected", d->name, message);
	log_line(LOG_INFO, "engine", "Engine '%s' connected: %s, %s %s, API %s", d->name,
	    d->target.url, d->podman ? "Podman" : "Docker", d->version, d->api);
}

/* A proxy that cuts idle streams every few minutes costs one pair of events, not one pair each
 * time: in a row of cuts that heal at once only the first is told. One that lets the stream pass, but not
 * the list, costs one pair as well: until a list comes, nothing more is told. */
static void on_lost(void *owner, struct docker *d)
{
	struct monitor *m = owner;
	struct monitor_cuts *cuts = &m->cuts[d->index];
	bool in_a_row = cuts->last && m->loop->now - cuts->last < MONITOR_CUT_QUIET_MS;

	d->reconnects++;
	cuts->last = m->loop->now;
	if (cuts->listless)
		return;
	cuts->listless = !cuts->listed;
	cuts->untold = in_a_row && cuts->listed;
	if (!cuts->untold)
		tell_lost(m, d);
}

/* It did not come back at once: the loss is told after all, while it lasts. */
static void on_away(void *owner, struct docker *d)
{
	struct monitor *m = owner;
	struct monitor_cuts *cuts = &m->cuts[d->index];

	if (cuts->untold)
		tell_lost(m, d);
	cuts->untold = false;
}

static void on_connected(void *owner, struct docker *d)
{
	struct monitor *m = owner;
	struct monitor_cuts *cuts = &m->cuts[d->index];
	char label[136];

	cuts->listed = false;
	if (cuts->untold)
		log_line(LOG_DEBUG, "engine",
		    "Engine '%s': the event stream was cut again and is connected again", d->name);
	else if (!cuts->listless)
		tell_connected(m, d);
	cuts->untold = false;
	m->policy.engines[d->index].asks_first = d->podman;
	if (m->listening_told)
		return;
	m->listening_told = true;
	label_words(m, label, sizeof(label));
	log_line(LOG_INFO, "monitor",
	    "Event listener started for auto-monitoring containers with %s label", label);
}

static void list_ended(void *owner, struct docker *d)
{
	struct monitor *m = owner;
	struct monitor_cuts *cuts = &m->cuts[d->index];

	cuts->listed = true;
	if (cuts->listless)
		tell_connected(m, d);
	cuts->listless = false;
	if (m->notify)
		notify_beat(m->notify);
	if (m->renamed[d->index])
		m->renamed[d->index]--;
	forget_missing(m, d);
	monitor_recalled(m, d);
	dependents_list_ended(&m->dependents[d->index]);
	look_where_silent(m, d);
	monitor_settle(m);
}

static void on_confirmed(
    void *owner, struct docker *d, const struct json *j, const struct container_facts *facts)
{
	char id[65];

	(void)d;
	(void)j;
	text_hex(facts->id, 32, id);
	monitor_set_self(owner, span_of(id));
	log_line(LOG_INFO, "autoheal", "Its own container is '%s' (%.12s): it is never restarted",
	    facts->name, id);
}

static void on_blind(void *owner, struct docker *d)
{
	struct monitor *m = owner;

	if (!m->blind)
		log_line(LOG_ERROR, "engine",
		    "Engine '%s' has been refusing for %llu min at %.200s. The socket may have been made "
		    "anew under the bind mount, which shows the old one: ending with exit code %d, so "
		    "that a restart policy mounts it anew",
		    d->name, WATCHDOG_BLIND_MS / 60000, d->target.url, WATCHDOG_EXIT_BLIND);
	m->blind = true;
}

static const struct docker_handler handler = {
    .confirmed = on_confirmed,
    .connected = on_connected,
    .lost = on_lost,
    .away = on_away,
    .event = on_event,
    .batch = on_batch,
    .list_begins = list_begins,
    .listed = on_listed,
    .list_ended = list_ended,
    .blind = on_blind,
};

/* ---- beginning and end ------------------------------------------------------------------- */

void monitor_init(struct monitor *m, struct loop *loop, struct call_workspace *workspace,
    const struct settings *settings, uint64_t seed)
{
	m->loop = loop;
	m->workspace = workspace;
	m->settings = settings;
	m->started = loop->now;
	m->metrics.born = loop->wall;
	m->memory.store.folder = -1; /* until monitor_recall */
	m->due = (struct loop_timer){.fire = policy_due, .owner = m};
	m->sweep = (struct loop_timer){.fire = end_selections, .owner = m};
	policy_init(&m->policy, settings, loop->now, seed, (uint64_t)loop->wall << 8);
	audit_init(&m->audit, (uint32_t)settings->events, 1);
	monitor_probes_init(m);
	m->looks_most = BUDGET_LOOKS_MAX; /* until monitor_set_budget */
	m->evidence.loop = loop;
	m->evidence.incidents = &m->incidents;
	m->evidence.most = BUDGET_EVIDENCE_MAX;
}

struct docker *monitor_add_engine(struct monitor *m, const struct target *target)
{
	struct docker *d;

	if (m->engines_count == MONITOR_ENGINES_MAX)
		return NULL;
	d = &m->engines[m->engines_count];
	docker_init(d, m->loop, m->workspace, m->settings, target, &handler, m);
	d->index = (unsigned)m->engines_count++;
	dependents_init(&m->dependents[d->index], d, &dependents_handler, m);
	m->policy.engines[d->index].graph = &m->dependents[d->index].graph;
	return d;
}

void monitor_set_self(struct monitor *m, struct span id)
{
	uint8_t self[32];
	struct container *c;

	if (!text_unhex(id, self, 32) || is_self(m, self) || m->self_count == MONITOR_ENGINES_MAX)
		return;
	memcpy(m->self[m->self_count++], self, 32);
	for (unsigned i = 0; i < m->engines_count; i++) {
		c = containers_find(&m->policy.containers, i, self);
		if (c)
			forget(m, c, false);
	}
}

void monitor_set_budget(struct monitor *m, const struct budget *b)
{
	m->looks_most = b->looks;
	m->evidence.most = b->evidence;
	m->probes.most = b->probes;
	m->policy.slots = b->restarts;
	m->policy.engines_count = (uint32_t)m->engines_count;
}

void monitor_start(struct monitor *m)
{
	for (size_t i = 0; i < m->engines_count; i++)
		docker_start(&m->engines[i]);
}

void monitor_stop(struct monitor *m)
{
	m->policy.stopping = true;
}

size_t monitor_under_way(const struct monitor *m)
{
	return m->restarts_count;
}

void monitor_close(struct monitor *m)
{
	while (m->restarts_count) {
		struct call *call = m->restarts[--m->restarts_count];
		const struct docker *d = call->owner;
		const struct container *c = containers_find(
		    &m->policy.containers, d->index, call->id);

		if (c)
			log_container(LOG_WARNING, "monitor", c,
			    "is still being restarted by the engine; autoheal does not wait longer");
		call_close(call);
	}
	evidence_close(&m->evidence);
	incidents_free(&m->incidents);
	probes_close(&m->probes);
	for (size_t i = 0; i < m->engines_count; i++) {
		m->policy.engines[i].graph = NULL;
		dependents_close(&m->dependents[i]);
		docker_close(&m->engines[i]);
	}
	policy_free(&m->policy);
}

/* ---- for the API ------------------------------------------------------------------------- */

void monitor_view(struct monitor *m, const struct docker *d, const struct json *j, int labels,
    const struct container_facts *facts, struct monitor_view *out)
{
	struct candidate who;
	const struct identity *identity;

	examine(m, d, facts->id, facts->name, j, labels, &who);
	out->container = containers_find(&m->policy.containers, d->index, facts->id);
	if (out->container && out->container->dropped)
		out->container = NULL;
	span_copy(who.stable_span, out->stable_id, sizeof(out->stable_id));
	identity = containers_identity(&m->policy.containers, who.stable_span, false);
	out->reason = who.reason;
	out->choice = identity ? (enum watch_choice)identity->choice : CHOICE_NONE;
}

/* What a choice of a person is called and said. */
static const char *choice_status(bool selected)
{
	return selected ? "selected" : "excluded";
}

static const char *choice_message(bool selected)
{
	return selected ? "Selected for monitoring by a person"
			: "Excluded from monitoring by a person";
}

static void set_choice(struct monitor *m, struct identity *identity, bool selected)
{
	m->memory.chosen = true;
	identity->choice = selected ? CHOICE_PERSON : CHOICE_EXCLUDED;
	if (!selected)
		identity->announced = false;
}

bool monitor_choose(struct monitor *m, struct docker *d, const struct json *j,
    const struct container_facts *facts, bool selected)
{
	struct audit_event e = plain_event(
	    m, AUDIT_SELECTION, choice_status(selected), choice_message(selected));
	struct monitor_view view;
	struct identity *identity;

	monitor_view(m, d, j, facts->labels, facts, &view);
	identity = containers_identity(&m->policy.containers, span_of(view.stable_id), true);
	if (!identity)
		return false;
	set_choice(m, identity, selected);
	e.id = facts->id;
	e.name = span_of(facts->name);
	e.stable_id = span_of(view.stable_id);
	e.host = span_of(d->name);
	e.restart_count = identity->restarts;
	add_event(m, NULL, &e);
	log_line(LOG_INFO, "monitor", "Container '%s': %s", facts->name, choice_message(selected));
	take_listed(m, d, j, facts);
	monitor_settle(m);
	return true;
}

bool monitor_choose_identity(struct monitor *m, struct span stable_id, bool selected)
{
	struct identity *identity = containers_identity(&m->policy.containers, stable_id, false);

	if (!identity)
		return false;
	set_choice(m, identity, selected);
	monitor_tell_identity(
	    m, identity, AUDIT_SELECTION, choice_status(selected), choice_message(selected));
	return true;
}

bool monitor_is_healthy(const struct monitor *m, char *reason, size_t cap)
{
	const struct docker *worst = NULL;

	for (size_t i = 0; i < m->engines_count; i++) {
		const struct docker *d = &m->engines[i];

		if (d->last_audit && m->loop->now - d->last_audit_now <= 3 * m->settings->interval)
			return true;
		worst = d;
	}
	if (!worst)
		text_print(reason, cap, "no engine is configured");
	else if (!worst->last_audit && !worst->error[0])
		text_print(reason, cap, "the first audit of engine '%s' has not been completed yet",
		    worst->name);
	else if (!worst->last_audit)
		text_print(reason, cap, "engine '%s' has never been reached: %s", worst->name,
		    worst->error);
	else
		text_print(reason, cap, "engine '%s' has not been audited for %llu s: %s",
		    worst->name, (unsigned long long)(m->loop->now - worst->last_audit_now) / 1000,
		    worst->error[0] ? worst->error : "it does not answer");
	return false;
}

size_t monitor_quarantined(const struct monitor *m)
{
	const struct container *c;
	size_t at = 0, count = 0;

	while ((c = containers_next(&m->policy.containers, &at)))
		count += c->identity->heal && c->identity->heal->quarantined;
	return count;
}
