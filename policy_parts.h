/* policy_parts.h - what the files of the policy share among themselves, and nobody else includes.
 *
 * Every function is pure: it changes the container's records, and adds to the actions. */
#ifndef AUTOHEAL_POLICY_PARTS_H
#define AUTOHEAL_POLICY_PARTS_H

#include "policy.h"

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
	SKIP_STALE,
	SKIP_MAINTENANCE,
	SKIP_SNOOZED,
};

/* What an answer of the engine says of a container. */
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

/* ---- policy_times.c: times in ms, counts ---- */

uint32_t policy_seconds_of(const struct policy *p, uint64_t at);
uint64_t policy_cooldown_of(const struct policy *p, const struct container *c);
uint64_t policy_limit_of(const struct policy *p, const struct container *c);
uint64_t policy_unhealthy_for(const struct policy *p, const struct container *c);
uint32_t policy_asked_stop_timeout(const struct policy *p, const struct container *c);
uint64_t policy_answer_time(const struct policy *p, const struct container *c);
uint64_t policy_killed_until(const struct container *c);
uint64_t policy_kill_ahead(const struct policy *p, const struct container *c);
uint64_t policy_next_trial(const struct policy *p);
uint64_t policy_recovery_time(const struct policy *p, const struct container *c);
uint64_t policy_backoff_time(const struct settings *s, const struct heal *h);
bool policy_looped_often(struct policy *p, struct heal *h, uint64_t limit);
void policy_remember_restart(struct policy *p, struct heal *h);
void policy_unremember_restart(struct heal *h);
uint64_t policy_restarts_in_window(const struct policy *p, const struct heal *h);

/* ---- policy_probe.c ---- */

void policy_begins_anew(struct container *c);
void policy_heal_timed_out(struct container *c);
enum heal_cause policy_cause_of(const struct container *c);
bool policy_hear(
    struct container *c, struct policy_event *e, struct policy_facts *facts, struct actions *out);

/* ---- policy_moves.c ---- */

struct action *policy_add_action(struct actions *out, struct container *c, enum action_kind kind);
TEXT_PRINTS(5, 6)
struct action *policy_tell(struct actions *out, struct container *c, enum audit_kind kind,
    const char *status, const char *format, ...);
TEXT_PRINTS(4, 5)
void policy_log_about(
    struct actions *out, struct container *c, enum log_level level, const char *format, ...);
void policy_ask(struct container *c, struct actions *out);
/* braked: a storm may hold it back. */
bool policy_take_slot(struct policy *p, struct container *c, bool braked);
/* Gives c's slot and place in the queue back; it is weighed anew. */
void policy_wait_anew(struct policy *p, struct container *c);
/* Gives slots that are free to those that wait. */
void policy_hand_out(struct policy *p);
void policy_release_slot(struct policy *p, struct container *c);
void policy_go(struct policy *p, struct container *c, enum container_state state, uint64_t due);
void policy_rest(struct policy *p, struct container *c);
void policy_close_incident(struct heal *h);
void policy_skip(struct actions *out, struct container *c, enum skip why, const char *message);
void policy_cancel(
    struct policy *p, struct container *c, struct actions *out, enum skip why, const char *message);
void policy_hands_off(struct policy *p, struct container *c, struct actions *out, bool paused);
void policy_send(struct policy *p, struct container *c, struct actions *out, bool by_person);
void policy_restarted(struct container *c, struct actions *out, bool success, const char *message);
/* The word for the request under way, and for what would be asked of the engine now. */
const char *policy_asked_word(const struct heal *h);
const char *policy_request_word(const struct container *c);
void policy_verify(struct policy *p, struct container *c);
void policy_late_ends(struct heal *h);
void policy_begin_probation(struct policy *p, struct heal *h, bool relapse_counts);
void policy_recovered(struct policy *p, struct container *c, struct actions *out, const char *status);
void policy_want(struct policy *p, struct container *c);
void policy_failed(struct policy *p, struct container *c);
void policy_after_failure(struct policy *p, struct container *c);
void policy_open_incident(struct policy *p, struct heal *h, bool from_event);
void policy_relapsed(struct policy *p, struct container *c, struct actions *out, const char *what);
void policy_sick(struct policy *p, struct container *c, struct actions *out, bool from_event);
void policy_wait_for(
    struct policy *p, struct container *c, struct actions *out, enum wait_reason why, uint64_t at);
uint64_t policy_gate(const struct policy *p, const struct container *c, enum wait_reason *why,
    uint64_t gates[WAIT_COUNT]);
bool policy_may_have_slot(const struct policy *p, const struct policy_engine *engine);
const char *policy_only_tells(const struct policy *p, const struct container *c);
void policy_weigh(struct policy *p, struct container *c, struct actions *out);
/* What ails it, as in "it IS", and as what was done about it says: "because IT". */
const char *policy_is_what(const struct heal *h);
const char *policy_because(const struct heal *h);
/* Why an action waits, in words; by enum wait_reason. */
extern const char *const policy_wait_words[];

/* ---- policy_kin.c ---- */

bool policy_is_dependent(const struct heal *h);
bool policy_parent_is_busy(struct policy *p, const struct container *c);
void policy_find_kin(struct container *c, struct actions *out, unsigned bonds);
void policy_orphaned(struct policy *p, struct container *c, struct actions *out, const char *parent);
bool policy_names_another(const struct container *c, struct span message, char id[65]);
void policy_bond_facts(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out);
bool policy_hangs_on(
    struct policy *p, const struct container *c, const struct container *other, unsigned *steps);
bool policy_has_kin(struct policy *p, const struct container *c);
step step_on_parent;

/* ---- policy_crash.c ---- */

bool policy_heals_sick(const struct policy *p, const struct container *c);
bool policy_is_down_for_us(const struct heal *h);
void policy_exited(
    struct policy *p, struct container *c, const struct policy_event *e, struct actions *out);
bool policy_crash_is_ours(struct container *c, const struct policy_facts *f, struct actions *out);
bool policy_found_down(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out);
void policy_came_up(struct policy *p, struct container *c, struct actions *out);
void policy_stays_up(struct policy *p, struct container *c, struct actions *out);
void policy_rival(struct policy *p, struct container *c, struct actions *out);

/* ---- policy_storm.c ---- */

/* c wants to act. */
void policy_storm_note(struct policy *p, const struct container *c);
/* Whether a storm lets nobody of this engine have a slot now. */
bool policy_storm_brakes(const struct policy *p, const struct policy_engine *engine);

/* ---- policy_stale.c ---- */

bool policy_may_be_stale(const struct policy *p, const struct container *c);
void policy_see_probes(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out);

/* ---- policy_steps.c ---- */

enum verdict policy_judge(const struct policy_facts *f);
void policy_learn(struct policy *p, struct container *c, const struct policy_facts *f);
bool policy_is_echo(const struct policy *p, const struct container *c, const struct policy_event *e);
bool policy_is_killed(
    const struct policy *p, const struct container *c, const struct policy_event *e);
step step_watching_start, step_quarantined_die, step_hands_off_die, step_ignore, step_on_kill,
    step_on_stop, step_on_pause, step_on_die, step_on_foreign_restart, step_watching_healthy,
    step_watching_unhealthy, step_watching_facts, step_watching_look_failed, step_watching_due,
    step_waiting_healthy, step_waiting_start, step_waiting_facts, step_waiting_look_failed,
    step_waiting_due, step_quarantined_release, step_quarantined_look_failed, step_release_trial,
    step_quarantined_healthy, step_quarantined_not_healthy, step_quarantined_start,
    step_quarantined_due, step_quarantined_facts, step_hands_off_start, step_hands_off_unpause,
    step_hands_off_facts;

/* ---- policy_resume.c ---- */

bool policy_is_left_down(
    struct policy *p, struct container *c, const struct policy_facts *f, struct actions *out);

/* ---- policy_restart.c ---- */

step step_restarting_start, step_restarting_die, step_restarting_kill, step_restarting_restarted,
    step_restarting_healthy, step_restarting_answer, step_restarting_facts,
    step_restarting_look_failed, step_restarting_due, step_verifying_healthy, step_verifying_die,
    step_echo_ends, step_verifying_due, step_verifying_look_failed, step_verifying_facts;

#endif
