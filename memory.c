/* memory.c - the texts of autoheal's files, of memory.h. */
#include "memory.h"

#include <string.h>

/* ---- times ---------------------------------------------------------------------------------- */

static int64_t wall_of(const struct memory_clock *at, uint64_t then)
{
	return then ? at->wall + (int64_t)(then - at->now) : 0;
}

/* Never 0 for a time that there is, and never further than ten years from now. */
static uint64_t loop_of(const struct memory_clock *at, int64_t wall, bool past)
{
	int64_t span = wall - at->wall;
	const int64_t most = (int64_t)CONTAINERS_PAST_MS;

	if (wall <= 0)
		return 0;
	if (past && span > 0)
		span = 0;
	span = span > most ? most : span < -most ? -most : span;
	if (span < 0 && (uint64_t)-span >= at->now)
		return 1;
	return at->now + (uint64_t)span;
}

/* ---- members: one table for writing and reading ---------------------------------------------- */

enum field_kind { FIELD_PLAIN, FIELD_PAST, FIELD_UNTIL };

/* X(structure, name in the file, member, kind, most) */
#define HEAL_FIELDS(X) \
	X(heal, "incident", incident, PLAIN, 0) \
	X(heal, "detected", detected, PAST, 0) \
	X(heal, "requested", requested, PAST, 0) \
	X(heal, "answered", answered, PAST, 0) \
	X(heal, "failed", failed, PAST, 0) \
	X(heal, "crashed", crashed_at, PAST, 0) \
	X(heal, "deadline", deadline, UNTIL, 0) \
	X(heal, "given_until", given_until, UNTIL, 0) \
	X(heal, "probation_until", probation_until, UNTIL, 0) \
	X(heal, "retry_at", retry_at, UNTIL, 0) \
	X(heal, "snoozed_until", snoozed_until, UNTIL, 0) \
	X(heal, "failures", failures, PLAIN, 0) \
	X(heal, "patience", patience, PLAIN, 64) \
	X(heal, "longest", longest, PLAIN, 0) \
	X(heal, "exit_code", exit_code, PLAIN, 0) \
	X(heal, "told", told, PLAIN, 0) \
	X(heal, "phase", phase, PLAIN, STATE_COUNT - 1) \
	X(heal, "cause", cause, PLAIN, CAUSE_VERDICT) \
	X(heal, "bond", bond, PLAIN, BOND_STRANDED) \
	X(heal, "open", open, PLAIN, 1) \
	X(heal, "acted", acted, PLAIN, 1) \
	X(heal, "notified", notified, PLAIN, 1) \
	X(heal, "from_event", from_event, PLAIN, 1) \
	X(heal, "may_be_down", may_be_down, PLAIN, 1) \
	X(heal, "down_by_us", down_by_us, PLAIN, 1) \
	X(heal, "relapse_counts", relapse_counts, PLAIN, 1) \
	X(heal, "quarantined", quarantined, PLAIN, 1) \
	X(heal, "trial", trial, PLAIN, 1) \
	X(heal, "start_only", start_only, PLAIN, 1) \
	X(heal, "stop_only", stop_only, PLAIN, 1) \
	X(heal, "kill_first", kill_first, PLAIN, 1) \
	X(heal, "half_done", half_done, PLAIN, 1) \
	X(heal, "manual", manual, PLAIN, 1) \
	X(heal, "by_person", by_person, PLAIN, 1) \
	X(heal, "owes_kin", owes_kin, PLAIN, 1) \
	X(heal, "guest", guest, PLAIN, 1)
#define IDENTITY_FIELDS(X) \
	X(identity, "restarts", restarts, PLAIN, 0) \
	X(identity, "announced", announced, PLAIN, 1)

struct field {
	uint16_t at;
	uint8_t kind, size;
	uint8_t most; /* of a number; 0: what its size holds */
};

#define FIELD(of, name, member, kind, most) \
	{offsetof(struct of, member), FIELD_##kind, sizeof(((struct of *)0)->member), most},
#define NAME(of, name, member, kind, most) name "\0"

static const struct field heal_fields[] = {HEAL_FIELDS(FIELD)};
static const char heal_names[] = HEAL_FIELDS(NAME);
static const struct field identity_fields[] = {IDENTITY_FIELDS(FIELD)};
static const char identity_names[] = IDENTITY_FIELDS(NAME);
#define COUNT(list) (sizeof(list) / sizeof(list[0]))

static uint64_t load(const void *from, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)from;
	case 2:
		return *(const uint16_t *)from;
	case 4:
		return *(const uint32_t *)from;
	default:
		return *(const uint64_t *)from;
	}
}

static void keep(void *to, size_t size, uint64_t value)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = (uint8_t)value;
		return;
	case 2:
		*(uint16_t *)to = (uint16_t)value;
		return;
	case 4:
		*(uint32_t *)to = (uint32_t)value;
		return;
	default:
		*(uint64_t *)to = value;
	}
}

static void print_fields(struct json_writer *w, const struct memory_clock *at, const void *of,
    const struct field *f, size_t n, const char *name)
{
	for (; n; n--, f++, name += strlen(name) + 1) {
		uint64_t value = load((const char *)of + f->at, f->size);

		if (!value)
			continue;
		json_key(w, name);
		json_number(w, f->kind == FIELD_PLAIN ? (int64_t)value : wall_of(at, value));
	}
}

static void read_fields(const struct json *j, const struct memory_clock *at, void *of,
    const struct field *f, size_t n, const char *name)
{
	for (; n; n--, f++, name += strlen(name) + 1) {
		int64_t value = json_int(j, json_member(j, 0, span_of(name)), 0);

		if (f->kind != FIELD_PLAIN)
			value = (int64_t)loop_of(at, value, f->kind == FIELD_PAST);
		if (value < 0 || (f->most && value > f->most) ||
		    (f->size < 8 && value >> (8 * f->size)))
			value = 0;
		keep((char *)of + f->at, f->size, (uint64_t)value);
	}
}

/* ---- state.json ------------------------------------------------------------------------------ */

bool memory_is_own(struct span begin)
{
	const size_t n = sizeof(MEMORY_BEGINS) - 1;

	return begin.n > n && span_starts(begin, MEMORY_BEGINS) &&
	    (begin.p[n] == ',' || begin.p[n] == '}');
}

void memory_print_head(struct buf *out, const struct memory_head *head)
{
	struct json_writer w;

	json_start(&w, out);
	json_print(&w, "{ seq %llu incidents %llu", (unsigned long long)head->seq,
	    (unsigned long long)head->incident);
	if (head->maintenance)
		json_print(&w, "since %lld until %lld", (long long)head->maintenance_since,
		    (long long)head->maintenance_until);
	json_close(&w, '}');
}

bool memory_is_worth(const struct identity *identity)
{
	return identity->heal || identity->restarts || identity->announced;
}

static void print_heal(struct json_writer *w, const struct policy *p, const struct memory_clock *at,
    const struct identity *identity)
{
	const struct container *c = identity->holder;
	struct heal h = *identity->heal;
	char id[65];

	if (c)
		memcpy(h.of, c->id, 32);
	if (!h.kept) /* else nobody has taken it up yet */
		h.phase = c ? c->state : STATE_WATCHING;
	if (c && c->state == STATE_VERIFYING)
		h.deadline = c->due;
	text_hex(h.of, 32, id);
	json_print(w, "container %s", id);
	print_fields(w, at, &h, heal_fields, COUNT(heal_fields), heal_names);
	if (h.bond)
		json_print(w, "parent %s", h.parent);
	json_print(w, "times [");
	for (size_t i = 0; i < CONFIG_RESTARTS_MAX; i++) {
		uint32_t then = h.restarts[(h.restarts_at + i) % CONFIG_RESTARTS_MAX];

		if (then)
			json_number(w, wall_of(at, p->containers.epoch + (then - 1) * 1000ull));
	}
	json_close(w, ']');
}

void memory_print_identity(struct buf *out, const struct policy *p, const struct memory_clock *at,
    const struct identity *identity, const char *host)
{
	struct json_writer w;

	json_start(&w, out);
	json_print(&w, "{ id %s host %s", identity->name, host);
	print_fields(&w, at, identity, identity_fields, COUNT(identity_fields), identity_names);
	if (!identity->holder && identity->forget_at != UINT64_MAX)
		json_print(&w, "gone %lld", (long long)wall_of(at, identity->forget_at));
	if (identity->heal)
		print_heal(&w, p, at, identity);
	json_close(&w, '}');
}

static void read_heal(struct policy *p, const struct memory_clock *at, const struct json *j,
    struct identity *identity)
{
	int times = json_get(j, 0, "times"), element = -1;
	struct heal *h;

	if (!json_is_array(j, times) || !(h = containers_heal(identity)))
		return;
	read_fields(j, at, h, heal_fields, COUNT(heal_fields), heal_names);
	text_unhex(json_raw(j, json_get(j, 0, "container")), h->of, 32);
	json_text(j, json_get(j, 0, "parent"), h->parent, sizeof(h->parent));
	while (json_next_element(j, times, &element)) {
		uint64_t then = loop_of(at, json_int(j, element, 0), true);

		if (!then)
			continue;
		h->restarts[h->restarts_at] = (uint32_t)((then - p->containers.epoch) / 1000) + 1;
		h->restarts_at = (uint8_t)((h->restarts_at + 1) % CONFIG_RESTARTS_MAX);
	}
}

struct identity *memory_read(struct policy *p, const struct memory_clock *at, const struct json *j,
    struct memory_head *head, char host[MEMORY_HOST_MAX])
{
	char name[WATCH_NAME_MAX];
	struct identity *identity;
	int64_t gone, since = json_int(j, json_get(j, 0, "since"), 0);

	if (!json_text(j, json_get(j, 0, "id"), name, sizeof(name))) {
		head->seq = (uint64_t)json_int(j, json_get(j, 0, "seq"), 0);
		head->incident = (uint64_t)json_int(j, json_get(j, 0, "incidents"), 0);
		head->maintenance = since > 0;
		head->maintenance_since = since;
		head->maintenance_until = json_int(j, json_get(j, 0, "until"), 0);
		return NULL;
	}
	identity = containers_identity(&p->containers, span_of(name), true);
	if (!identity || identity->holder)
		return NULL;
	json_text(j, json_get(j, 0, "host"), host, MEMORY_HOST_MAX);
	read_fields(j, at, identity, identity_fields, COUNT(identity_fields), identity_names);
	gone = json_int(j, json_get(j, 0, "gone"), 0);
	identity->forget_at = gone ? loop_of(at, gone, false) : UINT64_MAX;
	read_heal(p, at, j, identity);
	policy_resume(p, identity, at->now);
	return identity;
}

/* ---- config.json ----------------------------------------------------------------------------- */

void memory_print_choices(struct json_writer *w, const struct containers *t, unsigned choices)
{
	struct identity *identity = NULL;
	size_t bucket = 0;

	json_open(w, '[');
	while ((identity = containers_next_identity(t, &bucket, identity)))
		if (choices >> identity->choice & 1)
			json_cstring(w, identity->name);
	json_close(w, ']');
}

void memory_print_config(
    struct json_writer *w, const struct containers *t, const struct healthchecks *checks)
{
	json_print(w, "containers { selected");
	memory_print_choices(w, t, 1u << CHOICE_PERSON);
	json_key(w, "excluded");
	memory_print_choices(w, t, 1u << CHOICE_EXCLUDED);
	json_close(w, '}');
	if (!checks->first)
		return;
	json_key(w, "custom_health_checks");
	healthchecks_print(w, checks, true);
}

bool memory_read_config(struct containers *t, struct healthchecks *checks, const struct json *j)
{
	const char *member;
	static const char lists[][20] = {"containers.selected", "containers.excluded"};
	struct identity *identity;
	char name[WATCH_NAME_MAX];

	for (int i = 0; i < 2; i++) {
		int list = json_get(j, 0, lists[i]), element = -1;

		while (json_is_array(j, list) && json_next_element(j, list, &element)) {
			if (!json_text(j, element, name, sizeof(name)))
				continue;
			identity = containers_identity(t, span_of(name), true);
			if (!identity)
				return false;
			identity->choice = i ? CHOICE_EXCLUDED : CHOICE_PERSON;
			if (i)
				identity->announced = false;
		}
	}
	healthchecks_read(checks, j, json_get(j, 0, "custom_health_checks"), false, NULL, &member);
	return true;
}

/* ---- events.jsonl ---------------------------------------------------------------------------- */

static uint64_t read_hex(struct span s)
{
	uint64_t value = 0;

	for (size_t i = 0; i < s.n && i < 16; i++) {
		int digit = text_hex_lower(s.p[i]);

		if (digit < 0)
			return 0;
		value = value << 4 | (uint64_t)digit;
	}
	return value;
}

bool memory_read_event(const struct json *j, struct memory_event *out)
{
	static const char names[8][16] = {"status", "container_name", "message", "host",
	    "stable_id", "reason", "action", "health_output"};
	struct audit_event *e = &out->event;
	struct span *const texts[8] = {&e->status, &e->name, &e->message, &e->host, &e->stable_id,
	    &e->reason, &e->action, &e->health_output};
	int64_t seq = json_int(j, json_get(j, 0, "seq"), 0), count;
	int kind = audit_kind_of(json_raw(j, json_get(j, 0, "event_type")));

	if (seq <= 0 || kind < 0)
		return false;
	count = json_int(j, json_get(j, 0, "restart_count"), 0);
	*e = (struct audit_event){.seq = (uint64_t)seq,
	    .kind = (enum audit_kind)kind,
	    .restart_count = (uint32_t)count,
	    .exit_code = (int32_t)json_int(j, json_get(j, 0, "exit_code"), INT32_MIN),
	    .duration_ms = json_int(j, json_get(j, 0, "duration_ms"), -1),
	    .incident = read_hex(json_raw(j, json_get(j, 0, "incident")))};
	if (!text_read_time(json_raw(j, json_get(j, 0, "timestamp")), &e->wall) || e->wall <= 0)
		return false;
	if (text_unhex(json_raw(j, json_get(j, 0, "container_id")), out->id, 32))
		e->id = out->id;
	for (int i = 0; i < 8; i++) {
		size_t n = json_text(
		    j, json_get(j, 0, names[i]), out->texts[i], sizeof(out->texts[i]));

		*texts[i] = (struct span){out->texts[i], n};
	}
	return true;
}

/* ---- incidents.json -------------------------------------------------------------------------- */

/* Of an incident these are constants. */
static const char *known_word(const struct json *j, int token)
{
	static const char words[] =
	    "unhealthy\0crash\0verdict\0probe\0dependent\0stranded\0manual\0event\0audit\0person\0"
	    "restart\0start\0stop\0kill\0notify\0success\0failure\0";
	const char *word = words;

	while (*word && !json_is(j, token, word))
		word += strlen(word) + 1;
	return *word ? word : NULL;
}

static void read_actions(struct incident *i, const struct json *j)
{
	int actions = json_get(j, 0, "actions"), element = -1;
	int64_t left_out = json_int(j, json_get(j, 0, "actions_left_out"), 0);

	while (i->actions < INCIDENT_ACTIONS_MAX && json_next_element(j, actions, &element)) {
		struct incident_action *a = &i->kept[i->actions];

		a->action = known_word(j, json_get(j, element, "action"));
		if (!a->action || !text_read_time(json_raw(j, json_get(j, element, "at")), &a->at))
			continue;
		a->status = known_word(j, json_get(j, element, "status"));
		a->took = json_int(j, json_get(j, element, "duration_ms"), -1);
		json_text(j, json_get(j, element, "error"), a->error, sizeof(a->error));
		i->actions++;
	}
	if (i->actions == INCIDENT_ACTIONS_MAX && left_out > 0 && left_out < INT32_MAX)
		i->actions += (uint32_t)left_out;
}

uint64_t memory_read_incident(struct incidents *t, const struct json *j, const char *host)
{
	struct incident what = {.id = read_hex(json_raw(j, json_get(j, 0, "id"))), .host = host}, *i;
	char name[WATCH_NAME_MAX], stable[WATCH_NAME_MAX];
	int evidence = json_get(j, 0, "evidence");
	struct evidence *e;

	if (!what.id || incidents_find(t, what.id) ||
	    !text_read_time(json_raw(j, json_get(j, 0, "opened")), &what.opened) ||
	    !json_text(j, json_get(j, 0, "stable_id"), stable, sizeof(stable)))
		return 0;
	json_text(j, json_get(j, 0, "container_name"), name, sizeof(name));
	what.cause = known_word(j, json_get(j, 0, "cause"));
	what.detected_by = known_word(j, json_get(j, 0, "detected_by"));
	what.outcome = (uint8_t)incident_outcome_of(j, json_get(j, 0, "outcome"));
	if (text_read_time(json_raw(j, json_get(j, 0, "closed")), &what.closed))
		what.took = what.closed > what.opened ? what.closed - what.opened : 0;
	i = incidents_open(t, &what, span_of(name), span_of(stable));
	if (!i)
		return 0;
	read_actions(i, j);
	e = json_is_object(j, evidence) ? incidents_evidence(t, i) : NULL;
	if (e)
		evidence_recall(e, j, evidence);
	return what.id;
}
