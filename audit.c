/* audit.c - the ring of audit events of audit.h. A record is a fixed part and behind it the bytes
 * of its texts; records never lie across the end of the ring. */
#include "audit.h"

#include <string.h>

/* Texts in place: a pointer would cost a relocation beside itself. */
static const char kind_names[AUDIT_KINDS][20] = {
    [AUDIT_AUTO_MONITOR] = "auto_monitor",
    [AUDIT_SELECTION] = "selection",
    [AUDIT_RESTART] = "restart",
    [AUDIT_RECOVERED] = "recovered",
    [AUDIT_NOT_RECOVERED] = "not_recovered",
    [AUDIT_QUARANTINE] = "quarantine",
    [AUDIT_UNQUARANTINE] = "unquarantine",
    [AUDIT_AUTO_UNQUARANTINE] = "auto_unquarantine",
    [AUDIT_SKIPPED] = "skipped",
    [AUDIT_DEPENDENT_RESTART] = "dependent_restart",
    [AUDIT_STRANDED] = "stranded",
    [AUDIT_STALE_PROBE] = "stale_probe",
    [AUDIT_HEALTH_CHECK_FAILED] = "health_check_failed",
    [AUDIT_VERDICT] = "verdict",
    [AUDIT_CRASH_LOOP] = "crash_loop",
    [AUDIT_STORM] = "storm",
    [AUDIT_MAINTENANCE] = "maintenance",
    [AUDIT_ENGINE_LOST] = "engine_lost",
    [AUDIT_ENGINE_CONNECTED] = "engine_connected",
    [AUDIT_CONFIG] = "config",
};

enum { TEXTS = 8 };

/* Events come by the thousand: what they have in common is not kept twice. */
struct record {
	uint16_t size; /* of the record, a multiple of 8 */
	uint8_t kind;
	bool has_id : 1;
	bool named_so : 1; /* the stable identity is the name */
	uint16_t text_length[TEXTS];
	uint32_t restart_count;
	int32_t exit_code;
	uint32_t duration_ms; /* one more than the duration; 0 = none */
	uint64_t seq;
	int64_t wall;
	uint64_t incident;
	/* then the id (32 bytes) where there is one, then the texts */
};
_Static_assert(sizeof(struct record) + 32 + TEXTS * AUDIT_TEXT_MAX < UINT16_MAX, "size fits");

/* The texts in the order in which they are kept. */
static void list_texts(const struct audit_event *e, struct span out[TEXTS])
{
	out[0] = e->status;
	out[1] = e->name;
	out[2] = e->message;
	out[3] = e->host;
	out[4] = e->stable_id;
	out[5] = e->reason;
	out[6] = e->action;
	out[7] = e->health_output;
	if (span_equal(e->name, e->stable_id))
		out[4].n = 0;
	for (int i = 0; i < TEXTS; i++)
		if (out[i].n > AUDIT_TEXT_MAX)
			out[i].n = AUDIT_TEXT_MAX;
}

void audit_init(struct audit *a, uint32_t limit, uint64_t first_seq)
{
	a->limit = limit;
	a->next_seq = first_seq;
	a->count = a->head = a->tail = a->wrap = 0;
}

static const struct record *record_at(const struct audit *a, uint32_t offset)
{
	const void *p = a->ring + offset;

	return p;
}

static void drop_oldest(struct audit *a)
{
	a->tail += record_at(a, a->tail)->size;
	if (a->wrap && a->tail >= a->wrap) {
		a->tail = 0;
		a->wrap = 0;
	}
	if (!--a->count)
		a->head = a->tail = a->wrap = 0;
}

/* Makes `size` contiguous bytes at head, dropping the oldest records in the way. */
static void make_room(struct audit *a, uint32_t size)
{
	while (a->count >= a->limit)
		drop_oldest(a);
	if (a->head + size > AUDIT_RING_SIZE) {
		/* What stands between head and the end is the oldest part: it must go before the ring begins anew. */
		while (a->count && a->tail >= a->head && a->wrap)
			drop_oldest(a);
		if (a->count) {
			a->wrap = a->head;
			a->head = 0;
		}
	}
	while (a->count && a->wrap && a->tail < a->head + size)
		drop_oldest(a);
}

static uint32_t kept_duration(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms < UINT32_MAX ? (uint32_t)ms + 1 : UINT32_MAX;
}

uint64_t audit_add(struct audit *a, const struct audit_event *event)
{
	struct record r = {
	    .kind = (uint8_t)event->kind,
	    .has_id = event->id != NULL,
	    .restart_count = event->restart_count,
	    .exit_code = event->exit_code,
	    .seq = a->next_seq,
	    .wall = event->wall,
	    .duration_ms = kept_duration(event->duration_ms),
	    .incident = event->incident,
	    .named_so = span_equal(event->name, event->stable_id),
	};
	struct span texts[TEXTS];
	size_t size = sizeof(r) + (event->id ? 32 : 0);
	char *to;

	list_texts(event, texts);
	for (int i = 0; i < TEXTS; i++) {
		r.text_length[i] = (uint16_t)texts[i].n;
		size += texts[i].n;
	}
	r.size = (uint16_t)((size + 7) & ~(size_t)7);
	make_room(a, r.size);
	to = a->ring + a->head;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	if (event->id) {
		memcpy(to, event->id, 32);
		to += 32;
	}
	for (int i = 0; i < TEXTS; i++) {
		if (texts[i].n)
			memcpy(to, texts[i].p, texts[i].n);
		to += texts[i].n;
	}
	a->head += r.size;
	a->count++;
	return a->next_seq++;
}

uint32_t audit_clear(struct audit *a)
{
	uint32_t count = a->count;

	a->count = a->head = a->tail = a->wrap = 0;
	return count;
}

static void unpack(const struct record *r, struct audit_event *e)
{
	const char *p = (const char *)(r + 1);
	struct span texts[TEXTS];

	*e = (struct audit_event){
	    .seq = r->seq,
	    .wall = r->wall,
	    .kind = (enum audit_kind)r->kind,
	    .id = r->has_id ? (const uint8_t *)p : NULL,
	    .restart_count = r->restart_count,
	    .exit_code = r->exit_code,
	    .duration_ms = (int64_t)r->duration_ms - 1,
	    .incident = r->incident,
	};
	p += r->has_id ? 32 : 0;
	for (int i = 0; i < TEXTS; i++) {
		texts[i] = (struct span){p, r->text_length[i]};
		p += r->text_length[i];
	}
	e->status = texts[0];
	e->name = texts[1];
	e->message = texts[2];
	e->host = texts[3];
	e->stable_id = r->named_so ? e->name : texts[4];
	e->reason = texts[5];
	e->action = texts[6];
	e->health_output = texts[7];
}

static uint32_t behind(const struct audit *a, uint32_t offset)
{
	offset += record_at(a, offset)->size;
	return a->wrap && offset >= a->wrap ? 0 : offset;
}

bool audit_next(const struct audit *a, struct audit_cursor *cursor, struct audit_event *event)
{
	uint64_t oldest;
	const struct record *r;

	if (!a->count || cursor->seq + 1 >= a->next_seq)
		return false;
	oldest = record_at(a, a->tail)->seq;
	if (cursor->seq < oldest) {
		cursor->offset = a->tail;
	} else if (cursor->offset == UINT32_MAX) {
		/* a number without a place (somebody's `since`): look from the oldest on */
		cursor->offset = a->tail;
		while (record_at(a, cursor->offset)->seq <= cursor->seq)
			cursor->offset = behind(a, cursor->offset);
	} else if (a->wrap && cursor->offset >= a->wrap) {
		cursor->offset = 0; /* the ring began anew since */
	}
	r = record_at(a, cursor->offset);
	unpack(r, event);
	cursor->seq = r->seq;
	cursor->offset += r->size; /* may be head now, or wrap: looked at when there is a next */
	return true;
}

bool audit_succeeded(const struct audit_event *event)
{
	return span_is(event->status, "success") || span_is(event->status, "restarted");
}

const char *audit_kind_name(enum audit_kind kind)
{
	return kind_names[kind];
}

int audit_kind_of(struct span name)
{
	for (int i = 0; i < AUDIT_KINDS; i++)
		if (span_is(name, kind_names[i]))
			return i;
	return -1;
}

static void optional(struct json_writer *w, const char *key, struct span value)
{
	if (!value.n)
		return;
	json_key(w, key);
	json_string(w, value);
}

void audit_print(struct json_writer *w, const struct audit_event *e)
{
	char id[65] = "", incident[24];

	if (e->id)
		text_hex(e->id, 32, id);
	json_print(w,
	    "{ timestamp %lli container_id %s container_name %.*s event_type %s restart_count %u "
	    "status %.*s message %.*s seq %llu host %.*s",
	    (long long)e->wall, id, JSON_SPAN(e->name), kind_names[e->kind], e->restart_count,
	    JSON_SPAN(e->status), JSON_SPAN(e->message), (unsigned long long)e->seq,
	    JSON_SPAN(e->host));
	optional(w, "stable_id", e->stable_id);
	optional(w, "reason", e->reason);
	optional(w, "action", e->action);
	if (e->exit_code != INT32_MIN)
		json_print(w, "exit_code %lld", (long long)e->exit_code);
	optional(w, "health_output", e->health_output);
	if (e->duration_ms >= 0)
		json_print(w, "duration_ms %lld", (long long)e->duration_ms);
	if (e->incident) {
		text_print(incident, sizeof(incident), "%llx", (unsigned long long)e->incident);
		json_print(w, "incident %s", incident);
	}
	json_close(w, '}');
}
