/* policy.c - what to do next, of policy.h. Read the table at the end first: it is the program. */
#include "policy.h"

#include <stdarg.h>
#include <string.h>

typedef void step(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out);

/* Statuses of `skipped`: each is told once an incident. */
enum skip {
	SKIP_PAUSED,
	SKIP_STOPPED,
	SKIP_RESTARTING,
	SKIP_DRY_RUN,
	SKIP_GONE,
	SKIP_RECOVERED,
	SKIP_STALE
};
static const char *const skip_names[] = {
    "paused", "stopped", "restarting", "dry_run", "gone", "recovered", "stale"};

static const char *const wait_words[] = {
    [WAIT_NOTHING] = "it is its turn",
    [WAIT_START_PERIOD] = "AUTOHEAL_START_PERIOD is not over",
    [WAIT_OWN_START_PERIOD] = "its label autoheal.start.period is not over",
    [WAIT_UNHEALTHY_FOR] = "it has not been unhealthy long enough",
    [WAIT_KILL] = "it was sent a signal by somebody else, who may be stopping it",
    [WAIT_COOLDOWN] = "the cooldown after its last restart is not over",
    [WAIT_BACKOFF] = "it backs off after a heal that did not help",
    [WAIT_SLOT] = "AUTOHEAL_MAX_PARALLEL other restarts are under way",
    [WAIT_PROOF] = "the engine is being asked how it is",
    [WAIT_ENGINE] = "the engine cannot be reached",
};

/* ---- small things
 * ------------------------------------------------------------------------------------------ */

static uint64_t ms_at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* The earlier of two times, where 0 is "never". */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

static uint32_t seconds_of(const struct policy *p, uint64_t at)
{
	return (uint32_t)((at - p->containers.epoch) / 1000) + 1;
}

/* An empty action, or NULL when the caller's array is full (policy.h says how much room it must have). */
static struct action *next_action(struct actions *out, struct container *c, enum action_kind kind)
{
	struct action *a;

	if (out->count == out->room)
		return NULL;
	a = &out->list[out->count++];
	a->kind = kind;
	a->container = c;
	a->stop_timeout = WATCH_UNSET;
	a->level = LOG_INFO;
	a->status = a->reason = a->did = NULL;
	a->exit_code = INT32_MIN;
	a->duration_ms = -1;
	a->incident = c->identity->heal && c->identity->heal->open ? c->identity->heal->incident : 0;
	a->message[0] = 0;
	return a;
}

__attribute__((format(printf, 5, 6))) static struct action *tell(struct actions *out,
    struct container *c, enum audit_kind kind, const char *status, const char *format, ...)
{
	struct action *a = next_action(out, c, ACTION_TELL);
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

__attribute__((format(printf, 4, 5))) static void log_about(
    struct actions *out, struct container *c, enum log_level level, const char *format, ...)
{
	struct action *a = next_action(out, c, ACTION_LOG);
	va_list args;

	if (!a)
		return;
	a->level = level;
	va_start(args, format);
	text_vprint(a->message, sizeof(a->message), format, args);
	va_end(args);
}

/* Has the engine asked how c is, once at a time. */
static void ask(struct container *c, struct actions *out)
{
	if (!c->looking && next_action(out, c, ACTION_INSPECT))
		c->looking = true;
}

static uint64_t own_or(uint32_t own, uint64_t setting)
{
	return own == WATCH_UNSET ? setting : own;
}

static uint64_t cooldown_of(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->cooldown : WATCH_UNSET, p->settings->cooldown);
}

static uint64_t limit_of(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->max_restarts : WATCH_UNSET, p->settings->max_restarts);
}

static uint64_t unhealthy_for(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->unhealthy_for : WATCH_UNSET, p->settings->unhealthy_for);
}

/* The t= of a restart: seconds, or WATCH_UNSET so that the container's own stop timeout holds. */
static uint32_t asked_stop_timeout(const struct policy *p, const struct container *c)
{
	if (c->own && c->own->stop_timeout != WATCH_UNSET)
		return c->own->stop_timeout;
	if (p->settings->stop_timeout == CONFIG_UNSET)
		return WATCH_UNSET;
	return (uint32_t)(p->settings->stop_timeout / 1000);
}

/* How long a stop of c may take, in seconds: what we ask for, or its own, as far as known. */
static uint32_t stop_time(const struct policy *p, const struct container *c)
{
	uint32_t asked = asked_stop_timeout(p, c);

	return asked != WATCH_UNSET ? asked : c->stop_timeout;
}

/* How long the answer to a restart is awaited (SPEC 6.2). */
static uint64_t answer_time(const struct policy *p, const struct container *c)
{
	uint32_t seconds = stop_time(p, c);

	if (seconds == WATCH_UNSET)
		return POLICY_ANSWER_UNKNOWN_MS;
	if (seconds == WATCH_FOREVER)
		return POLICY_ANSWER_FOREVER_MS;
	return seconds * 1000ull + POLICY_ANSWER_GRACE_MS;
}

/* How long a foreign kill may take to end the container; Docker's default stop timeout is 10 s. */
static uint64_t kill_time(const struct container *c)
{
	uint32_t seconds = c->stop_timeout;

	if (seconds == WATCH_UNSET)
		seconds = 10;
	if (seconds == WATCH_FOREVER)
		return POLICY_ANSWER_FOREVER_MS;
	return seconds * 1000ull + POLICY_KILL_GRACE_MS;
}

/* Until when a foreign kill may still end the container; 0 without one. */
static uint64_t killed_until(const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && h->killed_at ? h->killed_at + kill_time(c) : 0;
}

/* How long after a restart c may take to be healthy. */
static uint64_t recovery_time(const struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;
	uint64_t base = ms_at_least(p->settings->recovery_timeout, c->check_time * 1000ull);
	uint64_t patient;

	if (!h)
		return base;
	base = ms_at_least(base, h->longest * 1500ull);
	patient = base * h->patience;
	return ms_at_least(base, patient < POLICY_PATIENCE_MAX_MS ? patient : POLICY_PATIENCE_MAX_MS);
}

static uint64_t backoff_time(const struct settings *s, uint32_t failures)
{
	uint64_t wait = s->backoff_initial;

	for (uint32_t i = 1; i < failures && wait < s->backoff_max; i++)
		wait = wait * s->backoff_multiplier / 1000;
	return wait < s->backoff_max ? wait : s->backoff_max;
}

static void remember_restart(struct policy *p, struct heal *h)
{
	h->restarts[h->restarts_at] = seconds_of(p, p->now);
	h->restarts_at = (uint8_t)((h->restarts_at + 1) % CONFIG_RESTARTS_MAX);
}

static void unremember_restart(struct heal *h)
{
	h->restarts_at = (uint8_t)((h->restarts_at + CONFIG_RESTARTS_MAX - 1) % CONFIG_RESTARTS_MAX);
	h->restarts[h->restarts_at] = 0;
}

static uint64_t restarts_in_window(const struct policy *p, const struct heal *h)
{
	uint32_t now = seconds_of(p, p->now), window = (uint32_t)(p->settings->restart_window / 1000);
	uint64_t count = 0;

	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++)
		count += h->restarts[i] && now - h->restarts[i] < window;
	return count;
}

/* ---- slots: AUTOHEAL_MAX_PARALLEL requests at once per engine, the rest in order
 * ------------------------------ */

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

static void join_queue(struct policy_engine *engine, struct container *c)
{
	if (c->queued)
		return;
	c->queued = true;
	c->next_waiting = NULL;
	if (engine->last)
		engine->last->next_waiting = c;
	else
		engine->first = c;
	engine->last = c;
}

static bool take_slot(struct policy *p, struct container *c)
{
	struct policy_engine *engine = &p->engines[c->engine];

	if (c->has_slot)
		return true;
	if (engine->busy >= p->settings->max_parallel)
		return false;
	engine->busy++;
	c->has_slot = true;
	return true;
}

/* Gives the slot, if c has one, to the first in the queue, who then is due. */
static void release_slot(struct policy *p, struct container *c)
{
	struct policy_engine *engine = &p->engines[c->engine];
	struct container *next = engine->first;

	if (!c->has_slot)
		return;
	c->has_slot = false;
	engine->busy--;
	if (!next || p->stopping)
		return;
	leave_queue(engine, next);
	engine->busy++;
	next->has_slot = true;
	containers_due(&p->containers, next, p->now);
}

/* ---- going from state to state
 * -------------------------------------------------------------------------------- */

static void go(struct policy *p, struct container *c, enum container_state state, uint64_t due)
{
	if (state != STATE_WAITING) {
		leave_queue(&p->engines[c->engine], c);
		if (state != STATE_RESTARTING)
			release_slot(p, c);
	}
	c->state = (uint8_t)state;
	containers_due(&p->containers, c, due);
}

/* Watching, or quarantined where it is, with whatever is to be looked at next. */
static void rest(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;
	uint64_t release;

	if (!h) {
		go(p, c, STATE_WATCHING, 0);
		return;
	}
	if (!h->quarantined) {
		go(p, c, STATE_WATCHING, earlier(h->look_at, h->probation_until));
		return;
	}
	release = h->healthy_since ? h->healthy_since + p->settings->recovery_timeout : 0;
	go(p, c, STATE_QUARANTINED, earlier(release, h->retry_at));
}

static void close_incident(struct heal *h)
{
	h->open = h->acted = h->proven = h->trial = h->down_by_us = h->notified = false;
	h->told = 0;
	h->waiting = WAIT_NOTHING;
}

static void skip(struct actions *out, struct container *c, enum skip why, const char *message)
{
	struct heal *h = c->identity->heal;

	if (h->told & 1u << why)
		return;
	h->told = (uint16_t)(h->told | 1u << why);
	tell(out, c, AUDIT_SKIPPED, skip_names[why], "%s", message);
}

/* The action that was due is not taken; the incident ends. */
static void cancel(
    struct policy *p, struct container *c, struct actions *out, enum skip why, const char *message)
{
	struct heal *h = c->identity->heal;

	if (h && h->open) {
		skip(out, c, why, message);
		close_incident(h);
	}
	rest(p, c);
}

static void hands_off(struct policy *p, struct container *c, struct actions *out, bool paused)
{
	struct heal *h = c->identity->heal;

	if (h) {
		if (h->open && c->state == STATE_WAITING)
			skip(out, c, paused ? SKIP_PAUSED : SKIP_STOPPED,
			    paused ? "Not restarted: somebody paused it"
				   : "Not restarted: somebody stopped it");
		close_incident(h);
		h->look_at = h->killed_at = h->probation_until = h->healthy_since = 0;
	}
	log_about(out, c, LOG_INFO, "was %s by somebody else: hands off until it is %s",
	    paused ? "paused" : "stopped", paused ? "unpaused" : "started");
	go(p, c, STATE_HANDS_OFF, 0);
}

static void quarantine(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t limit = limit_of(p, c);
	struct action *a;

	if (h->failures >= limit)
		a = tell(out, c, AUDIT_QUARANTINE, "quarantined",
		    "Given up for now: %u heals in a row did not end healthy. Mend it, then call POST "
		    "/api/containers/%s/unquarantine; it is released by itself once it stays healthy",
		    h->failures, c->name);
	else
		a = tell(out, c, AUDIT_QUARANTINE, "quarantined",
		    "Given up for now: restarted %llu times within %llu s. Mend it, then call POST "
		    "/api/containers/%s/unquarantine; it is released by itself once it stays healthy",
		    (unsigned long long)restarts_in_window(p, h),
		    (unsigned long long)p->settings->restart_window / 1000, c->name);
	a->level = LOG_WARNING;
	h->quarantined = true;
	h->healthy_since = 0;
	h->probation_until = 0;
	h->retry_at = p->settings->quarantine_retry ? p->now + p->settings->quarantine_retry : 0;
	close_incident(h);
	rest(p, c);
}

/* A request of ours leaves. */
static void send(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	bool start = h->down_by_us && !c->running;
	struct action *a = next_action(out, c, start ? ACTION_START : ACTION_RESTART);

	if (!a)
		return;
	a->stop_timeout = asked_stop_timeout(p, c);
	if (c->stop_timeout == WATCH_UNSET)
		ask(c, out); /* in parallel: it tells how long the stop may take */
	h->requested = p->now;
	h->deadline = p->now + answer_time(p, c);
	h->acted = true;
	h->proven = h->started = h->began = h->healthy_again = h->echo_over = false;
	h->lost = h->killed_hard = false;
	h->exits_seen = 0;
	h->start_only = start;
	h->waiting = WAIT_NOTHING;
	remember_restart(p, h);
	c->identity->restarts++;
	go(p, c, STATE_RESTARTING, h->deadline);
}

static void restarted(struct container *c, struct actions *out, bool success, const char *message)
{
	struct heal *h = c->identity->heal;
	struct action *a = tell(
	    out, c, AUDIT_RESTART, success ? "success" : "failure", "%s", message);

	a->did = h->start_only ? "start" : "restart";
	a->reason = "unhealthy";
	if (!success)
		a->level = LOG_WARNING;
}

static void verify(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	h->answered = p->now;
	h->own_until = h->echo_over ? 0 : p->now + POLICY_OWN_ECHO_MS;
	h->down_by_us = false;
	h->unsent = 0;
	go(p, c, STATE_VERIFYING, p->now + recovery_time(p, c));
}

static void begin_probation(struct policy *p, struct heal *h, bool relapse_counts)
{
	h->relapse_counts = relapse_counts;
	h->probation_until = p->now + p->settings->recovery_timeout;
}

static void recovered(struct policy *p, struct container *c, struct actions *out, const char *status)
{
	struct heal *h = c->identity->heal;
	uint64_t took = p->now - h->detected;
	uint32_t recovery = (uint32_t)((p->now - h->answered) / 1000);
	struct action *a;

	a = tell(out, c, AUDIT_RECOVERED, status, "%s again %llu.%llu s after the trouble was seen",
	    strcmp(status, "healthy") ? "Running" : "Healthy", (unsigned long long)took / 1000,
	    (unsigned long long)took % 1000 / 100);
	a->duration_ms = (int64_t)took;
	if (recovery > h->longest)
		h->longest = recovery;
	if (h->quarantined)
		h->healthy_since = p->now;
	else
		begin_probation(p, h, true);
	close_incident(h);
	rest(p, c);
}

/* Wants to act: policy_run weighs it in this turn. */
static void want(struct policy *p, struct container *c)
{
	go(p, c, STATE_WAITING, p->now);
}

/* A heal did not end healthy. */
static void failed(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	h->failures++;
	h->failed = p->now;
	h->probation_until = 0;
	if (h->patience < 64)
		h->patience *= 2;
}

/* What follows a failed heal while the incident is open. */
static void after_failure(struct policy *p, struct container *c)
{
	struct heal *h = c->identity->heal;

	failed(p, c);
	if (!h->quarantined) {
		want(p, c);
		return;
	}
	h->retry_at = p->settings->quarantine_retry ? p->now + p->settings->quarantine_retry : 0;
	close_incident(h);
	rest(p, c);
}

static void open_incident(struct policy *p, struct heal *h, bool from_event)
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

/* c is sick beyond doubt. */
static void sick(struct policy *p, struct container *c, struct actions *out, bool from_event)
{
	struct heal *h = containers_heal(c->identity);

	if (!h) {
		log_about(out, c, LOG_ERROR,
		    "is unhealthy, but there is no memory left to heal it; it is tried again "
		    "at the next audit");
		return;
	}
	if (h->probation_until && h->relapse_counts) {
		tell(out, c, AUDIT_NOT_RECOVERED, "relapsed",
		    "Unhealthy again %llu s after its last restart",
		    (unsigned long long)(p->now - h->answered) / 1000)
		    ->level = LOG_WARNING;
		failed(p, c);
	}
	h->probation_until = 0;
	open_incident(p, h, from_event);
	h->look_at = 0;
	h->proven = true;
	want(p, c);
}

/* ---- weighing: may the action that is wanted be taken now?
 * ---------------------------------------------------- */

static void later(uint64_t *gate, enum wait_reason *why, uint64_t at, enum wait_reason reason)
{
	if (at <= *gate)
		return;
	*gate = at;
	*why = reason;
}

/* The earliest time at which c may be acted on, and what holds it until then. */
static uint64_t gate_of(const struct policy *p, const struct container *c, enum wait_reason *why)
{
	const struct settings *s = p->settings;
	const struct heal *h = c->identity->heal;
	uint64_t gate = p->now;

	*why = WAIT_NOTHING;
	later(&gate, why, p->started + s->start_period, WAIT_START_PERIOD);
	if (c->own && c->own->start_period != WATCH_UNSET && c->started)
		later(&gate, why,
		    p->containers.epoch + (c->started - 1) * 1000ull + c->own->start_period,
		    WAIT_OWN_START_PERIOD);
	if (!h->acted)
		later(&gate, why, h->detected + unhealthy_for(p, c), WAIT_UNHEALTHY_FOR);
	if (h->killed_at)
		later(&gate, why, killed_until(c), WAIT_KILL);
	if (h->answered && !h->down_by_us)
		later(&gate, why, h->answered + cooldown_of(p, c), WAIT_COOLDOWN);
	if (h->failures && s->backoff)
		later(&gate, why, h->failed + backoff_time(s, h->failures), WAIT_BACKOFF);
	return gate;
}

static void wait_for(
    struct policy *p, struct container *c, struct actions *out, enum wait_reason why, uint64_t at)
{
	struct heal *h = c->identity->heal;

	h->proven = false;
	if (h->waiting != why && at)
		log_about(out, c, LOG_INFO, "is unhealthy and waits %llu s: %s",
		    (unsigned long long)(at - p->now + 999) / 1000, wait_words[why]);
	else if (h->waiting != why && why == WAIT_SLOT)
		log_about(
		    out, c, LOG_INFO, "is unhealthy and waits for its turn: %s", wait_words[why]);
	h->waiting = (uint8_t)why;
	containers_due(&p->containers, c, at);
}

/* Dry run, or a label that wants words only: the decision is told, and nothing is done. */
static bool only_tells(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (p->settings->dry_run) {
		skip(out, c, SKIP_DRY_RUN,
		    "Would be restarted now: it is unhealthy, but AUTOHEAL_DRY_RUN is set");
	} else if (c->own && c->own->no_restart) {
		if (!h->notified)
			tell(out, c, AUDIT_RESTART, "success",
			    "Unhealthy; its label says autoheal.restart.enable=false, so it is only "
			    "told")
			    ->did = "notify";
		h->notified = true;
	} else {
		return false;
	}
	rest(p, c);
	return true;
}

static void weigh(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t limit = limit_of(p, c);
	enum wait_reason why;
	uint64_t gate;

	if (p->stopping)
		return;
	if (!h->trial && limit && h->failures >= limit) {
		quarantine(p, c, out);
		return;
	}
	gate = gate_of(p, c, &why);
	if (gate > p->now) {
		release_slot(p, c);
		wait_for(p, c, out, why, gate);
		return;
	}
	h->killed_at = 0;
	if (!h->trial && limit && restarts_in_window(p, h) >= limit) {
		quarantine(p, c, out);
		return;
	}
	if (only_tells(p, c, out))
		return;
	if (!take_slot(p, c)) {
		join_queue(&p->engines[c->engine], c);
		wait_for(p, c, out, WAIT_SLOT, 0);
		return;
	}
	if (h->proven) {
		send(p, c, out);
		return;
	}
	h->waiting = WAIT_PROOF;
	ask(c, out);
}

/* ---- what the engine says of it
 * ---------------------------------------------------------------------------- */

enum verdict {
	VERDICT_PAUSED,
	VERDICT_RESTARTING,
	VERDICT_STOPPED,
	VERDICT_GOOD,
	VERDICT_STARTING,
	VERDICT_NO_CHECK,
	VERDICT_LOOK, /* unhealthy, says the list; only an inspect tells whether a probe said so */
	VERDICT_STALE, /* unhealthy without failing probes enough: pause and exit fake it (moby#46203) */
	VERDICT_SICK,
};

static enum verdict judge(const struct policy_facts *f)
{
	uint32_t retries = f->check_retries ? f->check_retries : 3;

	if (f->paused)
		return VERDICT_PAUSED;
	if (f->restarting)
		return VERDICT_RESTARTING;
	if (!f->running)
		return VERDICT_STOPPED;
	if (f->health == HEALTH_GOOD)
		return VERDICT_GOOD;
	if (f->health == HEALTH_STARTING)
		return VERDICT_STARTING;
	if (f->health == HEALTH_NONE)
		return VERDICT_NO_CHECK;
	if (!f->whole)
		return VERDICT_LOOK;
	if (f->health != HEALTH_BAD)
		return VERDICT_NO_CHECK;
	return f->streak >= retries ? VERDICT_SICK : VERDICT_STALE;
}

static void learn(struct policy *p, struct container *c, const struct policy_facts *f)
{
	c->running = f->running;
	c->paused = f->paused;
	c->restarting = f->restarting;
	if (f->health != HEALTH_UNKNOWN)
		c->health = (uint8_t)f->health;
	if (!f->whole)
		return;
	c->looking = false;
	c->check_retries = (uint16_t)(f->check_retries < UINT16_MAX ? f->check_retries : UINT16_MAX);
	c->check_time = f->check_time;
	c->stop_timeout = f->stop_timeout;
	if (f->running && f->age_ms >= 0 && (uint64_t)f->age_ms < p->now - p->containers.epoch)
		c->started = seconds_of(p, p->now - (uint64_t)f->age_ms);
	else if (f->running && f->age_ms >= 0)
		c->started = 1; /* before us: long enough ago for every start period that begins with us */
}

/* ---- steps: state x event
 * ------------------------------------------------------------------------------------ */

static void ignore(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)c;
	(void)e;
	(void)out;
}

/* Whether what was just seen is an echo of our own restart, trailing its answer. */
static bool is_echo(const struct policy *p, const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && p->now < h->own_until;
}

/* When c is to be looked at that may be sick, or may be on its way to end: how long that may take is
 * its stop timeout, which the engine is asked for at once where it is not known. */
static uint64_t next_look(const struct policy *p, const struct container *c)
{
	uint64_t until = killed_until(c);

	return until > p->now && c->stop_timeout != WATCH_UNSET ? until : p->now;
}

/* A foreign kill: a stop, perhaps, or a signal that the container survives (SPEC 6, intent). */
static void on_kill(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h;

	(void)e;
	(void)out;
	if (is_echo(p, c))
		return;
	h = containers_heal(c->identity);
	if (!h)
		return;
	h->killed_at = p->now;
	if (c->state != STATE_WATCHING)
		return;
	h->look_at = next_look(p, c);
	rest(p, c);
}

/* A foreign stop, or the end of one. */
static void on_stop(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	if (!is_echo(p, c))
		hands_off(p, c, out, false);
}

static void on_pause(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	hands_off(p, c, out, true);
}

/* An exit which nobody asked for is for the engine's restart policy, and for the crash rules where the mode has them. */
static void on_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (is_echo(p, c))
		return;
	if (h && h->killed_at) {
		hands_off(p, c, out, false);
		return;
	}
	if (c->state == STATE_WAITING && h->down_by_us)
		return;
	cancel(p, c, out, SKIP_STOPPED, "Not restarted: it exited by itself");
}

/* Another tool, or a person, restarted it: the cooldown runs from here (SPEC 6). */
static void on_foreign_restart(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = containers_heal(c->identity);

	(void)e;
	if (!h)
		return;
	if (is_echo(p, c)) {
		if (!p->engines[c->engine].asks_first)
			h->own_until = 0; /* the last event of a restart on a Docker engine */
		return;
	}
	h->answered = p->now;
	log_about(out, c, LOG_INFO,
	    "was restarted by somebody else: the cooldown of %llu s runs from now",
	    (unsigned long long)cooldown_of(p, c) / 1000);
}

static void watching_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (!h)
		return;
	h->look_at = h->killed_at ? h->look_at : 0;
	if (!h->open) {
		rest(p, c);
		return;
	}
	if (h->acted) {
		recovered(p, c, out, "healthy");
		return;
	}
	log_about(out, c, LOG_INFO, "is healthy again by itself");
	close_incident(h);
	rest(p, c);
}

/* Something says that c is sick, which is no proof yet: the engine will be asked. */
static void look_soon(struct policy *p, struct container *c)
{
	struct heal *h = containers_heal(c->identity);

	if (!h)
		return;
	if (!h->look_at && !h->open)
		h->detected = p->now;
	h->look_at = next_look(p, c);
	rest(p, c);
}

static void watching_unhealthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	if (e->live && !c->paused && killed_until(c) <= p->now)
		sick(p, c, out, true);
	else
		look_soon(p, c);
}

static void watching_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = judge(e->facts);

	if (verdict == VERDICT_LOOK && e->facts->health == HEALTH_BAD) {
		look_soon(p, c);
		return;
	}
	if (verdict == VERDICT_SICK && killed_until(c) <= p->now) {
		sick(p, c, out, false);
		return;
	}
	if (verdict == VERDICT_GOOD) {
		watching_healthy(p, c, e, out);
		return;
	}
	if (verdict == VERDICT_PAUSED) {
		hands_off(p, c, out, true);
		return;
	}
	if (h && e->facts->whole) {
		h->look_at = killed_until(c) > p->now ? killed_until(c) : 0;
		rest(p, c);
	}
}

static void watching_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (!c->identity->heal)
		return;
	c->identity->heal->look_at = p->now + POLICY_UNSENT_MAX_MS;
	rest(p, c);
}

static void watching_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (h->probation_until && p->now >= h->probation_until) {
		h->probation_until = 0;
		h->failures = 0;
		h->patience = 1;
	}
	if (h->look_at && p->now >= h->look_at) {
		if (killed_until(c) <= p->now)
			h->killed_at = 0; /* it survived the signal */
		go(p, c, STATE_WATCHING, h->probation_until);
		if (!p->stopping)
			ask(c, out);
		return;
	}
	rest(p, c);
}

/* ---- waiting */

static void waiting_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (h->acted) {
		/* our restart helped after all, later than it was given time for */
		recovered(p, c, out, "healthy");
		return;
	}
	begin_probation(p, h, false);
	cancel(p, c, out, SKIP_RECOVERED, "Not restarted: it became healthy by itself");
}

/* Somebody started what our restart left down, or the engine's own restart policy did. */
static void waiting_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	(void)out;
	if (h->down_by_us)
		verify(p, c);
}

static void waiting_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	switch (judge(e->facts)) {
	case VERDICT_SICK:
		h->down_by_us = false;
		h->proven = true;
		break;
	case VERDICT_STOPPED:
		if (!h->acted) {
			cancel(p, c, out, SKIP_STOPPED, "Not restarted: it is not running any more");
			return;
		}
		h->down_by_us = h->proven = true;
		break;
	case VERDICT_PAUSED:
		hands_off(p, c, out, true);
		return;
	case VERDICT_RESTARTING:
		cancel(p, c, out, SKIP_RESTARTING,
		    "Not restarted: the engine's own restart policy is at work on it");
		return;
	case VERDICT_GOOD:
		waiting_healthy(p, c, e, out);
		return;
	case VERDICT_STARTING:
		if (e->facts->whole)
			rest(p, c); /* the incident stays open: its health will tell */
		return;
	case VERDICT_LOOK:
		return;
	case VERDICT_STALE:
	case VERDICT_NO_CHECK:
		cancel(p, c, out, SKIP_STALE,
		    "Not restarted: its unhealthy state does not come from failing probes");
		return;
	}
	if (e->facts->whole && h->waiting == WAIT_PROOF)
		containers_due(&p->containers, c, p->now);
	else
		h->proven = false;
}

static void waiting_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	release_slot(p, c);
	wait_for(p, c, out, WAIT_ENGINE, p->now + POLICY_UNSENT_MAX_MS);
}

static void waiting_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	weigh(p, c, out);
}

/* ---- restarting */

static void restarting_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	h->started = true;
	if (p->engines[c->engine].asks_first)
		h->echo_over = true; /* the last event of Podman's restart */
	if (!h->lost)
		return;
	restarted(c, out, true,
	    "Restarted because it was unhealthy; the answer was lost, its start was seen");
	verify(p, c);
}

static void restarting_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)out;
	c->identity->heal->began = true;
	if (e->has_exit_code && e->exit_code == 128 + 9)
		c->identity->heal->killed_hard = true;
}

/* The first sign that the engine is at work on our request. */
static void restarting_kill(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)e;
	(void)out;
	c->identity->heal->began = true;
}

static void restarting_restarted(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	c->identity->heal->began = true;
	if (!p->engines[c->engine].asks_first)
		c->identity->heal->echo_over = true; /* the last event of a restart; Podman's first */
}

static void restarting_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)p;
	(void)e;
	(void)out;
	h->healthy_again = h->started; /* before its start it speaks of the time before our request */
}

static void done(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;

	restarted(c, out, true,
	    h->start_only ? "Started again: its restart had left it down"
			  : "Restarted because it was unhealthy");
	c->running = true;
	if (h->killed_hard && h->patience < 64)
		h->patience *= 2; /* it had no time to tidy up: give it more for its recovery */
	verify(p, c);
	if (h->healthy_again)
		recovered(p, c, out, "healthy");
}

/* The engine's refusal in its words, and what to do about it. */
static void refused(
    struct policy *p, struct container *c, const struct policy_answer *answer, struct actions *out)
{
	struct heal *h = c->identity->heal;
	char words[200], message[POLICY_MESSAGE_MAX];

	text_escape(answer->message, words, sizeof(words));
	if (answer->status == 403)
		text_print(message, sizeof(message),
		    "The engine's proxy forbids it (403 %s): allow it with POST=1 and CONTAINERS=1, or "
		    "ALLOW_RESTARTS=1",
		    words);
	else
		text_print(message, sizeof(message), "The engine could not %s it (%d): %s",
		    h->start_only ? "start" : "restart", answer->status, words);
	restarted(c, out, false, message);
	release_slot(p, c);
	h->own_until = p->now + POLICY_OWN_ECHO_MS;
	/* an exited container is what our stop left of it; the look before the next try will tell for sure */
	h->down_by_us = !c->running;
	after_failure(p, c);
}

static void unsent(
    struct policy *p, struct container *c, const struct policy_answer *answer, struct actions *out)
{
	static const uint32_t steps[] = {1000, 2000, 4000, 8000};
	struct heal *h = c->identity->heal;
	uint64_t wait = h->unsent < 4 ? steps[h->unsent] : POLICY_UNSENT_MAX_MS;
	char words[160];

	text_escape(answer->message, words, sizeof(words));
	log_about(out, c, LOG_WARNING,
	    "could not be restarted, the request did not reach the engine: %s", words);
	unremember_restart(h);
	c->identity->restarts--;
	h->acted = h->down_by_us;
	h->unsent++;
	go(p, c, STATE_WAITING, 0);
	release_slot(p, c);
	h->waiting = WAIT_ENGINE;
	containers_due(&p->containers, c, p->now + wait);
}

static void restarting_answer(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	const struct policy_answer *answer = e->answer;

	switch (answer->kind) {
	case ANSWER_DONE:
		done(p, c, out);
		return;
	case ANSWER_UNSENT:
		unsent(p, c, answer, out);
		return;
	case ANSWER_LOST:
		/* The engine goes on without us, or never began: what became of it is asked, never sent again blindly. */
		if (h->started) {
			restarted(c, out, true,
			    "Restarted because it was unhealthy; the answer was lost, its start was seen");
			verify(p, c);
			return;
		}
		h->lost = true;
		release_slot(p, c);
		containers_due(&p->containers, c, p->now);
		return;
	case ANSWER_REFUSED:
		break;
	}
	if (answer->status == 404) {
		restarted(c, out, false, "The engine does not know it any more (404)");
		skip(out, c, SKIP_GONE, "Not healed: it is gone");
		close_incident(h);
		c->gone = true;
		rest(p, c);
		return;
	}
	refused(p, c, answer, out);
}

/* The answer was lost: what does the engine say of the container? */
static void settle_lost(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t since = p->now - h->requested;

	/* Its age is by the engine's own clock, whose header shows whole seconds. */
	if (f->running && !f->paused && f->age_ms >= 0 && (uint64_t)f->age_ms <= since + 1000) {
		restarted(c, out, true,
		    "Restarted because it was unhealthy; the answer was lost, the engine says that "
		    "it was started since");
		verify(p, c);
		return;
	}
	if (!f->running && ++h->exits_seen > 1) {
		restarted(
		    c, out, false, "The connection broke before the answer, and it is down now");
		h->down_by_us = true;
		after_failure(p, c);
		return;
	}
	/* A restart begins with a kill, of which the stream would have told long ago. */
	if (f->running && !h->began &&
	    since + POLICY_ANSWER_GRACE_MS >= answer_time(p, c) + POLICY_KILL_GRACE_MS) {
		restarted(c, out, false,
		    "The connection broke before the answer, and the engine has not begun with it");
		after_failure(p, c);
		return;
	}
	containers_due(&p->containers, c, p->now + POLICY_LOOK_AGAIN_MS);
}

static void restarting_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (!e->facts->whole)
		return;
	h->deadline = h->requested + answer_time(p, c);
	if (h->lost)
		settle_lost(p, c, e->facts, out);
	else
		containers_due(&p->containers, c, h->deadline);
}

static void restarting_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (c->identity->heal->lost)
		containers_due(&p->containers, c, p->now + POLICY_LOOK_AGAIN_MS);
}

static void restarting_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	char message[POLICY_MESSAGE_MAX];

	(void)e;
	if (h->lost && p->now < h->deadline) {
		ask(c, out);
		return;
	}
	text_print(message, sizeof(message),
	    "No answer within %llu s; what became of it is read from its events",
	    (unsigned long long)(h->deadline - h->requested) / 1000);
	restarted(c, out, false, message);
	if (!h->lost)
		next_action(out, c, ACTION_ABANDON);
	verify(p, c);
}

/* ---- verifying */

static void verifying_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	recovered(p, c, out, "healthy");
}

static void verifying_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	struct action *a;

	if (is_echo(p, c))
		return;
	if (h->killed_at) {
		hands_off(p, c, out, false);
		return;
	}
	a = tell(out, c, AUDIT_NOT_RECOVERED, "exited",
	    "It exited %llu s after its restart, before it was healthy",
	    (unsigned long long)(p->now - h->answered) / 1000);
	a->level = LOG_WARNING;
	if (e->has_exit_code)
		a->exit_code = e->exit_code;
	failed(p, c);
	if (h->quarantined)
		h->retry_at = p->settings->quarantine_retry ? p->now + p->settings->quarantine_retry
							    : 0;
	close_incident(h);
	rest(p, c);
}

static void verifying_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (p->engines[c->engine].asks_first)
		c->identity->heal->own_until = 0;
}

/* The recovery time is over. */
static void verifying_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)e;
	ask(c, out);
}

static void verifying_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	/* no news: asked again when the time is over, which it may be already */
	if (!c->heap_place)
		containers_due(&p->containers, c, p->now + POLICY_UNSENT_MAX_MS);
}

static void verifying_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = judge(e->facts);
	bool over = !c->heap_place; /* its time is over, and this is what the engine says now */

	if (is_echo(p, c))
		return;
	if (verdict == VERDICT_GOOD) {
		recovered(p, c, out, "healthy");
		return;
	}
	if (verdict == VERDICT_PAUSED) {
		hands_off(p, c, out, true);
		return;
	}
	if (verdict == VERDICT_STOPPED) {
		struct policy_event died = {.kind = EVENT_DIE,
		    .has_exit_code = e->facts->whole,
		    .exit_code = e->facts->exit_code};

		verifying_die(p, c, &died, out);
		return;
	}
	if (!over || !e->facts->whole)
		return;
	if (verdict == VERDICT_NO_CHECK) {
		recovered(p, c, out, "running");
		return;
	}
	tell(out, c, AUDIT_NOT_RECOVERED, "timeout", "Still %s %llu s after its restart",
	    verdict == VERDICT_STARTING ? "starting" : "unhealthy",
	    (unsigned long long)(p->now - h->answered) / 1000)
	    ->level = LOG_WARNING;
	after_failure(p, c);
}

/* ---- quarantined */

static void release(struct policy *p, struct container *c, struct actions *out, bool by_person)
{
	struct heal *h = c->identity->heal;

	tell(out, c, by_person ? AUDIT_UNQUARANTINE : AUDIT_AUTO_UNQUARANTINE, "released",
	    by_person ? "Released from quarantine by a person"
		      : "Released from quarantine: it stayed healthy");
	h->quarantined = false;
	h->failures = 0;
	h->patience = 1;
	h->retry_at = h->healthy_since = h->probation_until = 0;
	if (by_person) {
		memset(h->restarts, 0, sizeof(h->restarts));
		h->answered = 0;
		h->look_at = p->now; /* still sick, it is acted on at once */
		h->detected = p->now;
	}
	rest(p, c);
}

static void quarantined_release(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	release(p, c, out, true);
}

static void quarantined_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (!c->identity->heal->healthy_since)
		c->identity->heal->healthy_since = p->now;
	rest(p, c);
}

static void quarantined_not_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	c->identity->heal->healthy_since = 0;
	rest(p, c);
}

static void quarantined_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)out;
	(void)e;
	c->identity->heal->healthy_since = c->health == HEALTH_NONE ? p->now : 0;
	rest(p, c);
}

static void quarantined_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (h->healthy_since && p->now >= h->healthy_since + p->settings->recovery_timeout) {
		release(p, c, out, false);
		return;
	}
	if (!h->retry_at || p->now < h->retry_at || p->stopping) {
		rest(p, c);
		return;
	}
	h->retry_at = p->settings->quarantine_retry ? p->now + p->settings->quarantine_retry : 0;
	h->trial = true; /* one further try, if it is still sick */
	rest(p, c);
	ask(c, out);
}

static void quarantined_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = judge(e->facts);

	if (verdict == VERDICT_GOOD || verdict == VERDICT_NO_CHECK) {
		quarantined_healthy(p, c, e, out);
		return;
	}
	if (verdict != VERDICT_LOOK && h->healthy_since)
		h->healthy_since = 0;
	if (h->trial && e->facts->whole && verdict == VERDICT_SICK && killed_until(c) <= p->now) {
		open_incident(p, h, false);
		h->proven = true;
		want(p, c);
		return;
	}
	if (e->facts->whole)
		h->trial = false;
	rest(p, c);
}

/* ---- hands off */

static void hands_off_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	rest(p, c);
}

static void hands_off_unpause(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (c->running)
		rest(p, c);
}

/* The list or an inspect knows better than an event that was missed. */
static void hands_off_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)out;
	if (e->facts->running && !e->facts->paused)
		rest(p, c);
}

/* ---- the table
 * --------------------------------------------------------------------------------------------- */

/* Every pair has its function. What the mode on-failure, dependents, storms and own probes add are
 * further events here: a crash is (watching, die), a storm a gate of weigh(), a dependent's heal a
 * `want` of another container. */
static step *const table[STATE_COUNT][EVENT_COUNT] = {
    [STATE_WATCHING] =
	{
	    [EVENT_START] = ignore,
	    [EVENT_DIE] = on_die,
	    [EVENT_STOP] = on_stop,
	    [EVENT_KILL] = on_kill,
	    [EVENT_PAUSE] = on_pause,
	    [EVENT_UNPAUSE] = ignore,
	    [EVENT_RESTARTED] = on_foreign_restart,
	    [EVENT_HEALTHY] = watching_healthy,
	    [EVENT_UNHEALTHY] = watching_unhealthy,
	    [EVENT_FACTS] = watching_facts,
	    [EVENT_LOOK_FAILED] = watching_look_failed,
	    [EVENT_ANSWER] = ignore,
	    [EVENT_DUE] = watching_due,
	    [EVENT_RELEASE] = ignore,
	},
    [STATE_WAITING] =
	{
	    [EVENT_START] = waiting_start,
	    [EVENT_DIE] = on_die,
	    [EVENT_STOP] = on_stop,
	    [EVENT_KILL] = on_kill,
	    [EVENT_PAUSE] = on_pause,
	    [EVENT_UNPAUSE] = ignore,
	    [EVENT_RESTARTED] = on_foreign_restart,
	    [EVENT_HEALTHY] = waiting_healthy,
	    [EVENT_UNHEALTHY] = ignore,
	    [EVENT_FACTS] = waiting_facts,
	    [EVENT_LOOK_FAILED] = waiting_look_failed,
	    [EVENT_ANSWER] = ignore,
	    [EVENT_DUE] = waiting_due,
	    [EVENT_RELEASE] = ignore,
	},
    [STATE_RESTARTING] =
	{
	    [EVENT_START] = restarting_start,
	    [EVENT_DIE] = restarting_die,
	    [EVENT_STOP] = restarting_kill,
	    [EVENT_KILL] = restarting_kill,
	    [EVENT_PAUSE] = ignore,
	    [EVENT_UNPAUSE] = ignore,
	    [EVENT_RESTARTED] = restarting_restarted,
	    [EVENT_HEALTHY] = restarting_healthy,
	    [EVENT_UNHEALTHY] = ignore,
	    [EVENT_FACTS] = restarting_facts,
	    [EVENT_LOOK_FAILED] = restarting_look_failed,
	    [EVENT_ANSWER] = restarting_answer,
	    [EVENT_DUE] = restarting_due,
	    [EVENT_RELEASE] = ignore,
	},
    [STATE_VERIFYING] =
	{
	    [EVENT_START] = verifying_start,
	    [EVENT_DIE] = verifying_die,
	    [EVENT_STOP] = on_stop,
	    [EVENT_KILL] = on_kill,
	    [EVENT_PAUSE] = on_pause,
	    [EVENT_UNPAUSE] = ignore,
	    [EVENT_RESTARTED] = on_foreign_restart,
	    [EVENT_HEALTHY] = verifying_healthy,
	    [EVENT_UNHEALTHY] = ignore,
	    [EVENT_FACTS] = verifying_facts,
	    [EVENT_LOOK_FAILED] = verifying_look_failed,
	    [EVENT_ANSWER] = ignore,
	    [EVENT_DUE] = verifying_due,
	    [EVENT_RELEASE] = ignore,
	},
    [STATE_QUARANTINED] =
	{
	    [EVENT_START] = quarantined_start,
	    [EVENT_DIE] = quarantined_not_healthy,
	    [EVENT_STOP] = quarantined_not_healthy,
	    [EVENT_KILL] = on_kill,
	    [EVENT_PAUSE] = quarantined_not_healthy,
	    [EVENT_UNPAUSE] = ignore,
	    [EVENT_RESTARTED] = on_foreign_restart,
	    [EVENT_HEALTHY] = quarantined_healthy,
	    [EVENT_UNHEALTHY] = quarantined_not_healthy,
	    [EVENT_FACTS] = quarantined_facts,
	    [EVENT_LOOK_FAILED] = ignore,
	    [EVENT_ANSWER] = ignore,
	    [EVENT_DUE] = quarantined_due,
	    [EVENT_RELEASE] = quarantined_release,
	},
    [STATE_HANDS_OFF] =
	{
	    [EVENT_START] = hands_off_start,
	    [EVENT_DIE] = ignore,
	    [EVENT_STOP] = ignore,
	    [EVENT_KILL] = ignore,
	    [EVENT_PAUSE] = ignore,
	    [EVENT_UNPAUSE] = hands_off_unpause,
	    [EVENT_RESTARTED] = on_foreign_restart,
	    [EVENT_HEALTHY] = ignore,
	    [EVENT_UNHEALTHY] = ignore,
	    [EVENT_FACTS] = hands_off_facts,
	    [EVENT_LOOK_FAILED] = ignore,
	    [EVENT_ANSWER] = ignore,
	    [EVENT_DUE] = ignore,
	    [EVENT_RELEASE] = ignore,
	},
};

/* What every event says of the container, whatever the state. */
static void note(struct policy *p, struct container *c, const struct policy_event *e)
{
	switch (e->kind) {
	case EVENT_START:
		c->running = true;
		c->paused = false;
		c->started = seconds_of(p, p->now);
		if (c->health != HEALTH_NONE && c->health != HEALTH_UNKNOWN)
			c->health = HEALTH_STARTING;
		if (c->identity->heal)
			c->identity->heal->killed_at = 0;
		return;
	case EVENT_DIE:
	case EVENT_STOP:
		c->running = false;
		return;
	case EVENT_PAUSE:
	case EVENT_UNPAUSE:
		c->paused = e->kind == EVENT_PAUSE;
		return;
	case EVENT_HEALTHY:
		c->health = HEALTH_GOOD;
		return;
	case EVENT_UNHEALTHY:
		c->health = HEALTH_BAD;
		return;
	case EVENT_FACTS:
		learn(p, c, e->facts);
		return;
	case EVENT_LOOK_FAILED:
		c->looking = false;
		return;
	case EVENT_KILL:
	case EVENT_RESTARTED:
	case EVENT_ANSWER:
	case EVENT_DUE:
	case EVENT_RELEASE:
	case EVENT_COUNT:
		return;
	}
}

void policy_on_event(struct policy *p, struct container *c, const struct policy_event *event,
    uint64_t now, struct actions *out)
{
	p->now = now;
	note(p, c, event);
	table[c->state][event->kind](p, c, event, out);
}

bool policy_run(struct policy *p, uint64_t now, struct actions *out)
{
	static const struct policy_event due = {.kind = EVENT_DUE};
	struct container *c;

	p->now = now;
	while (out->room - out->count >= POLICY_ACTIONS_MAX) {
		c = containers_pop(&p->containers, now);
		if (!c)
			return false;
		table[c->state][EVENT_DUE](p, c, &due, out);
	}
	return containers_next_due(&p->containers) <= now;
}

uint64_t policy_next(const struct policy *p)
{
	return containers_next_due(&p->containers);
}

void policy_init(struct policy *p, const struct settings *settings, uint64_t now, uint64_t seed,
    uint64_t first_incident)
{
	p->settings = settings;
	p->now = p->started = now;
	p->incidents = first_incident;
	containers_init(&p->containers, seed, now);
}

void policy_free(struct policy *p)
{
	containers_free(&p->containers);
}

bool policy_keep(struct policy *p, struct container *c, uint64_t now)
{
	p->now = now;
	if (!c->gone && !c->dropped)
		return true;
	if (c->state == STATE_RESTARTING && !c->identity->heal->lost)
		return true;
	go(p, c, STATE_WATCHING, 0);
	if (c->identity->heal)
		close_incident(c->identity->heal);
	containers_remove(&p->containers, c, now);
	return false;
}

void policy_forget(struct policy *p, struct container *c, bool gone, uint64_t now)
{
	c->gone |= gone;
	c->dropped |= !gone;
	policy_keep(p, c, now);
}

const char *policy_next_action(
    const struct policy *p, const struct container *c, uint64_t *at, const char **why)
{
	const struct heal *h = c->identity->heal;

	if (!c->heap_place || !h)
		return NULL;
	*at = c->due;
	*why = wait_words[h->waiting];
	switch ((enum container_state)c->state) {
	case STATE_WAITING:
		return h->down_by_us ? "start" : "restart";
	case STATE_VERIFYING:
		*why = "its recovery time is over then";
		return "check";
	case STATE_QUARANTINED:
		*why = c->due == h->retry_at ? "one further try out of quarantine"
					     : "it will have stayed healthy";
		return c->due == h->retry_at ? "restart" : "release";
	case STATE_WATCHING:
		if (!h->look_at || c->due != h->look_at)
			return NULL;
		*why = h->killed_at ? wait_words[WAIT_KILL] : wait_words[WAIT_PROOF];
		return "check";
	case STATE_RESTARTING:
	case STATE_HANDS_OFF:
	case STATE_COUNT:
		break;
	}
	(void)p;
	return NULL;
}

const char *policy_state_name(enum container_state state)
{
	static const char *const names[STATE_COUNT] = {
	    "watching", "waiting", "restarting", "verifying", "quarantined", "hands_off"};

	return names[state];
}

const char *policy_health_name(enum container_health health)
{
	static const char *const names[] = {"unknown", "none", "starting", "healthy", "unhealthy"};

	return names[health];
}
