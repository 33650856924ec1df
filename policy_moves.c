/* policy_moves.c - PURE: going from state to state: slots, incidents, and weighing whether an action may be
 * taken now; of policy_parts.h. */
#include <stdarg.h>
#include <string.h>

#include "policy_parts.h"

static const char skip_names[][12] = {"paused", "stopped", "restarting", "dry_run", "gone",
    "recovered", "stale", "maintenance", "snoozed"};

const char *const policy_wait_words[] = {
    [WAIT_NOTHING] = "it is its turn",
    [WAIT_START_PERIOD] = "AUTOHEAL_START_PERIOD is not over",
    [WAIT_OWN_START_PERIOD] = "its label autoheal.start.period is not over",
    [WAIT_UNHEALTHY_FOR] = "it has not been unhealthy long enough",
    [WAIT_KILL] = "it was sent a signal by somebody else, who may be stopping it",
    [WAIT_COOLDOWN] = "the cooldown after its last restart is not over",
    [WAIT_RECOVERY] = "somebody else restarted it, and it has its time to become healthy",
    [WAIT_BACKOFF] = "it backs off after a heal that did not help",
    [WAIT_SLOT] = "other restarts are under way, as many as AUTOHEAL_MAX_PARALLEL or open files allow",
    [WAIT_PROOF] = "the engine is being asked how it is",
    [WAIT_ENGINE] = "the engine cannot be reached",
    [WAIT_PARENT] = "what it hangs on is being healed, and its own restart follows that one",
    [WAIT_MAINTENANCE] = "maintenance is on: everything is watched, nothing is acted on",
    [WAIT_SNOOZED] = "a person snoozed it",
    [WAIT_STORM] =
	"many fail at once (AUTOHEAL_STORM): after a pause two are restarted at a time, parents first",
};

/* ---- small things ------------------------------------------------------------------------ */

/* The earlier of two times, where 0 is "never". */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* An empty action, or NULL when the caller's array is full (policy.h says how much room it must have). */
struct action *policy_add_action(struct actions *out, struct container *c, enum action_kind kind)
{
	struct action *a;

	if (out->count == out->room)
		return NULL;
	a = &out->list[out->count++];
	a->kind = kind;
	a->container = c;
	a->stop_timeout = WATCH_UNSET;
	a->level = LOG_INFO;
	a->status = a->reason = a->did = a->output = NULL;
	a->exit_code = INT32_MIN;
	a->duration_ms = -1;
	a->incident = c->identity->heal && c->identity->heal->open ? c->identity->heal->incident : 0;
	a->message[0] = 0;
	return a;
}

struct action *policy_tell(struct actions *out, struct container *c, enum audit_kind kind,
    const char *status, const char *format, ...)
{
	struct action *a = policy_add_action(out, c, ACTION_TELL);
	va_list args;

	if (!a)
		return &out->spare;
	a->audit = kind;
	a->status = status;
	va_start(args, format);
	text_vprint(a->message, sizeof(a->message), format, args);
	va_end(args);
	return a;
}

void policy_log_about(
    struct actions *out, struct container *c, enum log_level level, const char *format, ...)
{
	struct action *a = policy_add_action(out, c, ACTION_LOG);
	va_list args;

	if (!a)
		return;
	a->level = level;
	va_start(args, format);
	text_vprint(a->message, sizeof(a->message), format, args);
	va_end(args);
}

/* Has the engine asked how c is, once at a time. */
void policy_ask(struct container *c, struct actions *out)
{
	if (!c->looking && policy_add_action(out, c, ACTION_INSPECT))
		c->looking = true;
}

/* ---- slots: AUTOHEAL_MAX_PARALLEL requests at once per engine and p->slots over all; the rest in order,
 * engines in turn ------------------------------------------------------------------------------ */

static void leave_queue(struct policy_engine *engine, struct container *c)
{
	struct container **link = &engine->first, *before = NULL;

	if (!c->queued)
		return;
	while (*link && *link != c) {
		before = *link;
		link = &before->next_waiting;
	}
	*link = c->next_waiting;
	if (engine->last == c)
		engine->last = before;
	c->next_waiting = NULL;
	c->queued = false;
}

/* In a storm those on which others hang stand before the rest, and before those that hang on others. */
static void join_queue(struct policy *p, struct container *c)
{
	struct policy_engine *engine = &p->engines[c->engine];
	struct container *before = engine->last;
	unsigned steps = 0;

	if (c->queued)
		return;
	c->queued = true;
	c->leads = engine->storm.on && policy_has_kin(p, c);
	if (c->leads) {
		before = NULL;
		for (struct container *o = engine->first; o && o->leads; o = o->next_waiting) {
			if (policy_hangs_on(p, o, c, &steps))
				break;
			before = o;
		}
	}
	c->next_waiting = before ? before->next_waiting : engine->first;
	*(before ? &before->next_waiting : &engine->first) = c;
	if (engine->last == before)
		engine->last = c;
}

/* One slot is kept back for every engine that has none: so whoever's restarts hang, and however long,
 * another engine's first one goes out at once. */
static bool has_room(const struct policy *p, const struct policy_engine *engine)
{
	uint32_t left = p->busy < p->slots ? p->slots - p->busy : 0;
	uint32_t kept_back = engine->busy && p->engines_count > p->engines_busy
	    ? p->engines_count - p->engines_busy
	    : 0;

	return engine->busy < p->settings->max_parallel && left > kept_back;
}

bool policy_may_have_slot(const struct policy *p, const struct policy_engine *engine)
{
	return !policy_storm_brakes(p, engine) && has_room(p, engine);
}

static void give_slot(struct policy *p, struct container *c)
{
	struct policy_engine *engine = &p->engines[c->engine];

	c->has_slot = true;
	p->busy++;
	p->engines_busy += !engine->busy++;
}

bool policy_take_slot(struct policy *p, struct container *c, bool braked)
{
	const struct policy_engine *engine = &p->engines[c->engine];

	if (c->has_slot)
		return true;
	if ((braked && policy_storm_brakes(p, engine)) || !has_room(p, engine))
		return false;
	give_slot(p, c);
	return true;
}

/* The next engine after the one served last where somebody waits who may have a slot, and who waits longest there. */
static struct container *next_in_turn(struct policy *p)
{
	for (uint32_t i = 1; i <= CONTAINERS_ENGINES_MAX; i++) {
		uint32_t at = (p->turn + i) % CONTAINERS_ENGINES_MAX;

		if (p->engines[at].first && policy_may_have_slot(p, &p->engines[at])) {
			p->turn = at;
			return p->engines[at].first;
		}
	}
	return NULL;
}

/* Whose turn it is then is due. */
void policy_hand_out(struct policy *p)
{
	struct container *next;

	while (!p->stopping && (next = next_in_turn(p))) {
		leave_queue(&p->engines[next->engine], next);
		give_slot(p, next);
		containers_due(&p->containers, next, p->now);
	}
}

/* Hands the slot on, if c has one. */
void policy_release_slot(struct policy *p, struct container *c)
{
	if (!c->has_slot)
		return;
	c->has_slot = false;
	p->busy--;
	p->engines_busy -= !--p->engines[c->engine].busy;
	policy_hand_out(p);
}

void policy_wait_anew(struct policy *p, struct container *c)
{
	if (!c->has_slot && !c->queued)
		return;
	leave_queue(&p->engines[c->engine], c);
	policy_release_slot(p, c);
	containers_due(&p->containers, c, p->now);
}

/* ---- going from state to state ----------------------------------------------------------- */

void policy_go(struct policy *p, struct container *c, enum container_state state, uint64_t due)
{
	if (state != STATE_WAITING) {
		leave_queue(&p->engines[c->engine], c);
		if (state != STATE_RESTARTING)
			policy_release_slot(p, c);
	}
	p->changes += c->state != state;
	c->state = (uint8_t)state;
	containers_due(&p->containers, c, due);
}

/* Watching, or quarantined where it is, with whatever is to be looked at next. */
void policy_rest(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;
	uint64_t release, retry, until;

	if (!h) {
		policy_go(p, c, STATE_WATCHING, 0);
		return;
	}
	if (!h->quarantined) {
		policy_go(p, c, STATE_WATCHING,
		    earlier(earlier(h->look_at, h->probation_until), h->stays_up));
		return;
	}
	release = h->healthy_since ? h->healthy_since + p->settings->recovery_timeout : 0;
	retry = h->retry_at;
	if (retry && policy_hold(p, c, &until) && (!until || until > retry))
		retry = until; /* its further try waits */
	policy_go(p, c, STATE_QUARANTINED, earlier(release, retry));
}

void policy_close_incident(struct heal *h)
{
	h->may_be_down = h->half_done = h->resumed = false;
	h->bond = BOND_NONE;
	h->open = h->acted = h->proven = h->trial = h->down_by_us = h->notified = false;
	h->manual = h->by_person = h->along = false;
	h->cause = CAUSE_UNHEALTHY;
	h->told = 0;
	h->waiting = WAIT_NOTHING;
}

void policy_skip(struct actions *out, struct container *c, enum skip why, const char *message)
{
	struct heal *h = c->identity->heal;

	if (h->told & 1u << why)
		return;
	h->told = (uint16_t)(h->told | 1u << why);
	policy_tell(out, c, AUDIT_SKIPPED, skip_names[why], "%s", message);
}

/* The action that was due is not taken; the incident ends. */
void policy_cancel(
    struct policy *p, struct container *c, struct actions *out, enum skip why, const char *message)
{
	struct heal *h = c->identity->heal;

	if (h && h->open) {
		policy_skip(out, c, why, message);
		policy_close_incident(h);
		h->crashed_at = 0;
	}
	policy_rest(p, c);
}

void policy_hands_off(struct policy *p, struct container *c, struct actions *out, bool paused)
{
	struct heal *h = c->identity->heal;

	if (h) {
		if (h->open) {
			policy_skip(out, c, paused ? SKIP_PAUSED : SKIP_STOPPED,
			    h->acted ? "Somebody intervened before its restart had proven to help"
				: paused ? "Not restarted: somebody paused it"
					 : "Not restarted: somebody stopped it");
		}
		policy_close_incident(h);
		h->look_at = h->probation_until = h->healthy_since = h->own_until = 0;
		h->crashed_at = h->stays_up = 0;
		h->ended = h->unseen = h->looping = false;
		h->left = LEFT_NOTHING;
		h->late = false;
		if (!paused)
			h->killed_at = 0; /* else the signal may end it yet, once it is unpaused */
	}
	policy_log_about(out, c, LOG_INFO, "was %s by somebody else: hands off until it is %s",
	    paused ? "paused" : "stopped", paused ? "unpaused" : "started");
	policy_go(p, c, STATE_HANDS_OFF, 0);
}

static void quarantine(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t limit = policy_limit_of(p, c);
	bool down = h->down_by_us; /* then its further try is a start */
	struct action *a;

	if (h->failures >= limit)
		a = policy_tell(out, c, AUDIT_QUARANTINE, "quarantined",
		    "Given up for now: %u heals in a row did not end healthy. Mend it, then call POST "
		    "/api/containers/%s/unquarantine; it is released by itself once it stays healthy",
		    h->failures, c->name);
	else
		a = policy_tell(out, c, AUDIT_QUARANTINE, "quarantined",
		    "Given up for now: restarted %llu times within %llu s. Mend it, then call POST "
		    "/api/containers/%s/unquarantine; it is released by itself once it stays healthy",
		    (unsigned long long)policy_restarts_in_window(p, h),
		    (unsigned long long)p->settings->restart_window / 1000, c->name);
	a->level = LOG_WARNING;
	h->quarantined = true;
	h->healthy_since = 0;
	h->probation_until = 0;
	h->retry_at = policy_next_trial(p);
	policy_close_incident(h);
	h->down_by_us = down;
	policy_rest(p, c);
}

const char *policy_is_what(const struct heal *h)
{
	static const char *const words[] = {[CAUSE_UNHEALTHY] = "is unhealthy",
	    [CAUSE_CRASH] = "has crashed",
	    [CAUSE_PROBE] = "fails its own probe",
	    [CAUSE_VERDICT] = "is down, says an outside monitor"};

	return h->bond ? "is to be restarted" : words[h->cause];
}

const char *policy_because(const struct heal *h)
{
	static const char *const words[] = {[CAUSE_UNHEALTHY] = "it was unhealthy",
	    [CAUSE_CRASH] = "it had crashed",
	    [CAUSE_PROBE] = "its own probe failed",
	    [CAUSE_VERDICT] = "an outside monitor said that it was down"};

	return words[h->cause];
}

/* What is asked of the engine. */
enum request { REQUEST_RESTART, REQUEST_STOP, REQUEST_KILL, REQUEST_START };

static const struct request_kind {
	enum action_kind action;
	const char *word, *log;
} request_kinds[] = {
    [REQUEST_RESTART] = {ACTION_RESTART, "restart", "restarting it"},
    [REQUEST_STOP] = {ACTION_STOP, "stop", "stopping it, as its label wants"},
    [REQUEST_KILL] = {ACTION_KILL, "kill", "killing it, as its label wants"},
    [REQUEST_START] = {ACTION_START, "start", "starting it"},
};

static enum request request_of(const struct container *c)
{
	if (policy_is_down_for_us(c->identity->heal) && !c->running)
		return REQUEST_START;
	if (c->identity->heal->bond)
		return REQUEST_RESTART; /* its own label is about its own trouble */
	if (c->own && c->own->action == WATCH_STOP)
		return REQUEST_STOP;
	return c->own && c->own->action == WATCH_KILL ? REQUEST_KILL : REQUEST_RESTART;
}

/* The word for what would be asked of the engine now. */
const char *policy_request_word(const struct container *c)
{
	return request_kinds[request_of(c)].word;
}

/* A request of ours leaves. */
void policy_send(struct policy *p, struct container *c, struct actions *out, bool by_person)
{
	struct heal *h = c->identity->heal;
	const struct request_kind *kind = &request_kinds[by_person ? REQUEST_RESTART : request_of(c)];
	struct action *a = policy_add_action(out, c, kind->action);

	if (!a)
		return;
	text_print(a->message, sizeof(a->message), "%s: %s",
	    kind->action == ACTION_START && h->cause != CAUSE_CRASH ? "is down after its restart"
								    : policy_is_what(h),
	    kind->log);
	if (h->bond) {
		char why[200];

		policy_bond_say((enum bond)h->bond, h->parent, why, sizeof(why));
		text_print(a->message, sizeof(a->message), "is restarted: %s", why);
	}
	a->stop_timeout = policy_asked_stop_timeout(p, c);
	if (c->stop_timeout == WATCH_UNSET)
		policy_ask(c, out); /* in parallel: it tells how long the stop may take */
	h->requested = p->now;
	h->deadline = p->now + policy_answer_time(p, c);
	h->acted = true;
	h->died_again = h->proven = h->started = h->began = h->healthy_again = h->echo_over = false;
	h->lost = h->killed_hard = false;
	h->exits_seen = 0;
	h->start_only = kind->action == ACTION_START;
	h->stop_only = kind->action == ACTION_STOP;
	h->kill_first = kind->action == ACTION_KILL;
	h->waiting = WAIT_NOTHING;
	h->manual = by_person;
	if (by_person)
		h->half_done = false;
	if (!h->half_done) {
		if (!by_person && !policy_is_dependent(h))
			policy_remember_restart(p, h);
		if (!policy_is_dependent(h))
			h->cascade = ++p->cascades;
		c->identity->restarts++;
	}
	policy_go(p, c, STATE_RESTARTING, h->deadline);
}

const char *policy_asked_word(const struct heal *h)
{
	if (h->start_only)
		return "start";
	if (h->stop_only)
		return "stop";
	return h->kill_first ? "kill" : "restart";
}

/* Tells of a restart, or of one that would have been, and under which kind and reason. */
static struct action *tell_restart(
    struct container *c, struct actions *out, bool success, const char *did, const char *message)
{
	const struct heal *h = c->identity->heal;
	const char *status = success ? "success" : "failure";
	enum audit_kind kind = AUDIT_RESTART;
	const char *reason = policy_cause_name(h);
	struct action *a;

	if (h->bond) {
		kind = AUDIT_DEPENDENT_RESTART;
		reason = "dependent";
	} else if (h->manual) {
		reason = "manual";
	}
	if (h->bond == BOND_STRANDED) {
		kind = AUDIT_STRANDED;
		reason = "stranded";
		status = success && strcmp(did, "notify") ? "restarted" : "reported";
	}
	a = policy_tell(out, c, kind, status, "%s", message);
	a->did = did;
	a->reason = reason;
	if (h->cause == CAUSE_CRASH && !h->manual)
		a->exit_code = h->exit_code;
	return a;
}

void policy_restarted(struct container *c, struct actions *out, bool success, const char *message)
{
	struct heal *h = c->identity->heal;
	char why[200], words[POLICY_MESSAGE_MAX];
	struct action *a;

	if (h->bond && success) {
		policy_bond_say((enum bond)h->bond, h->parent, why, sizeof(why));
		text_print(words, sizeof(words), "Restarted: %s", why);
		message = words;
	}
	a = tell_restart(c, out, success, policy_asked_word(h), message);
	if (!success) {
		a->level = LOG_WARNING;
		return;
	}
	/* without a healthcheck to run is to be well */
	h->owes_kin = policy_health(c) != HEALTH_NONE;
	policy_find_kin(c, out, 1u << BOND_NETWORK | (h->owes_kin ? 0 : 1u << BOND_DEPENDS));
}

void policy_verify(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	h->bond = BOND_NONE;
	h->answered = p->now;
	h->own_until = h->echo_over ? 0 : p->now + POLICY_OWN_ECHO_MS;
	h->down_by_us = h->may_be_down = h->half_done = h->resumed = false;
	h->crashed_at = h->given_until = 0;
	h->late = false;
	h->unsent = 0;
	policy_go(p, c, STATE_VERIFYING, p->now + policy_recovery_time(p, c));
}

void policy_begin_probation(struct policy *p, struct heal *h, bool relapse_counts)
{
	h->relapse_counts = relapse_counts;
	h->probation_until = p->now + p->settings->recovery_timeout;
}

/* Whatever became of a request that nobody answered, it is over: nothing is an echo of it any more. */
void policy_late_ends(struct heal *h)
{
	if (h->late)
		h->own_until = 0;
	h->late = false;
}

void policy_recovered(struct policy *p, struct container *c, struct actions *out, const char *status)
{
	struct heal *h = c->identity->heal;
	uint64_t took = p->now - h->detected;
	uint64_t recovery = p->now - h->answered;
	bool healthy = !strcmp(status, "healthy");
	struct action *a;

	a = policy_tell(out, c, AUDIT_RECOVERED, status,
	    "%s again %llu.%llu s after the trouble was seen", healthy ? "Healthy" : "Running",
	    (unsigned long long)took / 1000, (unsigned long long)took % 1000 / 100);
	a->duration_ms = (int64_t)took;
	if (recovery > POLICY_PATIENCE_MAX_MS)
		recovery = POLICY_PATIENCE_MAX_MS; /* so late it was somebody else who mended it */
	if (healthy && recovery / 1000 > h->longest)
		h->longest = (uint32_t)(recovery /
		    1000); /* to have run is no more than what was waited for */
	if (h->owes_kin || h->late)
		policy_find_kin(c, out, 1u << BOND_DEPENDS | (h->late ? 1u << BOND_NETWORK : 0));
	h->owes_kin = false;
	policy_late_ends(h);
	if (h->quarantined)
		h->healthy_since = p->now;
	else
		policy_begin_probation(p, h, !h->manual);
	policy_close_incident(h);
	policy_rest(p, c);
}

/* Wants to act: policy_run weighs it in this turn. */
void policy_want(struct policy *p, struct container *c)
{
	policy_storm_note(p, c);
	policy_go(p, c, STATE_WAITING, p->now);
}

/* A heal did not end healthy. */
void policy_failed(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	h->probation_until = 0;
	if (h->manual) {
		h->manual = false; /* what a person tried is no count of ours */
		return;
	}
	h->failures++;
	h->failed = p->now;
	if (h->patience < 64)
		h->patience *= 2;
}

/* What follows a failed heal while the incident is open. */
void policy_after_failure(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;
	bool down = h->down_by_us;

	h->bond = BOND_NONE; /* what follows is for its own sake: to get it up again, or well */
	h->along = false;
	policy_failed(p, c);
	if (h->guest) {
		policy_close_incident(h); /* one restart was all that was wanted */
		policy_rest(p, c);
		return;
	}
	if (!h->quarantined) {
		policy_want(p, c);
		return;
	}
	h->retry_at = policy_next_trial(p);
	policy_close_incident(h);
	h->down_by_us = down;
	policy_rest(p, c);
}

void policy_open_incident(struct policy *p, struct heal *h, bool from_event)
{
	if (h->open)
		return;
	if (!h->detected || !h->look_at)
		h->detected = p->now; /* else it was heard of earlier, and only now proven */
	h->incident = ++p->incidents;
	h->from_event = from_event;
	h->open = true;
	h->told = 0;
}

/* Sick, or down, before its last heal had proven to last: that heal did not help. */
void policy_relapsed(struct policy *p, struct container *c, struct actions *out, const char *what)
{
	struct heal *h = c->identity->heal;

	if (h->probation_until && h->relapse_counts) {
		struct action *a = policy_tell(out, c, AUDIT_NOT_RECOVERED, "relapsed",
		    "%s %llu s after its last restart", what,
		    (unsigned long long)(p->now - h->answered) / 1000);

		a->level = LOG_WARNING;
		a->incident = h->incident; /* that of the heal which did not last */
		policy_failed(p, c);
	}
	h->probation_until = 0;
}

/* c is sick beyond doubt. */
void policy_sick(struct policy *p, struct container *c, struct actions *out, bool from_event)
{
	struct heal *h = containers_heal(c->identity);

	if (h && h->orphan) { /* a restart would stop it for good, and this was told */
		h->look_at = 0;
		policy_rest(p, c);
		return;
	}
	if (!h) {
		policy_log_about(out, c, LOG_ERROR,
		    "is unhealthy, but there is no memory left to heal it; it is tried again "
		    "at the next audit");
		return;
	}
	if (!policy_heals_sick(p, c)) {
		h->look_at = 0;
		policy_rest(p, c);
		return;
	}
	policy_relapsed(p, c, out, "Unhealthy again");
	if (!h->open)
		h->cause = (uint8_t)policy_cause_of(c);
	policy_open_incident(p, h, from_event);
	h->look_at = 0;
	h->proven = true;
	policy_want(p, c);
}

/* ---- weighing: may the action that is wanted be taken now? ------------------------------- */

/* One gate: when it opens is kept in gates by its reason, and the latest of all in gates[WAIT_NOTHING]. */
static void later(uint64_t *gates, enum wait_reason *why, uint64_t at, enum wait_reason reason)
{
	gates[reason] = at;
	if (at <= gates[WAIT_NOTHING])
		return;
	gates[WAIT_NOTHING] = at;
	*why = reason;
}

static uint64_t start_period_left(const struct policy *p, const struct container *c)
{
	/* its start is kept in whole seconds, rounded up: it may lie ahead of now */
	uint64_t start = p->containers.epoch + (c->started - 1) * 1000ull;
	uint64_t age = (int64_t)(p->now - start) > 0 ? p->now - start : 0;

	return age < c->own->start_period ? c->own->start_period - age : 0;
}

/* The earliest time at which c may be acted on, and what holds it until then. gates: by reason when each opens, 0
 * where there is none. */
uint64_t policy_gate(const struct policy *p, const struct container *c, enum wait_reason *why,
    uint64_t gates[WAIT_COUNT])
{
	const struct settings *s = p->settings;
	const struct heal *h = c->identity->heal;

	*why = WAIT_NOTHING;
	memset(gates, 0, WAIT_COUNT * sizeof(gates[0]));
	gates[WAIT_NOTHING] = p->now;
	later(gates, why, p->started + s->start_period, WAIT_START_PERIOD);
	if (policy_is_dependent(h)) {
		if (h->killed_at)
			later(gates, why, policy_killed_until(c), WAIT_KILL);
		return gates[WAIT_NOTHING]; /* it does not wait for its own sake */
	}
	if (c->own && c->own->start_period != WATCH_UNSET && c->started && c->running)
		later(gates, why, p->now + start_period_left(p, c), WAIT_OWN_START_PERIOD);
	if (!h->acted && h->cause != CAUSE_CRASH)
		later(gates, why, h->detected + policy_unhealthy_for(p, c), WAIT_UNHEALTHY_FOR);
	if (h->killed_at)
		later(gates, why, policy_killed_until(c), WAIT_KILL);
	/* what our restart left down is started, which is the rest of that restart */
	if (h->answered && (!h->down_by_us || c->running))
		later(gates, why, h->answered + policy_cooldown_of(p, c), WAIT_COOLDOWN);
	if (h->given_until && h->cause != CAUSE_CRASH)
		later(gates, why, h->given_until, WAIT_RECOVERY);
	if (h->failures && (s->backoff || h->down_by_us))
		later(gates, why, h->failed + policy_backoff_time(s, h), WAIT_BACKOFF);
	return gates[WAIT_NOTHING];
}

void policy_wait_for(
    struct policy *p, struct container *c, struct actions *out, enum wait_reason why, uint64_t at)
{
	struct heal *h = c->identity->heal;

	h->proven = false;
	if (h->waiting != why && (why == WAIT_PARENT || why == WAIT_STORM))
		policy_log_about(out, c, LOG_INFO, "%s and waits: %s", policy_is_what(h),
		    policy_wait_words[why]);
	else if (h->waiting != why && at)
		policy_log_about(out, c, LOG_INFO, "%s and waits %llu s: %s", policy_is_what(h),
		    (unsigned long long)(at - p->now + 999) / 1000, policy_wait_words[why]);
	else if (h->waiting != why && why == WAIT_SLOT)
		policy_log_about(out, c, LOG_INFO, "%s and waits for its turn: %s",
		    policy_is_what(h), policy_wait_words[why]);
	h->waiting = (uint8_t)why;
	containers_due(&p->containers, c, at);
}

/* While a person wants nothing done it waits for the end of that, and is looked at anew then. */
static bool is_held(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t until;
	enum wait_reason why = policy_hold(p, c, &until);
	char message[120];

	if (why == WAIT_NOTHING)
		return false;
	text_print(message, sizeof(message), "Not acted on: %s", policy_wait_words[why]);
	policy_skip(out, c, why == WAIT_MAINTENANCE ? SKIP_MAINTENANCE : SKIP_SNOOZED, message);
	leave_queue(&p->engines[c->engine], c);
	policy_release_slot(p, c);
	h->proven = false;
	h->waiting = (uint8_t)why;
	containers_due(&p->containers, c, until);
	return true;
}

/* Why what is decided is only told, or NULL. */
const char *policy_only_tells(const struct policy *p, const struct container *c)
{
	if (p->settings->dry_run)
		return "AUTOHEAL_DRY_RUN is set";
	if (c->own && c->own->no_restart)
		return "its label autoheal.restart.enable=false or autoheal.action wants it so";
	return NULL;
}

/* Dry run, or a label that wants words only: the decision is told, and nothing is done. */
static bool only_tells(struct policy *p, struct container *c, struct actions *out)
{
	static const char *const would_be[] = {[REQUEST_RESTART] = "restarted",
	    [REQUEST_STOP] = "stopped",
	    [REQUEST_KILL] = "killed and started",
	    [REQUEST_START] = "started"};
	const char *because = policy_only_tells(p, c);
	struct heal *h = c->identity->heal;
	char why[200], message[POLICY_MESSAGE_MAX];

	if (!because)
		return false;
	if (h->bond)
		policy_bond_say((enum bond)h->bond, h->parent, why, sizeof(why));
	else
		text_print(why, sizeof(why), "it %s", policy_is_what(h));
	if (p->settings->dry_run) {
		text_print(message, sizeof(message), "Would be %s now: %s, but %s",
		    would_be[request_of(c)], why, because);
		policy_skip(out, c, SKIP_DRY_RUN, message);
	} else {
		text_print(message, sizeof(message), "Only told, as %s: %s", because, why);
		if (!h->notified)
			tell_restart(c, out, true, "notify", message);
		h->notified = true;
	}
	if (h->bond) {
		h->stranded_told |= h->bond == BOND_STRANDED;
		policy_close_incident(h); /* its health says nothing of its end */
	}
	policy_rest(p, c);
	return true;
}

/* Whether something of c must be known first that only the engine knows: its start, on which a start
 * period hangs, or its stop timeout, on which it hangs how long a kill may take to end it. */
static bool hangs_on_unknown(const struct container *c)
{
	if (c->own && c->own->start_period != WATCH_UNSET && !c->started && c->running)
		return true;
	return c->identity->heal->killed_at && c->stop_timeout == WATCH_UNSET;
}

/* Waits for the engine's word on c. */
static void prove(struct container *c, struct actions *out)
{
	c->identity->heal->waiting = WAIT_PROOF;
	policy_ask(c, out);
}

void policy_weigh(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t limit = policy_limit_of(p, c);
	enum wait_reason why;
	uint64_t gate, gates[WAIT_COUNT];
	const struct policy_storm *storm = &p->engines[c->engine].storm;
	bool held;

	if (!h->half_done && (p->stopping || is_held(p, c, out)))
		return;
	if (policy_is_dependent(h))
		limit = 0; /* not a decision of its own */
	if (!h->trial && !h->half_done && limit && h->failures >= limit) {
		quarantine(p, c, out);
		return;
	}
	if (hangs_on_unknown(c)) {
		h->proven = false;
		prove(c, out);
		return;
	}
	gate = policy_gate(p, c, &why, gates);
	if (gate > p->now) {
		policy_release_slot(p, c);
		policy_wait_for(p, c, out, why, gate);
		return;
	}
	if (!h->half_done && policy_parent_is_busy(p, c)) {
		policy_release_slot(p, c);
		policy_wait_for(p, c, out, WAIT_PARENT, p->now + POLICY_PARENT_MS);
		return;
	}
	h->killed_at = 0;
	if (!h->trial && !h->half_done && limit && policy_restarts_in_window(p, h) >= limit) {
		quarantine(p, c, out);
		return;
	}
	held = storm->on && p->now < storm->until && !h->half_done;
	if (!held && only_tells(p, c, out))
		return;
	if (held || !policy_take_slot(p, c, !h->half_done)) {
		join_queue(p, c);
		policy_wait_for(p, c, out, storm->on ? WAIT_STORM : WAIT_SLOT, 0);
		return;
	}
	if (h->proven) {
		policy_send(p, c, out, false);
		return;
	}
	prove(c, out);
}
