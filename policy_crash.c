/* policy_crash.c - PURE: containers that exit by themselves: whose business that is, the engine's crash loops, and
 * other healers; of policy_parts.h. */
#include "policy_parts.h"

/* AUTOHEAL_RESTART_MODE. Nobody wants every one-shot job of the host started again: who is watched by INCLUDE or
 * `all` alone is healed for its health, unless the mode was set. */
static enum restart_mode mode_of(const struct policy *p, const struct container *c)
{
	return c->health_only && !config_mode_is_set(p->settings) ? MODE_HEALTH : p->settings->mode;
}

bool policy_heals_sick(const struct policy *p, const struct container *c)
{
	return mode_of(p, c) != MODE_ON_FAILURE;
}

/* What is down is to be started: our restart left it so, or it crashed. */
bool policy_is_down_for_us(const struct heal *h)
{
	return h->down_by_us || h->crashed_at;
}

static const char *const left_words[] = {
    [LEFT_UNSEEN] = "stopped while nobody watched",
    [LEFT_ENDED] = "ended by itself, with exit code 0",
    [LEFT_TO_ENGINE] = "exited; its own restart policy is at work on it, or was ended with it",
    [LEFT_REMOVED] = "exited; it was run with --rm",
    [LEFT_PODMAN] = "exited, and Podman does not tell a crash from a stop by a person",
    [LEFT_MODE] = "exited, and only its health is healed: AUTOHEAL_RESTART_MODE says so",
    [LEFT_LABEL] = "exited, and its label autoheal.action=stop wants it down",
};

const char *policy_left_words(const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && !c->running ? left_words[h->left] : NULL;
}

/* out: NULL where nothing is to be said. */
static void leave(struct container *c, struct actions *out, enum heal_left left)
{
	struct heal *h = c->identity->heal;

	h->left = (uint8_t)left;
	h->crashed_at = 0;
	if (left != LEFT_ENDED && out)
		policy_log_about(
		    out, c, LOG_INFO, "is left alone until it is started: %s", left_words[left]);
}

/* It exited, and nobody was seen to stop it. What more there is to know is looked at when a `stop` would have
 * followed. Rests where it is. */
void policy_exited(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out)
{
	struct heal *h = containers_heal(c->identity);

	if (!h)
		return;
	h->ended = true;
	h->stays_up = 0;
	h->exit_code = e->exit_code;
	if (policy_parent_is_busy(p, c))
		out = NULL; /* it fell with that, and is to follow it */
	if (h->orphan) {
		h->crashed_at = 0; /* nobody can start it, which was told */
	} else if (!e->has_exit_code || !e->exit_code) {
		leave(c, out, LEFT_ENDED);
	} else if (p->engines[c->engine].asks_first) {
		leave(c, out, LEFT_PODMAN);
	} else if (mode_of(p, c) == MODE_HEALTH) {
		leave(c, out, LEFT_MODE);
	} else {
		h->left = LEFT_NOTHING;
		h->crashed_at = e->happened ? e->happened : p->now;
		h->look_at = h->crashed_at + POLICY_CRASH_MS;
	}
	policy_rest(p, c);
}

static bool engine_gave_up(const struct policy_facts *f)
{
	if (f->restart_policy == RESTARTS_NEVER || f->start_failed)
		return true;
	return f->restart_policy == RESTARTS_ON_FAILURE && f->restarts_most &&
	    f->restarts_done >= f->restarts_most;
}

/* Whether one that crashed is ours to start. An exit code of 0 in the inspect beats the event's: a label may stand
 * in an event's place. */
bool policy_crash_is_ours(struct container *c, const struct policy_facts *f, struct actions *out)
{
	if (!f->exit_code)
		leave(c, out, LEFT_ENDED);
	else if (f->auto_remove)
		leave(c, out, LEFT_REMOVED);
	else if (!engine_gave_up(f))
		leave(c, out, LEFT_TO_ENGINE);
	else if (c->own && c->own->action == WATCH_STOP)
		leave(c, out, LEFT_LABEL);
	return c->identity->heal->crashed_at != 0;
}

static void crashed(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out)
{
	struct heal *h = c->identity->heal;

	h->exit_code = f->exit_code;
	policy_log_about(out, c, LOG_WARNING, "has crashed with exit code %d%s", f->exit_code,
	    f->oom_killed ? ": the kernel ended it for want of memory" : "");
	policy_relapsed(p, c, out, "Exited");
	if (!h->open)
		h->detected = h->crashed_at;
	policy_open_incident(p, h, true);
	h->cause = CAUSE_CRASH;
	h->look_at = 0;
	h->proven = true;
	policy_want(p, c);
}

/* Watched, and down, says the engine. false: that is nothing new. */
bool policy_found_down(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (!h || (!h->crashed_at && !h->unseen) || h->down_by_us)
		return false;
	if (h->unseen && h->killed_at) {
		policy_hands_off(p, c, out, false);
		return true;
	}
	if (h->crashed_at)
		h->look_at = h->crashed_at + POLICY_CRASH_MS;
	if (!f->whole || p->now < h->look_at) {
		policy_rest(p, c);
	} else if (!h->crashed_at) {
		leave(c, out, LEFT_UNSEEN);
		h->unseen = false;
		h->look_at = 0;
		policy_go(p, c, STATE_HANDS_OFF, 0);
	} else if (policy_parent_is_busy(p, c)) {
		h->look_at = p->now + POLICY_PARENT_MS; /* it fell with that, and follows it */
		policy_rest(p, c);
	} else if (policy_crash_is_ours(c, f, out)) {
		crashed(p, c, f, out);
	} else {
		h->look_at = 0;
		policy_rest(p, c);
	}
	return true;
}

/* It was started, not by us. Where it had exited by itself that is the engine's restart policy, as a rule. */
void policy_came_up(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;
	uint64_t limit = policy_limit_of(p, c);

	if (!h)
		return;
	if (h->crashed_at || h->unseen)
		h->look_at = 0;
	/* without a healthcheck nothing else would end it */
	if (h->open && (h->cause == CAUSE_CRASH || c->health == HEALTH_NONE) && !h->acted)
		policy_cancel(p, c, out, SKIP_RECOVERED, "Started by somebody else");
	if (h->ended && limit && policy_looped_often(p, h, limit)) {
		if (!h->looping)
			policy_tell(out, c, AUDIT_CRASH_LOOP, "looping",
			    "The engine has started it again more than %llu times within %llu s, and it exits "
			    "each time (%d): it is left to its restart policy",
			    (unsigned long long)limit,
			    (unsigned long long)p->settings->restart_window / 1000, h->exit_code)
			    ->level = LOG_WARNING;
		h->looping = true;
	}
	h->ended = h->unseen = false;
	h->crashed_at = 0;
	h->left = LEFT_NOTHING;
	if (h->looping)
		h->stays_up = p->now + policy_recovery_time(p, c);
	policy_rest(p, c);
}

/* So long that its crash loop is over. */
void policy_stays_up(struct policy *p, struct container *c, struct actions *out)
{
	struct heal *h = c->identity->heal;

	if (!h->stays_up || p->now < h->stays_up)
		return;
	h->stays_up = 0;
	h->looping = false;
	policy_tell(out, c, AUDIT_CRASH_LOOP, "ended", "It has stayed up since its last start");
}

/* Somebody else restarted it, just when we saw that it was sick, and not for the first time. */
void policy_rival(struct policy *p, struct container *c, struct actions *out)
{
	const struct heal *h = c->identity->heal;

	if (!h->detected || p->now - h->detected > POLICY_RIVAL_MS || p->rivals == POLICY_RIVALS)
		return;
	if (++p->rivals == POLICY_RIVALS)
		policy_log_about(out, c, LOG_WARNING,
		    "was restarted by somebody else right after autoheal saw that it is sick, as others were "
		    "before: another healer runs here. Let one of the two go, or watch different "
		    "containers with them");
}
