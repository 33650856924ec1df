/* policy_restart.c - PURE: the steps while a request of ours is under way (restarting) and while it is not known
 * whether it helped (verifying); of policy_parts.h. */
#include "policy_parts.h"

/* ---- restarting */

/* The answer was lost, and the stream told of the start all the same. */
static void start_was_seen(struct policy *p, struct container *c, struct actions *out)
{
	policy_restarted(c, out, true, "Restarted; the answer was lost, its start was seen");
	policy_verify(p, c);
}

void step_restarting_start(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	h->started = true;
	if (p->engines[c->engine].asks_first || h->start_only)
		h->echo_over = true; /* the last event of Podman's restart, and of any start */
	if (h->lost && !h->stop_only)
		start_was_seen(p, c, out);
}

void step_restarting_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)p;
	(void)out;
	h->began = true;
	h->exit_code = e->has_exit_code ? e->exit_code : 0;
	if (e->has_exit_code && e->exit_code == 128 + 9 && !h->started && !h->kill_first)
		h->killed_hard = true;
	h->died_again = h->started; /* not the end of the stop, but of what was started */
	h->healthy_again = false;
}

/* The first sign that the engine is at work on our request. */
void step_restarting_kill(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)e;
	(void)out;
	c->identity->heal->began = true;
}

void step_restarting_restarted(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	c->identity->heal->began = true;
	if (!p->engines[c->engine].asks_first)
		c->identity->heal->echo_over = true; /* the last event of a restart; Podman's first */
}

void step_restarting_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)p;
	(void)e;
	(void)out;
	h->healthy_again = h->started; /* before its start it speaks of the time before our request */
}

/* It exited before it was healthy: the heal did not help. e may be NULL: the exit was seen earlier. */
static void exited(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	struct action *a;

	a = policy_tell(out, c, AUDIT_NOT_RECOVERED, "exited",
	    "It exited %llu s after its restart, before it was healthy",
	    (unsigned long long)(p->now - h->answered) / 1000);
	a->level = LOG_WARNING;
	if (e && e->has_exit_code)
		a->exit_code = e->exit_code;
	if (!policy_parent_is_busy(p, c)) /* else it fell with that, and follows it */
		policy_failed(p, c);
	if (h->quarantined)
		h->retry_at = policy_next_trial(p);
	policy_close_incident(h);
	policy_rest(p, c);
}

/* It exited by itself, as an event told: it is started again, unless that is the engine's business. */
static void exited_by_itself(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	exited(p, c, e, out);
	policy_exited(p, c, e, out);
	if (c->state == STATE_QUARANTINED)
		c->identity->heal->look_at = 0;
}

/* What was done about its trouble. */
static void told(struct container *c, struct actions *out, const char *did, const char *more)
{
	char words[160];

	text_print(
	    words, sizeof(words), "%s because %s%s", did, policy_because(c->identity->heal), more);
	policy_restarted(c, out, true, words);
}

/* It was stopped, as its label wants, and is left so. */
static void stopped(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;

	told(c, out, "Stopped", ", as its label autoheal.action=stop wants");
	policy_close_incident(h);
	h->answered = p->now;
	h->own_until = p->now + POLICY_OWN_ECHO_MS;
	h->look_at = h->probation_until = 0;
	policy_log_about(out, c, LOG_INFO, "is left alone until it is started");
	policy_go(p, c, STATE_HANDS_OFF, 0);
}

/* It was killed, as its label wants: once that is seen to have ended it, it is started. */
static void killed(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;

	told(c, out, "Killed", ", as its label autoheal.action=kill wants");
	if (h->started && c->running) {
		policy_verify(p, c); /* somebody else has started it */
		return;
	}
	h->own_until = p->now + POLICY_OWN_ECHO_MS;
	h->half_done = h->down_by_us = true;
	h->proven = !c->running;
	h->waiting = WAIT_NOTHING;
	policy_go(p, c, STATE_WAITING, c->running ? p->now + POLICY_KILL_GRACE_MS : p->now);
}

static const char *done_words(const struct heal *h)
{
	if (h->manual && !h->start_only)
		return "Restarted because a person asked for it";
	if (h->half_done)
		return h->resumed ? "Started: its restart was cut off when autoheal ended"
				  : "Started again after it was killed";
	return h->cause == CAUSE_CRASH ? "Started again: it had crashed"
				       : "Started again: its restart had left it down";
}

static void done(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	struct policy_event died = {
	    .kind = EVENT_DIE, .has_exit_code = true, .exit_code = h->exit_code};

	if (h->stop_only) {
		stopped(p, c, out);
		return;
	}
	if (h->kill_first) {
		killed(p, c, out);
		return;
	}
	if (h->start_only || h->manual)
		policy_restarted(c, out, true, done_words(h));
	else
		told(c, out, "Restarted", "");
	if (!h->died_again)
		c->started = policy_seconds_of(p, p->now + 999);
	if (!h->started)
		policy_begins_anew(c); /* the answer is ahead of the stream */
	if (h->killed_hard && h->patience < 64)
		h->patience *= 2; /* it had no time to tidy up: give it more for its recovery */
	policy_verify(p, c);
	if (h->died_again)
		exited_by_itself(p, c, &died, out);
	else if (h->healthy_again)
		policy_recovered(p, c, out, "healthy");
}

/* What a person asked for was not done: what was there before goes on. refused: the engine may have stopped it all
 * the same, which a look will tell once its events are through. */
static void manual_failed(struct policy *p, struct container *c, bool refused_it)
{
	struct heal *h = c->identity->heal;

	policy_failed(p, c);
	policy_release_slot(p, c);
	if (!h->by_person) {
		policy_want(p, c);
		return;
	}
	policy_close_incident(h);
	if (refused_it) {
		h->down_by_us = true; /* until it is seen running */
		h->look_at = p->now + POLICY_OWN_ECHO_MS;
	}
	if (!refused_it && !h->quarantined && (!c->running || c->paused))
		policy_go(p, c, STATE_HANDS_OFF, 0);
	else
		policy_rest(p, c);
}

/* The engine's refusal in its words, and what to do about it. */
static void refused(
    struct policy *p, struct container *c, const struct policy_answer *answer, struct actions *out)
{
	struct heal *h = c->identity->heal;
	char words[200], message[POLICY_MESSAGE_MAX];

	text_escape(answer->message, words, sizeof(words));
	/* the list was allowed, so CONTAINERS=1 is there; Tecnativa's heeds ALLOW_... only beside POST=1 */
	if (answer->status == 403)
		text_print(message, sizeof(message),
		    "A proxy before the engine forbids to %s it (403, %s): give the proxy POST=1, or "
		    "ALLOW_%s=1 where that alone suffices, as with linuxserver's",
		    policy_asked_word(h), words, h->start_only ? "START" : "RESTARTS");
	else
		text_print(message, sizeof(message), "The engine could not %s it (%d): %s",
		    policy_asked_word(h), answer->status, words);
	policy_restarted(c, out, false, message);
	policy_release_slot(p, c);
	h->own_until = p->now + POLICY_OWN_ECHO_MS;
	h->half_done = false;
	if (h->stop_only) {
		policy_after_failure(p, c);
		return;
	}
	h->may_be_down = true;
	/* an exited container is what our stop left of it; the look before the next try will tell for sure */
	h->down_by_us = !c->running;
	if (h->manual) {
		manual_failed(p, c, true);
	} else if (h->bond && c->running) {
		policy_failed(p, c);
		policy_close_incident(h); /* as well as before; stranded, the next audit finds it */
		policy_rest(p, c);
	} else {
		policy_after_failure(p, c);
	}
}

static void unsent(
    struct policy *p, struct container *c, const struct policy_answer *answer, struct actions *out)
{
	static const uint32_t steps[] = {1000, 2000, 4000, 8000};
	struct heal *h = c->identity->heal;
	uint64_t wait = h->unsent < 4 ? steps[h->unsent] : POLICY_UNSENT_MAX_MS;
	char words[160];

	text_escape(answer->message, words, sizeof(words));
	if (h->manual) {
		char message[POLICY_MESSAGE_MAX];

		text_print(
		    message, sizeof(message), "The request did not reach the engine: %s", words);
		c->identity->restarts--;
		policy_restarted(c, out, false, message);
		h->acted = h->down_by_us;
		manual_failed(p, c, false);
		return;
	}
	policy_log_about(out, c, LOG_WARNING,
	    "could not be restarted, the request did not reach the engine: %s", words);
	if (!h->half_done) {
		if (!policy_is_dependent(h))
			policy_unremember_restart(h);
		c->identity->restarts--;
	}
	h->acted = h->down_by_us;
	h->unsent++;
	policy_go(p, c, STATE_WAITING, 0);
	policy_release_slot(p, c);
	h->waiting = WAIT_ENGINE;
	containers_due(&p->containers, c, p->now + wait);
}

void step_restarting_answer(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	const struct policy_answer *answer = e->answer;
	char other[65];

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
			start_was_seen(p, c, out);
			return;
		}
		h->lost = true;
		policy_release_slot(p, c);
		containers_due(&p->containers, c, p->now);
		return;
	case ANSWER_REFUSED:
		break;
	}
	if (policy_names_another(c, answer->message, other)) {
		policy_restarted(c, out, false,
		    "The engine could not start it: what it shares the network of is gone");
		h->own_until = p->now + POLICY_OWN_ECHO_MS;
		policy_failed(p, c);
		policy_orphaned(p, c, out, other);
		return;
	}
	if (answer->status == 404) {
		policy_restarted(c, out, false, "The engine does not know it any more (404)");
		policy_skip(out, c, SKIP_GONE, "Not healed: it is gone");
		policy_close_incident(h);
		c->gone = true;
		policy_rest(p, c);
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

	if (h->resumed && !f->running && !f->stopping && policy_is_left_down(p, c, f, out))
		return;
	if (!f->running && !f->stopping && (h->stop_only || h->kill_first)) {
		if (h->stop_only)
			stopped(p, c, out);
		else
			killed(p, c, out);
		return;
	}
	/* Its age is by the engine's own clock, whose header cuts to whole seconds: it never looks older than it is. */
	if (f->running && !f->paused && f->age_ms >= 0 && (uint64_t)f->age_ms <= since) {
		policy_restarted(c, out, true,
		    "Restarted; the answer was lost, the engine says that it was started since");
		policy_verify(p, c);
		h->started = true; /* so a `healthy` from here on is no echo of the time before */
		if (f->health == HEALTH_GOOD)
			policy_recovered(
			    p, c, out, "healthy"); /* told while nobody listened, perhaps */
		return;
	}
	if (!f->running && !f->stopping && ++h->exits_seen > 1) {
		policy_restarted(
		    c, out, false, "The connection broke before the answer, and it is down now");
		h->down_by_us = h->may_be_down = true;
		policy_after_failure(p, c);
		return;
	}
	/* A restart begins with a kill, of which the stream would have told long ago. */
	if (f->running && !h->began &&
	    since + POLICY_ANSWER_GRACE_MS >= policy_answer_time(p, c) + POLICY_KILL_GRACE_MS) {
		policy_restarted(c, out, false,
		    "The connection broke before the answer, and the engine has not begun with it");
		policy_after_failure(p, c);
		return;
	}
	containers_due(&p->containers, c, p->now + POLICY_LOOK_AGAIN_MS);
}

void step_restarting_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (!e->facts->whole)
		return;
	h->deadline = h->requested + policy_answer_time(p, c);
	if (h->lost)
		settle_lost(p, c, e->facts, out);
	else
		containers_due(&p->containers, c, h->deadline);
}

void step_restarting_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	if (c->identity->heal->lost)
		containers_due(&p->containers, c, p->now + POLICY_LOOK_AGAIN_MS);
}

void step_restarting_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	char message[POLICY_MESSAGE_MAX];

	(void)e;
	if (h->lost && (p->now < h->deadline || h->resumed)) {
		policy_ask(c, out);
		return;
	}
	text_print(message, sizeof(message),
	    "No answer within %llu s; what became of it is read from its events",
	    (unsigned long long)(h->deadline - h->requested) / 1000);
	policy_restarted(c, out, false, message);
	if (!h->lost)
		policy_add_action(out, c, ACTION_ABANDON);
	policy_verify(p, c);
	h->own_until = p->now + policy_recovery_time(p, c);
	h->late = true;
}

/* ---- verifying */

void step_verifying_healthy(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	const struct heal *h = c->identity->heal;

	(void)e;
	/* the answer may be ahead of the stream: before its start it speaks of the time before our request */
	if (policy_is_echo(p, c, e) && !h->late && !h->started)
		return;
	policy_recovered(p, c, out, "healthy");
}

/* It is down while its heal is to be proven. false: that is dealt with. */
static bool ended(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (h->stop_only && h->late) {
		policy_hands_off(p, c, out, false); /* our stop, long after its deadline */
		return false;
	}
	if (h->kill_first && h->late) {
		h->down_by_us = h->may_be_down = true;
		policy_after_failure(p, c);
		return false;
	}
	if (policy_is_echo(p, c, e))
		return false;
	if (policy_is_killed(p, c, e)) {
		policy_hands_off(p, c, out, false);
		return false;
	}
	return true;
}

void step_verifying_die(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	if (ended(p, c, e, out))
		exited_by_itself(p, c, e, out);
}

/* Its start is seen: the last event of Podman's restart, after which nothing is an echo of ours. */
void step_echo_ends(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;

	(void)e;
	(void)out;
	if (!h)
		return;
	h->started = true;
	if (p->engines[c->engine].asks_first || h->start_only)
		h->own_until = 0;
}

/* The recovery time is over. */
void step_verifying_due(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)p;
	(void)e;
	policy_ask(c, out);
}

void step_verifying_look_failed(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	(void)e;
	(void)out;
	/* no news: asked again when the time is over, which it may be already */
	if (!c->heap_place)
		containers_due(&p->containers, c, p->now + POLICY_UNSENT_MAX_MS);
}

void step_verifying_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = c->identity->heal;
	enum verdict verdict = policy_judge(e->facts);
	bool over = !c->heap_place; /* its time is over, and this is what the engine says now */

	if (policy_is_echo(p, c, e) && verdict != VERDICT_GOOD) {
		if (over)
			containers_due(&p->containers, c, c->identity->heal->own_until);
		return;
	}
	if (verdict == VERDICT_GOOD) {
		policy_recovered(p, c, out, "healthy");
		return;
	}
	if (verdict == VERDICT_PAUSED) {
		policy_hands_off(p, c, out, true);
		return;
	}
	if (verdict == VERDICT_STOPPED) {
		struct policy_event died = {.kind = EVENT_DIE,
		    .has_exit_code = e->facts->whole,
		    .exit_code = e->facts->exit_code};

		if (ended(p, c, &died, out))
			exited(p, c, &died, out);
		return;
	}
	if (!over || !e->facts->whole)
		return;
	if (verdict == VERDICT_NO_CHECK) {
		policy_recovered(p, c, out, "running");
		return;
	}
	policy_heal_timed_out(c);
	policy_tell(out, c, AUDIT_NOT_RECOVERED, "timeout", "Still %s %llu s after its restart",
	    c->down                                                  ? "down"
		: verdict == VERDICT_STARTING && c->word != WORD_BAD ? "starting"
								     : "unhealthy",
	    (unsigned long long)(p->now - h->answered) / 1000)
	    ->level = LOG_WARNING;
	policy_after_failure(p, c);
}
