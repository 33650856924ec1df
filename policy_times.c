/* policy_times.c - PURE: how long things may take and how often, from settings, labels and history; of
 * policy_parts.h. */
#include "policy_parts.h"

static uint64_t ms_at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint32_t policy_seconds_of(const struct policy *p, uint64_t at)
{
	return (uint32_t)((at - p->containers.epoch) / 1000) + 1;
}

static uint64_t own_or(uint32_t own, uint64_t setting)
{
	return own == WATCH_UNSET ? setting : own;
}

uint64_t policy_cooldown_of(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->cooldown : WATCH_UNSET, p->settings->cooldown);
}

uint64_t policy_limit_of(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->max_restarts : WATCH_UNSET, p->settings->max_restarts);
}

uint64_t policy_unhealthy_for(const struct policy *p, const struct container *c)
{
	return own_or(c->own ? c->own->unhealthy_for : WATCH_UNSET, p->settings->unhealthy_for);
}

/* The t= of a restart: seconds, or WATCH_UNSET so that the container's own stop timeout holds. */
uint32_t policy_asked_stop_timeout(const struct policy *p, const struct container *c)
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
	uint32_t asked = policy_asked_stop_timeout(p, c);

	return asked != WATCH_UNSET ? asked : c->stop_timeout;
}

/* How long the answer to a restart is awaited. */
uint64_t policy_answer_time(const struct policy *p, const struct container *c)
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
uint64_t policy_killed_until(const struct container *c)
{
	const struct heal *h = c->identity->heal;

	return h && h->killed_at ? h->killed_at + kill_time(c) : 0;
}

/* The same where that still lies ahead, else 0. */
uint64_t policy_kill_ahead(const struct policy *p, const struct container *c)
{
	uint64_t until = policy_killed_until(c);

	return until > p->now ? until : 0;
}

/* When a quarantine that begins or goes on now is given its further try; 0 = never. */
uint64_t policy_next_trial(const struct policy *p)
{
	return p->settings->quarantine_retry ? p->now + p->settings->quarantine_retry : 0;
}

/* How long after a restart c may take to be healthy. */
uint64_t policy_recovery_time(const struct policy *p, const struct container *c)
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

uint64_t policy_backoff_time(const struct settings *s, const struct heal *h)
{
	uint64_t wait = s->backoff ? s->backoff_initial : 0;

	for (uint32_t i = 1; i < h->failures && wait < s->backoff_max; i++)
		wait = wait * s->backoff_multiplier / 1000;
	if (wait > s->backoff_max)
		wait = s->backoff_max;
	/* nothing else stands between a start that the engine refuses at once and the next */
	return h->down_by_us && wait < POLICY_START_AGAIN_MS ? POLICY_START_AGAIN_MS : wait;
}

/* The engine started it again after it had exited by itself. Whether that happened more than `limit` times within
 * the window. */
bool policy_looped_often(struct policy *p, struct heal *h, uint64_t limit)
{
	size_t before = (h->loops_at + CONFIG_RESTARTS_MAX - limit) % CONFIG_RESTARTS_MAX;
	uint32_t now = policy_seconds_of(p, p->now), then = h->loops[before];

	h->loops[h->loops_at] = now;
	h->loops_at = (uint8_t)((h->loops_at + 1) % CONFIG_RESTARTS_MAX);
	return then && now - then <= p->settings->restart_window / 1000;
}

void policy_remember_restart(struct policy *p, struct heal *h)
{
	h->restarts[h->restarts_at] = policy_seconds_of(p, p->now);
	h->restarts_at = (uint8_t)((h->restarts_at + 1) % CONFIG_RESTARTS_MAX);
}

void policy_unremember_restart(struct heal *h)
{
	h->restarts_at = (uint8_t)((h->restarts_at + CONFIG_RESTARTS_MAX - 1) % CONFIG_RESTARTS_MAX);
	h->restarts[h->restarts_at] = 0;
}

uint64_t policy_restarts_in_window(const struct policy *p, const struct heal *h)
{
	uint32_t now = policy_seconds_of(p, p->now),
		 window = (uint32_t)(p->settings->restart_window / 1000);
	uint64_t count = 0;

	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++)
		count += h->restarts[i] && now - h->restarts[i] <= window;
	return count;
}
