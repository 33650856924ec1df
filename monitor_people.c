/* monitor_people.c - what people want of the service: maintenance, snooze, release, a restart by hand; of monitor.h. */
#include "log.h"
#include "monitor.h"

/* A wall time as the loop's clock; 0 stays 0. What is over by then is over now. */
static uint64_t loop_time(const struct monitor *m, int64_t wall)
{
	if (!wall)
		return 0;
	return wall > m->loop->wall ? m->loop->now + (uint64_t)(wall - m->loop->wall) : m->loop->now;
}

static void tell_all(struct monitor *m, enum audit_kind kind, const char *status, const char *host,
    const char *message)
{
	monitor_tell(m, kind, status, host, message);
	log_line(LOG_WARNING, "monitor", "%s %s: %s", kind == AUDIT_STORM ? "Storm" : "Maintenance",
	    status, message);
}

static void tell_maintenance(struct monitor *m, const char *status, const char *message)
{
	tell_all(m, AUDIT_MAINTENANCE, status, monitor_any_host(m), message);
}

void monitor_storm(struct monitor *m)
{
	char message[POLICY_MESSAGE_MAX];
	int i;

	while ((i = policy_storm(&m->policy, m->loop->now)) >= 0) {
		const struct policy_storm *s = &m->policy.engines[i].storm;

		policy_storm_say(s, message, sizeof(message));
		tell_all(m, AUDIT_STORM, s->on ? "started" : "ended", m->engines[i].name, message);
	}
}

static void tell_end(struct monitor *m)
{
	m->maintenance_since = m->maintenance_until = 0;
	tell_maintenance(m, "disabled", "What fell sick meanwhile is looked at anew and healed");
}

void monitor_begin_maintenance(struct monitor *m, int64_t until)
{
	char time[TEXT_TIME_SIZE] = "a person ends it", message[120];

	if (until)
		text_time(time, until);
	text_print(message, sizeof(message),
	    "Everything is watched, and nothing is acted on until %s", time);
	monitor_resume_maintenance(
	    m, m->policy.maintenance ? m->maintenance_since : m->loop->wall, until);
	tell_maintenance(m, "enabled", message);
	monitor_settle(m);
}

void monitor_end_maintenance(struct monitor *m)
{
	policy_end_maintenance(&m->policy, m->loop->now);
	tell_end(m);
	monitor_settle(m);
}

void monitor_maintenance_over(struct monitor *m)
{
	if (policy_maintenance_over(&m->policy, m->loop->now))
		tell_end(m);
}

void monitor_resume_maintenance(struct monitor *m, int64_t since, int64_t until)
{
	m->maintenance_since = since;
	m->maintenance_until = until;
	policy_begin_maintenance(&m->policy, loop_time(m, until), m->loop->now);
}

bool monitor_snooze(struct monitor *m, struct identity *identity, int64_t until)
{
	char time[TEXT_TIME_SIZE] = "now";

	if (!policy_snooze(&m->policy, identity, loop_time(m, until), m->loop->now))
		return false;
	if (until)
		text_time(time, until);
	log_line(LOG_INFO, "monitor", "'%s' is snoozed by a person until %s", identity->name, time);
	monitor_settle(m);
	return true;
}

int64_t monitor_snoozed_until(const struct monitor *m, const struct identity *identity)
{
	uint64_t until = identity && identity->heal ? identity->heal->snoozed_until : 0;

	return until > m->loop->now ? m->loop->wall + (int64_t)(until - m->loop->now) : 0;
}

bool monitor_release(struct monitor *m, struct container *c)
{
	static const struct policy_event release = {.kind = EVENT_RELEASE};

	if (!c->identity->heal || !c->identity->heal->quarantined)
		return false;
	monitor_give(m, c, &release);
	monitor_settle(m);
	return true;
}

const char *monitor_restart(struct monitor *m, struct container *c, uint64_t *incident)
{
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};
	const char *why = policy_restart_by_person(&m->policy, c, m->loop->now, &out);

	if (why)
		return why;
	*incident = c->identity->heal->incident;
	monitor_carry_out(m, &out);
	monitor_settle(m);
	return NULL;
}
