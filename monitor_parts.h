/* monitor_parts.h - what the files of the monitor share among themselves, and nobody else includes. */
#ifndef AUTOHEAL_MONITOR_PARTS_H
#define AUTOHEAL_MONITOR_PARTS_H

#include "monitor.h"

#define MONITOR_ACTIONS (POLICY_ACTIONS_MAX + 2) /* handed over by the policy in one piece */

/* ---- monitor_act.c ---- */

/* The twelve digits that people know a container by. */
void monitor_short_id(const uint8_t id[32], char out[13]);
void monitor_log(
    enum log_level level, const char *module, const struct container *c, const char *words);
/* An audit event that is about no container yet, now. */
struct audit_event monitor_event(
    const struct monitor *m, enum audit_kind kind, const char *status, const char *message);
/* Keeps it, and hands it to those who are told. c may be NULL. */
void monitor_add_event(struct monitor *m, const struct container *c, const struct audit_event *e);
void monitor_tell_container(struct monitor *m, const struct container *c, enum audit_kind kind,
    const char *status, const char *message);
/* It is watched no more: gone from the engine, or not to be. c must not be used afterwards. */
void monitor_forget(struct monitor *m, struct container *c, bool gone);
/* The engine does not know it any more. */
void monitor_look_gone(struct monitor *m, struct container *c);
/* Of the policy's timer. */
void monitor_due(void *owner);

/* ---- monitor_who.c ---- */

/* A container that the engine shows, and what the rules say of it. */
struct candidate {
	struct watch_labels labels;
	char name[WATCH_NAME_MAX], stable[WATCH_NAME_MAX];
	struct span name_span, stable_span;
	enum watch_reason reason;
	uint32_t created;
};

bool monitor_is_self(const struct monitor *m, const uint8_t id[32]);
/* The label that brings a container under watch, in words. */
void monitor_label_words(const struct monitor *m, char *out, size_t cap);
/* Tells that a label brought c under watch, where that is so and was not told. */
void monitor_announce(struct monitor *m, struct container *c);
/* What its labels (a token of j) say of the container. */
void monitor_examine(struct monitor *m, const struct docker *d, const uint8_t id[32],
    const char *name, const struct json *j, int labels, struct candidate *out);
/* A record of its own; NULL where there is no room, which was told. */
struct container *monitor_add(
    struct monitor *m, unsigned engine, const uint8_t id[32], const struct candidate *who);
void monitor_end_selection(struct monitor *m, struct identity *identity, const char *message);
void monitor_not_watched(struct monitor *m, const uint8_t id[32], const struct candidate *who);

/* ---- monitor.c ---- */

/* One element of the list. */
void monitor_take_listed(
    struct monitor *m, struct docker *d, const struct json *j, const struct container_facts *facts);

#endif
