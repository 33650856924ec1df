/* monitor_who.c - who is watched: labels, identities, selections, and what the API shows and a person chooses of them; of
 * monitor.h. */
#include "monitor_parts.h"

#include <string.h>

#include "log.h"

/* ---- who is watched ---------------------------------------------------------------------- */

bool monitor_is_self(const struct monitor *m, const uint8_t id[32])
{
	for (size_t i = 0; i < m->self_count; i++)
		if (!memcmp(m->self[i], id, 32))
			return true;
	return false;
}

static enum watch_reason decide(struct monitor *m, const uint8_t id[32], struct span name,
    struct span stable_id, const struct watch_labels *labels)
{
	const struct identity *identity = containers_identity(
	    &m->policy.containers, stable_id, false);
	struct watch_candidate candidate = {
	    .name = name,
	    .stable_id = stable_id,
	    .labels = labels,
	    .choice = identity ? (enum watch_choice)identity->choice : CHOICE_NONE,
	    .self = monitor_is_self(m, id),
	};

	return watch_decide(m->settings, &candidate);
}

/* The label that is looked for, for sentences. */
void monitor_label_words(const struct monitor *m, char *out, size_t cap)
{
	text_print(out, cap, "%.64s=%.64s", config_label(m->settings), m->settings->label_value);
}

void monitor_announce(struct monitor *m, struct container *c)
{
	char label[136], message[224], id[13];

	c->announce = false;
	if (c->identity->announced) {
		monitor_log(LOG_DEBUG, "monitor", c, "is monitored already");
		return;
	}
	c->identity->announced = true;
	m->policy.changes++;
	if (c->identity->choice == CHOICE_NONE)
		c->identity->choice = CHOICE_LABEL;
	monitor_label_words(m, label, sizeof(label));
	monitor_short_id(c->id, id);
	text_print(
	    message, sizeof(message), "Automatically added to monitoring due to %s label", label);
	monitor_tell_container(m, c, AUDIT_AUTO_MONITOR, "enabled", message);
	log_line(LOG_INFO, "monitor",
	    "✓ Auto-monitoring enabled for container '%s' (%s) - detected %s label", c->name, id,
	    label);
}

/* Whether the identity is one of another engine's containers: such names begin with their engine's, and a label must
 * not move what is not its own. */
static bool is_of_another_engine(const struct monitor *m, const struct docker *d, const char *id)
{
	for (size_t i = 0; id[0] && i < m->engines_count; i++) {
		const struct docker *other = &m->engines[i];
		size_t n = strlen(other->name);

		if (other != d && !strncmp(id, other->name, n) && id[n] == '/')
			return true;
	}
	return false;
}

/* labels: a token of j. One that is watched already is judged by the identity that it holds. */
void monitor_examine(struct monitor *m, const struct docker *d, const uint8_t id[32],
    const char *name, const struct json *j, int labels, struct candidate *out)
{
	const struct container *c = containers_find(&m->policy.containers, d->index, id);

	watch_read_labels(&out->labels, m->settings, j, labels);
	if (is_of_another_engine(m, d, out->labels.monitoring_id))
		out->labels.monitoring_id[0] = 0;
	span_copy(span_of(name), out->name, sizeof(out->name));
	out->name_span = span_of(out->name);
	if (c)
		span_copy(span_of(c->identity->name), out->stable, sizeof(out->stable));
	else
		watch_stable_id(out->stable, &out->labels, out->name_span, d->name);
	out->stable_span = span_of(out->stable);
	out->created = 0;
	out->reason = decide(m, id, out->name_span, out->stable_span, &out->labels);
}

/* The identity of one that must do without its stable one: its name, or, where even that is taken by
 * somebody's monitoring.id, its name and id. */
static struct identity *by_name(
    struct monitor *m, unsigned engine, const uint8_t id[32], struct span name)
{
	struct watch_labels none = {0};
	char own[WATCH_NAME_MAX], hex[13];
	size_t n = watch_stable_id(own, &none, name, m->engines[engine].name);
	struct identity *identity = containers_identity(
	    &m->policy.containers, (struct span){own, n}, true);

	if (!identity || !identity->holder)
		return identity;
	monitor_short_id(id, hex);
	text_print(own, sizeof(own), "%.200s@%s", identity->name, hex);
	return containers_identity(&m->policy.containers, span_of(own), true);
}

/* The identity that a newcomer gets: its stable one, unless a living container holds that already:
 * the older of the two keeps it, the other goes by its name. */
static struct identity *claim(struct monitor *m, unsigned engine, const uint8_t id[32],
    struct span name, struct span stable_id, uint32_t created)
{
	struct identity *identity = containers_identity(&m->policy.containers, stable_id, true);
	struct container *holder = identity ? identity->holder : NULL;
	struct identity *other;
	bool newcomer_is_older;

	if (!holder)
		return identity;
	if (!holder->running && holder->state != STATE_RESTARTING) {
		monitor_forget(m, holder, true);
		return identity;
	}
	newcomer_is_older = created && identity->created && created < identity->created;
	log_line(LOG_WARNING, "monitor",
	    "Containers '%s' and '%.*s' both claim the identity '%s': the older keeps it, the other "
	    "goes by its name",
	    holder->name, (int)name.n, name.p, identity->name);
	if (!newcomer_is_older)
		return by_name(m, engine, id, name);
	other = by_name(m, engine, holder->id, span_of(holder->name));
	if (!other || !containers_move(holder, other, m->loop->now))
		return by_name(m, engine, id, name);
	other->created = identity->created;
	other->announced = identity->announced;
	other->choice = identity->choice;
	identity->announced = false;
	return identity;
}

struct container *monitor_add(
    struct monitor *m, unsigned engine, const uint8_t id[32], const struct candidate *who)
{
	struct identity *identity = claim(
	    m, engine, id, who->name_span, who->stable_span, who->created);
	struct action list[POLICY_ACTIONS_MAX];
	struct actions out = {.list = list, .room = POLICY_ACTIONS_MAX};
	struct container *c = NULL;
	char words[160];

	if (identity)
		c = containers_add(&m->policy.containers, engine, id, who->name_span, identity);
	if (!c || (who->labels.has_own && !containers_set_own(c, &who->labels.own))) {
		log_line(LOG_ERROR, "monitor",
		    "Container '%s' cannot be watched: %zu are watched already, and there is no room "
		    "for more",
		    who->name, m->policy.containers.count);
		return NULL;
	}
	c->reason = (uint8_t)who->reason;
	c->health_only = watch_is_unasked(who->reason, &who->labels);
	identity->created = who->created;
	c->generation = m->generation[engine];
	policy_adopt(&m->policy, c, m->loop->now, &out);
	monitor_carry_out(m, &out);
	for (int i = 0; i < who->labels.unreadable_count; i++)
		log_line(LOG_WARNING, "monitor",
		    "Container '%s' has the label %s, which this version does not understand",
		    c->name, who->labels.unreadable[i]);
	if (watch_is_watched(who->reason))
		monitor_probe_add(m, c, &who->labels.check);
	if (who->reason != REASON_LABEL && watch_is_watched(who->reason)) {
		watch_say(who->reason, m->settings, words, sizeof(words));
		log_line(LOG_INFO, "monitor", "Container '%s' is watched: %s", c->name, words);
	}
	return c;
}

/* A label's selection is over. */
void monitor_end_selection(struct monitor *m, struct identity *identity, const char *message)
{
	identity->choice = CHOICE_NONE;
	identity->announced = false;
	m->policy.changes++;
	monitor_tell_identity(m, identity, AUDIT_SELECTION, "ended", message);
}

/* A container runs that is not watched: a word where its label would have it otherwise, or where
 * its label's selection ends now. */
void monitor_not_watched(struct monitor *m, const uint8_t id[32], const struct candidate *who)
{
	struct identity *identity = containers_identity(
	    &m->policy.containers, who->stable_span, false);
	char hex[13], label[136];

	if (who->labels.label == WATCH_LABEL_YES &&
	    (who->reason == REASON_EXCLUDED || who->reason == REASON_EXCLUDE_SETTING)) {
		monitor_short_id(id, hex);
		monitor_label_words(m, label, sizeof(label));
		log_line(LOG_INFO, "monitor",
		    "Container '%s' (%s) has %s but is in excluded list, skipping", who->name, hex,
		    label);
	}
	if (identity && identity->choice == CHOICE_LABEL && !identity->holder) {
		monitor_end_selection(
		    m, identity, "It has no such label now: it is not watched any more");
	}
}

/* ---- for the API ------------------------------------------------------------------------- */

void monitor_view(struct monitor *m, const struct docker *d, const struct json *j, int labels,
    const struct container_facts *facts, struct monitor_view *out)
{
	struct candidate who;
	const struct identity *identity;

	monitor_examine(m, d, facts->id, facts->name, j, labels, &who);
	out->container = containers_find(&m->policy.containers, d->index, facts->id);
	if (out->container && out->container->dropped)
		out->container = NULL;
	span_copy(who.stable_span, out->stable_id, sizeof(out->stable_id));
	identity = containers_identity(&m->policy.containers, who.stable_span, false);
	out->reason = who.reason;
	out->choice = identity ? (enum watch_choice)identity->choice : CHOICE_NONE;
}

/* What a choice of a person is called and said. */
static const char *choice_status(bool selected)
{
	return selected ? "selected" : "excluded";
}

static const char *choice_message(bool selected)
{
	return selected ? "Selected for monitoring by a person"
			: "Excluded from monitoring by a person";
}

static void set_choice(struct monitor *m, struct identity *identity, bool selected)
{
	m->memory.chosen = true;
	identity->choice = selected ? CHOICE_PERSON : CHOICE_EXCLUDED;
	if (!selected)
		identity->announced = false;
}

bool monitor_choose(struct monitor *m, struct docker *d, const struct json *j,
    const struct container_facts *facts, bool selected)
{
	struct audit_event e = monitor_event(
	    m, AUDIT_SELECTION, choice_status(selected), choice_message(selected));
	struct monitor_view view;
	struct identity *identity;

	monitor_view(m, d, j, facts->labels, facts, &view);
	identity = containers_identity(&m->policy.containers, span_of(view.stable_id), true);
	if (!identity)
		return false;
	set_choice(m, identity, selected);
	e.id = facts->id;
	e.name = span_of(facts->name);
	e.stable_id = span_of(view.stable_id);
	e.host = span_of(d->name);
	e.restart_count = identity->restarts;
	monitor_add_event(m, NULL, &e);
	log_line(LOG_INFO, "monitor", "Container '%s': %s", facts->name, choice_message(selected));
	monitor_take_listed(m, d, j, facts);
	monitor_settle(m);
	return true;
}

bool monitor_choose_identity(struct monitor *m, struct span stable_id, bool selected)
{
	struct identity *identity = containers_identity(&m->policy.containers, stable_id, false);

	if (!identity)
		return false;
	set_choice(m, identity, selected);
	monitor_tell_identity(
	    m, identity, AUDIT_SELECTION, choice_status(selected), choice_message(selected));
	return true;
}

enum monitor_match monitor_match(const char *wanted, const char *host, const char *name,
    const uint8_t id_bytes[32], const char *stable_id)
{
	size_t n = strlen(wanted), prefix = strlen(host);
	char id[65];

	if (!strcmp(wanted, name) || !strcmp(wanted, stable_id))
		return MONITOR_MATCH_NAME;
	/* HOST/NAME, for which no identity may stand: that of `local`, or one that has its name from a label */
	if (!strncmp(wanted, host, prefix) && wanted[prefix] == '/' &&
	    !strcmp(wanted + prefix + 1, name))
		return MONITOR_MATCH_NAME;
	text_hex(id_bytes, 32, id);
	if (n < 4 || n > 64 || strncmp(wanted, id, n))
		return MONITOR_MATCH_NONE;
	return n == 64 ? MONITOR_MATCH_NAME : MONITOR_MATCH_PREFIX;
}

size_t monitor_resolve(struct monitor *m, char name[WATCH_NAME_MAX])
{
	struct containers *all = &m->policy.containers;
	const struct container *one, *found = NULL;
	enum monitor_match match, best = MONITOR_MATCH_PREFIX;
	size_t at = 0, count = 0;

	if (containers_identity(all, span_of(name), false))
		return 1;
	while ((one = containers_next(all, &at))) {
		match = monitor_match(name, m->engines[one->engine].name, one->name, one->id, "");
		if (one->dropped || match < best)
			continue;
		count = match > best ? 1 : count + 1;
		best = match;
		found = one;
	}
	if (count == 1)
		span_copy(span_of(found->identity->name), name, WATCH_NAME_MAX);
	return count;
}

/* Marks in `choice`, of the names in a list, while choices are compared with it. */
enum { IN_SELECTED = 0x40, IN_EXCLUDED = 0x80, MARKS = IN_SELECTED | IN_EXCLUDED };

static bool mark(struct monitor *m, const struct json *j, int list, uint8_t bit)
{
	struct containers *all = &m->policy.containers;
	char name[WATCH_NAME_MAX];
	struct identity *identity;
	int element = -1;
	unsigned unknown = 0;

	while (list >= 0 && json_next_element(j, list, &element)) {
		json_text(j, element, name, sizeof(name));
		if (!containers_identity(all, span_of(name), false) &&
		    unknown++ < MONITOR_RESOLVED_MAX)
			monitor_resolve(m, name);
		identity = containers_identity(all, span_of(name), true);
		if (!identity)
			return false;
		identity->choice |= bit;
	}
	return true;
}

/* What a label selected where the lists come from is no choice of a person. */
static void unmark_labelled(struct monitor *m, const struct json *j, int selected_by)
{
	char name[WATCH_NAME_MAX];
	struct identity *identity;
	int key = -1, value;

	while (json_next_member(j, selected_by, &key, &value)) {
		json_text(j, key, name, sizeof(name));
		identity = containers_identity(&m->policy.containers, span_of(name), false);
		if (identity && json_is(j, value, "label"))
			identity->choice &= (uint8_t)~IN_SELECTED;
	}
}

static void choose_anew(struct monitor *m, struct identity *identity, enum watch_choice wanted)
{
	if (wanted == CHOICE_NONE) {
		monitor_end_selection(m, identity, "A person's choice of it ended");
		return;
	}
	set_choice(m, identity, wanted == CHOICE_PERSON);
	monitor_tell_identity(m, identity, AUDIT_SELECTION, choice_status(wanted == CHOICE_PERSON),
	    choice_message(wanted == CHOICE_PERSON));
}

int monitor_choose_lists(struct monitor *m, const struct config_draft *d)
{
	struct identity *identity = NULL;
	bool whole = mark(m, d->j, d->selected, IN_SELECTED) &&
	    mark(m, d->j, d->excluded, IN_EXCLUDED);
	size_t bucket = 0;
	int changed = 0;

	unmark_labelled(m, d->j, d->selected_by);
	while ((identity = containers_next_identity(&m->policy.containers, &bucket, identity))) {
		enum watch_choice now = (enum watch_choice)(identity->choice & ~MARKS), wanted = now;

		if (identity->choice & IN_EXCLUDED)
			wanted = CHOICE_EXCLUDED;
		else if (identity->choice & IN_SELECTED)
			/* what a label chose stays the label's */
			wanted = now == CHOICE_LABEL ? CHOICE_LABEL : CHOICE_PERSON;
		else if ((now == CHOICE_PERSON && d->selected >= 0) ||
		    (now == CHOICE_EXCLUDED && d->excluded >= 0))
			wanted = CHOICE_NONE;
		identity->choice = (uint8_t)now;
		if (!whole || wanted == now)
			continue;
		choose_anew(m, identity, wanted);
		changed++;
	}
	return whole ? changed : -1;
}

bool monitor_is_healthy(const struct monitor *m, char *reason, size_t cap)
{
	const struct docker *worst = NULL;

	for (size_t i = 0; i < m->engines_count; i++) {
		const struct docker *d = &m->engines[i];

		if (d->last_audit && m->loop->now - d->last_audit_now <= 3 * m->settings->interval)
			return true;
		worst = d;
	}
	if (!worst)
		text_print(reason, cap, "no engine is configured");
	else if (!worst->last_audit && !worst->error[0])
		text_print(reason, cap, "the first audit of engine '%s' has not been completed yet",
		    worst->name);
	else if (!worst->last_audit)
		text_print(reason, cap, "engine '%s' has never been reached: %s", worst->name,
		    worst->error);
	else
		text_print(reason, cap, "engine '%s' has not been audited for %llu s: %s",
		    worst->name, (unsigned long long)(m->loop->now - worst->last_audit_now) / 1000,
		    worst->error[0] ? worst->error : "it does not answer");
	return false;
}

size_t monitor_quarantined(const struct monitor *m)
{
	const struct container *c;
	size_t at = 0, count = 0;

	while ((c = containers_next(&m->policy.containers, &at)))
		count += c->identity->heal && c->identity->heal->quarantined;
	return count;
}
