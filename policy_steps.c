/* policy_steps.c - PURE: the steps of the states in which no request of ours is under way: watching, waiting,
 * quarantined, hands off; of policy_parts.h. */
#include <string.h>

#include "policy_parts.h"

/* ---- what the engine says of it ---------------------------------------------------------- */

enum verdict policy_judge(const struct policy_facts *f)
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

void policy_learn(struct policy *p, struct container *c, const struct policy_facts *f)
{
	struct heal *h = c->identity->heal;

	/* seen running since, it is not our failed request that left it down */
	if (h && f->running && c->state != STATE_RESTARTING) {
		h->may_be_down = h->down_by_us = h->unseen = false;
		h->crashed_at = 0;
	}
	/* no event told of its exit: one may be on its way */
	if (c->running && !f->running && c->state == STATE_WATCHING &&
	    (h = containers_heal(c->identity))) {
		h->unseen = true;
		h->look_at = p->now + POLICY_UNSEEN_MS;
	}
	/* its health begins anew: it was started, and no event told when */
	if (f->health == HEALTH_STARTING && (c->health == HEALTH_GOOD || c->health == HEALTH_BAD))
		c->started = 0;
	c->running = f->running;
	c->paused = f->paused;
	c->restarting = f->restarting;
	if (f->health != HEALTH_UNKNOWN)
		c->health = (uint8_t)f->health;
	if (!f->whole) {
		c->silent = f->running && !f->paused && !f->restarting && f->health == HEALTH_UNKNOWN;
		return;
	}
	c->looking = false;
	if (!c->word)
		c->check_time = f->check_time;
	c->stop_timeout = f->stop_timeout;
	if (!f->running)
		return;
	if (h && !policy_kill_ahead(p, c))
		h->killed_at = 0; /* it survived the signal */
	/* an age that is not told counts as long ago: no start period hangs on it */
	if (f->age_ms >= 0 && (uint64_t)f->age_ms < p->now - p->containers.epoch)
		c->started = policy_seconds_of(p, p->now - (uint64_t)f->age_ms + 999);
	else if (!c->started)
		c->started = 1;
}

/* ---- steps: state x event ---------------------------------------------------------------- */

void step_ignore(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)c;
	(void)e;
	(void)out;
}

/* Whether what was just seen is an echo of our own restart, trailing its answer, be it told again after a cut. */
bool policy_is_echo(const struct policy *p, const struct container *c, const struct policy_event *e)
{
	const struct heal *h = c->identity->heal;
	uint64_t at = e->happened ? e->happened : p->now;

	return h && at < h->own_until;
}

/* Whether an exit follows a foreign kill so soon that the kill caused it. */
bool policy_is_killed(const struct policy *p, const struct container *c, const struct policy_event *e)
{
	return policy_killed_until(c) >= (e->happened ? e->happened : p->now);
}

/* When c is to be looked at that may be sick, or may be on its way to end: how long that may take is
 * its stop timeout, which the engine is asked for at once where it is not known. */
static uint64_t next_look(const struct policy *p, const struct container *c)
{
	uint64_t until = policy_kill_ahead(p, c);

	return until && c->stop_timeout != WATCH_UNSET ? until : p->now;
}

/* A foreign kill: a stop, perhaps, or a signal that the container survives. */
void step_on_kill(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h;

	(void)e;
	(void)out;
	h = containers_heal(c->identity);
	/* a request of ours that nobody answered may begin at last; so may a stop by somebody else */
	if (!h || (policy_is_echo(p, c, e) && !h->late))
		return;
	h->killed_at = p->now;
	if (c->state != STATE_WATCHING)
		return;
	h->look_at = next_look(p, c);
	policy_rest(p, c);
}

/* A foreign stop, or the end of one. */
void step_on_stop(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	if (!policy_is_echo(p, c, e))
		policy_hands_off(p, c, out, false);
}

void step_on_pause(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	policy_hands_off(p, c, out, true);
}

/* An exit which nobody asked for is for the engine's restart policy, or a crash. */
void step_on_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (c->state == STATE_WAITING && h->half_done) {
		h->down_by_us = h->proven = true;
		policy_want(p, c); /* our kill has ended it */
		return;
	}
	if (policy_is_echo(p, c, e))
		return;
	if (policy_is_killed(p, c, e)) {
		policy_hands_off(p, c, out, false);
		return;
	}
	if (c->state == STATE_WAITING && (h->down_by_us || h->bond == BOND_NETWORK))
		return;
	policy_cancel(p, c, out, SKIP_STOPPED, "Not restarted: it exited by itself");
	policy_exited(p, c, e, out);
}

/* Another tool, or a person, restarted it: the cooldown runs from here. */
void step_on_foreign_restart(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = containers_heal(c->identity);

	(void)e;
	if (!h)
		return;
	if (policy_is_echo(p, c, e)) {
		if (h->late)
			h->answered = p->now; /* whoever's it was */
		if (p->engines[c->engine].asks_first)
			return; /* the first event of Podman's restart */
		h->late = false;
		h->own_until = 0; /* the last one on a Docker engine */
		return;
	}
	h->answered = p->now;
	h->given_until = p->now + policy_recovery_time(p, c);
	policy_log_about(out, c, LOG_INFO,
	    "was restarted by somebody else: the cooldown of %llu s runs from now",
	    (unsigned long long)policy_cooldown_of(p, c) / 1000);
	policy_rival(p, c, out);
}

void step_watching_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	step_echo_ends(p, c, e, out);
	policy_came_up(p, c, out);
}

void step_watching_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (!h)
		return;
	h->look_at = policy_kill_ahead(p, c);
	h->given_until = 0;
	policy_late_ends(h);
	if (h->failures && !h->probation_until && !h->open && !h->quarantined)
		policy_begin_probation(p, h, false); /* whoever made it healthy */
	if (!h->open) {
		policy_rest(p, c);
		return;
	}
	if (h->acted) {
		policy_recovered(p, c, out, "healthy");
		return;
	}
	policy_cancel(p, c, out, SKIP_RECOVERED,
	    h->cause == CAUSE_VERDICT ? "The outside monitor says that it is up again"
				      : "Healthy again by itself");
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
	policy_rest(p, c);
}

void step_watching_unhealthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	if (e->live && c->running && !c->paused && !policy_kill_ahead(p, c))
		policy_sick(p, c, out, true);
	else
		look_soon(p, c);
}

void step_watching_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = policy_judge(e->facts);

	if (verdict == VERDICT_LOOK && e->facts->health == HEALTH_BAD) {
		look_soon(p, c);
		return;
	}
	if (verdict == VERDICT_SICK && !policy_kill_ahead(p, c)) {
		policy_sick(p, c, out, false);
		return;
	}
	h = c->identity->heal;
	if (verdict == VERDICT_STOPPED && policy_found_down(p, c, e->facts, out))
		return;
	if (verdict == VERDICT_STOPPED && e->facts->whole && h && h->down_by_us) {
		policy_open_incident(p, h, false);
		h->look_at = 0;
		h->proven = true;
		policy_want(p, c); /* what our restart left down */
		return;
	}
	if (verdict == VERDICT_GOOD) {
		step_watching_healthy(p, c, e, out);
		return;
	}
	if (verdict == VERDICT_PAUSED) {
		policy_hands_off(p, c, out, true);
		return;
	}
	if (h && e->facts->whole) {
		h->look_at = policy_kill_ahead(p, c);
		policy_rest(p, c);
	}
}

void step_watching_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (!c->identity->heal)
		return;
	c->identity->heal->look_at = p->now + POLICY_UNSENT_MAX_MS;
	policy_rest(p, c);
}

void step_watching_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (h->probation_until && p->now >= h->probation_until) {
		h->probation_until = 0;
		h->failures = 0;
		h->patience = 1;
		p->changes++;
	}
	policy_stays_up(p, c, out);
	if (h->look_at && p->now >= h->look_at) {
		policy_go(
		    p, c, STATE_WATCHING, h->probation_until ? h->probation_until : h->stays_up);
		if (!p->stopping)
			policy_ask(c, out);
		return;
	}
	policy_rest(p, c);
}

/* ---- waiting */

void step_waiting_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	if (h->bond)
		return; /* that is not why it is restarted */
	if (h->half_done)
		return; /* likely told before our kill has ended it; else its exit does not come, and it is looked at */
	if (h->acted) {
		/* our restart helped after all, later than it was given time for */
		policy_recovered(p, c, out, "healthy");
		return;
	}
	if (h->quarantined)
		h->healthy_since = p->now;
	else
		policy_begin_probation(p, h, false);
	policy_cancel(p, c, out, SKIP_RECOVERED,
	    h->cause == CAUSE_VERDICT ? "Not restarted: the outside monitor says that it is up again"
				      : "Not restarted: it became healthy by itself");
}

/* Somebody started what our restart left down, or the engine's own restart policy did. */
void step_waiting_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (h->bond && !h->down_by_us && !policy_is_echo(p, c, e)) {
		policy_cancel(p, c, out, SKIP_RECOVERED, "Not restarted: it has had its new start");
		policy_came_up(p, c, out);
		return;
	}
	if (h->cause == CAUSE_CRASH && !h->acted) {
		policy_cancel(p, c, out, SKIP_RECOVERED, "Not started: somebody else did");
		policy_came_up(p, c, out);
		h->answered = p->now;
		return;
	}
	if (!policy_is_down_for_us(h))
		return;
	policy_verify(p, c);
	h->own_until = 0; /* not our start: what follows is no echo of ours */
	h->started = true;
}

void step_waiting_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = policy_judge(e->facts);

	if (h->bond) {
		policy_bond_facts(p, c, e, out);
		return;
	}
	if (h->half_done && verdict != VERDICT_STOPPED && h->waiting != WAIT_PROOF)
		return; /* it speaks of the time before our kill has ended it */
	if (h->cause == CAUSE_CRASH && (verdict == VERDICT_STARTING || verdict == VERDICT_NO_CHECK)) {
		/* it runs again, and no event told */
		if (!h->acted)
			policy_cancel(p, c, out, SKIP_RECOVERED, "Not started: it runs again");
		else
			policy_verify(p, c);
		return;
	}
	switch (verdict) {
	case VERDICT_SICK:
		h->half_done = h->down_by_us = false;
		h->proven = true;
		break;
	case VERDICT_STOPPED:
		if (h->crashed_at && !h->down_by_us && e->facts->whole &&
		    !policy_crash_is_ours(c, e->facts, out)) {
			policy_cancel(p, c, out, SKIP_STOPPED, policy_left_words(c));
			return;
		}
		if (!h->may_be_down && !policy_is_down_for_us(h)) {
			policy_cancel(
			    p, c, out, SKIP_STOPPED, "Not restarted: it is not running any more");
			return;
		}
		h->down_by_us |= !h->crashed_at;
		h->proven = true;
		break;
	case VERDICT_PAUSED:
		policy_hands_off(p, c, out, true);
		return;
	case VERDICT_RESTARTING:
		policy_cancel(p, c, out, SKIP_RESTARTING,
		    "Not restarted: the engine's own restart policy is at work on it");
		return;
	case VERDICT_GOOD:
		step_waiting_healthy(p, c, e, out);
		return;
	case VERDICT_STARTING:
		if (e->facts->whole)
			policy_rest(p, c); /* the incident stays open: its health will tell */
		return;
	case VERDICT_LOOK:
		if (h->waiting == WAIT_ENGINE)
			containers_due(&p->containers, c, p->now); /* it answers again */
		return;
	case VERDICT_STALE:
	case VERDICT_NO_CHECK:
		policy_cancel(p, c, out, SKIP_STALE,
		    "Not restarted: its unhealthy state does not come from failing probes");
		return;
	}
	if (e->facts->whole && h->waiting == WAIT_PROOF)
		containers_due(&p->containers, c, p->now);
	else
		h->proven = false;
}

void step_waiting_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	if (c->identity->heal->waiting != WAIT_PROOF)
		return; /* it was asked for something else: what is waited for has its own time */
	policy_release_slot(p, c);
	policy_wait_for(p, c, out, WAIT_ENGINE, p->now + POLICY_UNSENT_MAX_MS);
}

void step_waiting_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	policy_weigh(p, c, out);
}

/* ---- quarantined */

/* What every end of a quarantine forgives. */
static void end_quarantine(struct heal *h)
{
	h->quarantined = h->trial = false;
	h->failures = 0;
	h->patience = 1;
	h->retry_at = h->healthy_since = 0;
}

/* A person's word clears the window as well. */
static void end_by_person(struct container *c, struct actions *out)
{
	policy_tell(out, c, AUDIT_UNQUARANTINE, "released", "Released from quarantine by a person");
	end_quarantine(c->identity->heal);
	memset(c->identity->heal->restarts, 0, sizeof(c->identity->heal->restarts));
}

/* A person ends the quarantine while its further try is on its way. */
void step_release_trial(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)e;
	if (c->identity->heal && c->identity->heal->quarantined)
		end_by_person(c, out);
}

void step_quarantined_release(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	end_by_person(c, out);
	h->answered = h->probation_until = 0;
	h->look_at = h->detected = p->now; /* still sick, it is acted on at once */
	policy_rest(p, c);
}

void step_quarantined_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (!c->identity->heal->healthy_since)
		c->identity->heal->healthy_since = p->now;
	policy_rest(p, c);
}

void step_quarantined_not_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	c->identity->heal->healthy_since = 0;
	policy_rest(p, c);
}

/* Exited by itself it is started again by the next further try; killed or stopped by a person it is not. */
void step_quarantined_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (policy_is_echo(p, c, e))
		return;
	if (e->kind == EVENT_STOP) {
		h->crashed_at = 0;
		h->ended = false;
		h->killed_at = p->now; /* newer engines tell its exit after that */
	} else if (!policy_is_killed(p, c, e))
		policy_exited(p, c, e, out);
	h->look_at = 0;
	step_quarantined_not_healthy(p, c, e, out);
}

void step_quarantined_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	step_echo_ends(p, c, e, out);
	policy_came_up(p, c, out);
	c->identity->heal->healthy_since = policy_health(c) == HEALTH_NONE ? p->now : 0;
	policy_rest(p, c);
}

void step_quarantined_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t until;

	(void)e;
	if (h->healthy_since && p->now >= h->healthy_since + p->settings->recovery_timeout) {
		policy_tell(out, c, AUDIT_AUTO_UNQUARANTINE, "released",
		    "Released from quarantine: it stayed healthy");
		end_quarantine(h);
		h->probation_until = 0;
		policy_rest(p, c);
		return;
	}
	if (p->stopping) {
		policy_go(p, c, STATE_QUARANTINED, 0);
		return;
	}
	if (!h->retry_at || p->now < h->retry_at || policy_hold(p, c, &until)) {
		policy_rest(p, c);
		return;
	}
	h->retry_at = policy_next_trial(p);
	h->trial = true; /* one further try, if it is still sick */
	policy_rest(p, c);
	policy_ask(c, out);
}

void step_quarantined_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	(void)out;
	if (h->trial)
		h->retry_at = p->now + POLICY_UNSENT_MAX_MS; /* the further try is still due */
	h->trial = false;
	policy_rest(p, c);
}

static bool is_to_be_started(struct container *c, const struct policy_facts *f, struct actions *out)
{
	const struct heal *h = c->identity->heal;

	return h->down_by_us || (h->crashed_at && policy_crash_is_ours(c, f, out));
}

void step_quarantined_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = policy_judge(e->facts);

	if (verdict == VERDICT_GOOD || verdict == VERDICT_NO_CHECK) {
		step_quarantined_healthy(p, c, e, out);
		return;
	}
	if (verdict != VERDICT_LOOK && h->healthy_since)
		h->healthy_since = 0;
	if (h->trial && h->crashed_at && p->now < h->crashed_at + POLICY_CRASH_MS) {
		h->retry_at = h->crashed_at + POLICY_CRASH_MS; /* a stop may follow its exit */
		h->trial = false;
	}
	if (h->trial && e->facts->whole && !policy_kill_ahead(p, c) &&
	    ((verdict == VERDICT_SICK && policy_heals_sick(p, c)) ||
		(verdict == VERDICT_STOPPED && is_to_be_started(c, e->facts, out)))) {
		policy_open_incident(p, h, false);
		if (verdict == VERDICT_STOPPED && h->crashed_at)
			h->cause = CAUSE_CRASH;
		h->proven = true;
		policy_want(p, c);
		return;
	}
	if (e->facts->whole)
		h->trial = false;
	policy_rest(p, c);
}

/* ---- hands off */

void step_hands_off_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	policy_came_up(p, c, out);
	policy_rest(p, c);
}

/* What the list had shown is told after all. */
void step_hands_off_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (!h || h->left != LEFT_UNSEEN)
		return;
	h->left = LEFT_NOTHING;
	if (e->kind == EVENT_DIE)
		step_on_die(p, c, e, out);
}

void step_hands_off_unpause(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (c->running)
		policy_rest(p, c);
}

/* The list or an inspect knows better than an event that was missed. */
void step_hands_off_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)out;
	if (e->facts->running && !e->facts->paused)
		policy_rest(p, c);
}
