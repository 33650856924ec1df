/* monitor.c - what the engines say goes to the policy: events, the list, what hangs on what, coming and going; of
 * monitor.h. */
#include "monitor.h"

#include <string.h>

#include "log.h"
#include "monitor_parts.h"
#include "watchdog.h"

/* ---- events ------------------------------------------------------------------------------ */

static void on_start(struct monitor *m, struct docker *d, const struct json *j,
    const struct engine_event *e, struct container *c, uint64_t at)
{
	struct policy_event start = {.kind = EVENT_START, .happened = at};
	struct candidate who;
	char name[WATCH_NAME_MAX], hex[13];

	json_text(j, json_member(j, e->attributes, span_of("name")), name, sizeof(name));
	monitor_short_id(e->id, hex);
	log_line(LOG_DEBUG, "monitor", "Container start event detected: %s (%s)", name, hex);
	if (c) {
		monitor_give(m, c, &start);
		if (c->reason == REASON_LABEL && c->identity->announced)
			monitor_log(LOG_DEBUG, "monitor", c, "is monitored already");
		return;
	}
	monitor_examine(m, d, e->id, name, j, e->attributes, &who);
	if (!watch_is_watched(who.reason)) {
		monitor_not_watched(m, e->id, &who);
		return;
	}
	who.created = (uint32_t)(e->time_nano / 1000000000);
	c = monitor_add(m, d->index, e->id, &who);
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
			monitor_look_gone(m, c);
		else
			monitor_forget(m, c, true);
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
	monitor_examine(m, d, facts->id, facts->name, j, facts->labels, &who);
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
			monitor_forget(m, c, false);
		}
		if (c || first)
			monitor_not_watched(m, facts->id, &who);
		return NULL;
	}
	who.created = facts->created;
	c = monitor_add(m, d->index, facts->id, &who);
	if (c && who.reason == REASON_LABEL)
		monitor_announce(m, c);
	if (c)
		c->dropped = guest;
	return c;
}

void monitor_take_listed(
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

	monitor_take_listed(m, d, j, facts);
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
		monitor_forget(m, c, true);
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
		monitor_end_selection(
		    m, identity, "Its container is gone: the label's selection ended");
	}
	containers_sweep(&m->policy.containers, m->loop->now);
	if (waiting)
		loop_after(m->loop, &m->sweep, 5000);
}

/* Where the list has no word on health (Podman's), inspects stand in for it. */
static void look_where_silent(struct monitor *m, const struct docker *d)
{
	struct action list[MONITOR_ACTIONS];
	struct actions out = {.list = list, .room = MONITOR_ACTIONS};
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

	monitor_examine(m, d, facts->id, facts->name, j, facts->labels, &who);
	if (who.reason != REASON_NO_LABEL && !watch_is_watched(who.reason))
		return;
	if (!c && facts->now.running) {
		who.created = facts->created;
		c = monitor_add(m, d->index, facts->id, &who);
		if (c && who.reason == REASON_LABEL)
			monitor_announce(m, c);
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
	monitor_label_words(m, label, sizeof(label));
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
	m->due = (struct loop_timer){.fire = monitor_due, .owner = m};
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

	if (!text_unhex(id, self, 32) || monitor_is_self(m, self) ||
	    m->self_count == MONITOR_ENGINES_MAX)
		return;
	memcpy(m->self[m->self_count++], self, 32);
	for (unsigned i = 0; i < m->engines_count; i++) {
		c = containers_find(&m->policy.containers, i, self);
		if (c)
			monitor_forget(m, c, false);
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
			monitor_log(LOG_WARNING, "monitor", c,
			    "is still being restarted by the engine; autoheal does not wait longer");
		call_close(call);
	}
	evidence_close(&m->evidence);
	incidents_free(&m->incidents);
	probes_close(&m->probes);
	healthchecks_free(&m->checks);
	for (size_t i = 0; i < m->engines_count; i++) {
		m->policy.engines[i].graph = NULL;
		dependents_close(&m->dependents[i]);
		docker_close(&m->engines[i]);
	}
	policy_free(&m->policy);
}
