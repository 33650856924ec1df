/* monitor_memory.c - what outlives autoheal: when it is written, and how it is read back; of monitor.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "monitor.h"

/* ---- writing --------------------------------------------------------------------------------- */

static struct memory_clock clock_of(const struct monitor *m)
{
	return (struct memory_clock){.now = m->loop->now, .wall = m->loop->wall};
}

static void print_events(const struct monitor *m, struct store_sink *sink)
{
	struct audit_cursor cursor = {.seq = m->memory.seq_saved, .offset = UINT32_MAX};
	struct audit_event e;
	struct json_writer w;

	while (audit_next(&m->audit, &cursor, &e)) {
		json_start(&w, &sink->piece);
		audit_print(&w, &e);
		buf_add_text(&sink->piece, "\n");
		store_flush(sink, false);
	}
}

static void print_state(const struct monitor *m, struct store_sink *sink)
{
	const struct policy *p = &m->policy;
	const struct memory_clock at = clock_of(m);
	const struct memory_head head = {.seq = m->audit.next_seq,
	    .incident = p->incidents,
	    .maintenance = p->maintenance,
	    .maintenance_since = m->maintenance_since,
	    .maintenance_until = m->maintenance_until};
	struct identity *identity = NULL;
	size_t bucket = 0;

	buf_add_text(&sink->piece, MEMORY_STATE_BEGINS "\n");
	memory_print_head(&sink->piece, &head);
	while ((identity = containers_next_identity(&p->containers, &bucket, identity))) {
		if (!memory_is_worth(identity))
			continue;
		buf_add_text(&sink->piece, ",\n");
		memory_print_identity(
		    &sink->piece, p, &at, identity, m->engines[identity->engine].name);
		store_flush(sink, false);
	}
	buf_add_text(&sink->piece, MEMORY_STATE_ENDS);
}

static void print_config(const struct monitor *m, struct buf *out)
{
	struct json_writer w;

	json_start(&w, out);
	json_print(&w, "{ autoheal %u", 1u);
	config_print_changed(&w, &m->config->kept);
	memory_print_config(&w, &m->policy.containers, &m->checks);
	json_close(&w, '}');
	buf_add_text(out, "\n");
}

static void print_incidents(const struct monitor *m, struct store_sink *sink)
{
	struct json_writer w;

	buf_add_text(&sink->piece, MEMORY_INCIDENTS_BEGINS "\n");
	for (size_t i = 0; i < m->incidents.count; i++) {
		buf_add_text(&sink->piece, i ? ",\n" : "");
		json_start(&w, &sink->piece);
		incident_print(&w, m->incidents.list[i], true);
		store_flush(sink, false);
	}
	buf_add_text(&sink->piece, MEMORY_STATE_ENDS);
}

static void print(void *owner, enum store_file file, struct store_sink *sink)
{
	const struct monitor *m = owner;

	if (file == STORE_EVENTS)
		print_events(m, sink);
	else if (file == STORE_INCIDENTS)
		print_incidents(m, sink);
	else if (file == STORE_STATE)
		print_state(m, sink);
	else
		print_config(m, &sink->piece);
}

static void begins(void *owner, unsigned files)
{
	struct monitor *m = owner;

	(void)files;
	m->memory.seq_saving = m->audit.next_seq - 1;
}

static void done(void *owner, uint64_t ticket, const char *problem)
{
	struct monitor *m = owner;

	if (!problem)
		m->memory.seq_saved = m->memory.seq_saving;
	if (m->memory.saved)
		m->memory.saved(m->memory.saved_owner, ticket, problem);
}

static void may_read(void *owner)
{
	struct monitor *m = owner;

	if (m->memory.may_read)
		m->memory.may_read(m->memory.saved_owner);
}

static const struct store_handler handler = {
    .is_own = memory_is_own,
    .events_head = MEMORY_EVENTS_BEGINS,
    .print = print,
    .begins = begins,
    .done = done,
    .may_read = may_read,
};

uint64_t monitor_remember(struct monitor *m, bool pressing)
{
	struct monitor_memory *memory = &m->memory;
	unsigned files = 0;

	if (memory->store.folder < 0)
		return 0;
	if (memory->seq != m->audit.next_seq)
		files |= 1u << STORE_EVENTS;
	if (memory->changes != m->policy.changes)
		files |= 1u << STORE_STATE;
	if (memory->incidents != m->incidents.changes)
		files |= 1u << STORE_INCIDENTS;
	if (memory->chosen)
		files |= 1u << STORE_STATE | 1u << STORE_CONFIG;
	if (memory->cleared)
		files |= 1u << STORE_EVENTS | STORE_CLEAR;
	pressing |= memory->pressing;
	memory->seq = m->audit.next_seq;
	memory->changes = m->policy.changes;
	memory->incidents = m->incidents.changes;
	memory->chosen = memory->cleared = memory->pressing = false;
	return store_want(&memory->store, files, pressing);
}

uint32_t monitor_clear_events(struct monitor *m)
{
	m->memory.cleared = true;
	return audit_clear(&m->audit);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct recall {
	struct monitor *monitor;
	struct memory_head head;
};

/* The engine of this name, or NULL. */
static struct docker *engine_of(struct monitor *m, const char *name)
{
	for (size_t i = 0; i < m->engines_count; i++)
		if (!strcmp(m->engines[i].name, name))
			return &m->engines[i];
	return NULL;
}

static void take_identity(struct recall *r, const struct json *j)
{
	struct monitor *m = r->monitor;
	const struct memory_clock at = clock_of(m);
	char host[MEMORY_HOST_MAX];
	struct identity *identity = memory_read(&m->policy, &at, j, &r->head, host);
	const struct docker *d = identity ? engine_of(m, host) : NULL;

	if (d)
		identity->engine = (uint8_t)d->index;
}

static void take_incident(struct recall *r, const struct json *j)
{
	char host[MEMORY_HOST_MAX];
	const struct docker *d;
	uint64_t id;

	json_text(j, json_get(j, 0, "host"), host, sizeof(host));
	d = engine_of(r->monitor, host);
	if (!d)
		return;
	id = memory_read_incident(&r->monitor->incidents, j, d->name);
	if (id > r->head.incident) /* no number comes twice, be state.json lost */
		r->head.incident = id;
}

/* Takes the array out of the object around it, in pieces; false where the file is damaged. begin: where it stands. */
static bool read_array(struct recall *r, int fd, size_t size, size_t begin,
    void (*take)(struct recall *r, const struct json *j))
{
	const size_t tail = sizeof(MEMORY_STATE_ENDS) - 2;
	struct call_workspace *workspace = r->monitor->workspace;
	struct json_splitter split;
	char *bytes = workspace->bytes;
	bool well = size > begin + tail && size <= STORE_READ_MAX;
	struct span text;
	struct json j;
	size_t wrong;
	int got = 0;

	json_split_init(&split, JSON_ARRAY);
	for (size_t at = begin; well && at < size - tail;) {
		size_t most = size - tail - at;
		ssize_t n = pread(
		    fd, bytes, most < CALL_READ_SIZE ? most : CALL_READ_SIZE, (off_t)at);
		const char *p = bytes;
		size_t left = n > 0 ? (size_t)n : 0;

		at += left;
		well = n > 0;
		while (well && (got = json_split(&split, &p, &left, &text)) > 0) {
			well = json_valid(text, &wrong) &&
			    !json_parse(&j, text, workspace->tokens, JSON_TOKENS_MAX);
			if (well)
				take(r, &j);
		}
		well &= got >= 0;
	}
	well &= json_split_complete(&split) && json_split_is_array(&split);
	json_split_free(&split);
	return well;
}

/* The whole text of a file or its end, at most `most` bytes; NULL where it is too large or cannot be read. */
static char *read_end(int fd, size_t size, size_t most, size_t *n)
{
	char *text;
	ssize_t got;

	*n = size < most ? size : most;
	text = malloc(*n);
	got = text ? pread(fd, text, *n, (off_t)(size - *n)) : -1;
	if (got == (ssize_t)*n)
		return text;
	free(text);
	return NULL;
}

static bool read_config(struct monitor *m, int fd, size_t size)
{
	struct json j = {.count = 0};
	jsmntok_t *tokens = NULL;
	size_t n, wrong;
	int room;
	char *text = size <= STORE_CONFIG_MAX ? read_end(fd, size, size, &n) : NULL;
	bool well = text && json_valid((struct span){text, n}, &wrong);

	if (well) {
		tokens = json_tokens((struct span){text, n}, &room);
		well = tokens && !json_parse(&j, (struct span){text, n}, tokens, room) &&
		    memory_read_config(&m->policy.containers, &m->checks, &j) &&
		    monitor_restore_config(m, &j);
	}
	free(tokens);
	free(text);
	return well;
}

/* A line that is none is passed over: a crash, or the cut, made it so; and one that comes again. */
void monitor_stored_events(struct monitor *m, size_t most,
    void (*take)(void *owner, const struct audit_event *e), void *owner)
{
	struct memory_event *event = malloc(sizeof(*event));
	uint64_t last = 0;
	size_t sizes[2];
	int fds[2];

	/* the newer one first: should it become the older one now, it is read twice, not never */
	for (int file = STORE_EVENTS; file >= STORE_EVENTS_OLD; file--)
		fds[file] = store_open_file(&m->memory.store, (enum store_file)file, &sizes[file]);
	for (int file = STORE_EVENTS_OLD; file <= STORE_EVENTS; file++) {
		size_t n = 0;
		int fd = fds[file];
		char *text = event && fd >= 0 ? read_end(fd, sizes[file], most, &n) : NULL;
		struct span rest = {text, n}, line;
		struct json j;

		while (text && span_next(&rest, '\n', &line)) {
			if (json_parse(&j, line, m->workspace->tokens, JSON_TOKENS_MAX) ||
			    !memory_read_event(&j, event) || event->event.seq <= last)
				continue;
			last = event->event.seq;
			take(owner, &event->event);
		}
		if (fd >= 0)
			close(fd);
		free(text);
	}
	free(event);
}

/* Fills the ring. What is told of a restart after the state was written completes its record. */
static void recall_event(void *owner, const struct audit_event *e)
{
	struct recall *r = owner;
	struct monitor *m = r->monitor;
	const struct identity *identity = containers_identity(
	    &m->policy.containers, e->stable_id, false);

	if (e->seq < m->audit.next_seq)
		return;
	m->audit.next_seq = e->seq;
	audit_add(&m->audit, e);
	if (e->seq < r->head.seq || !e->id || !identity || !identity->heal ||
	    memcmp(identity->heal->of, e->id, 32))
		return;
	if (e->kind == AUDIT_RESTART || e->kind == AUDIT_DEPENDENT_RESTART ||
	    e->kind == AUDIT_STRANDED)
		policy_was_answered(identity->heal, audit_succeeded(e));
}

/* Whether all that lies there is ours, or nothing. */
static bool is_ours(const struct store *s)
{
	bool ours = true;
	size_t size;

	for (int file = 0; file < STORE_FILES; file++) {
		int fd = store_open_file(s, (enum store_file)file, &size);

		ours &= fd != STORE_FOREIGN;
		if (fd >= 0)
			close(fd);
	}
	return ours;
}

int monitor_recall(struct monitor *m)
{
	struct store *s = &m->memory.store;
	struct recall r = {.monitor = m};
	size_t size;
	int fd, error = store_open(s, m->loop, m->settings->data_dir, &handler, m);

	if (error)
		return error == -EWOULDBLOCK ? error : 0;
	if (!is_ours(s)) {
		store_give_up(s);
		return 0;
	}
	m->incidents.stored = true;
	fd = store_open_file(s, STORE_STATE, &size);
	if (fd >= 0 && !read_array(&r, fd, size, sizeof(MEMORY_STATE_BEGINS) - 2, take_identity))
		store_set_aside(s, STORE_STATE);
	if (fd >= 0)
		close(fd);
	fd = store_open_file(s, STORE_INCIDENTS, &size);
	if (fd >= 0 && !read_array(&r, fd, size, sizeof(MEMORY_INCIDENTS_BEGINS) - 2, take_incident))
		store_set_aside(s, STORE_INCIDENTS);
	if (fd >= 0)
		close(fd);
	fd = store_open_file(s, STORE_CONFIG, &size);
	if (fd >= 0 && !read_config(m, fd, size))
		store_set_aside(s, STORE_CONFIG);
	if (fd >= 0)
		close(fd);
	monitor_stored_events(m, MONITOR_TAIL_MAX, recall_event, &r);
	if (r.head.seq < INT64_MAX && r.head.seq > m->audit.next_seq)
		m->audit.next_seq = r.head.seq;
	m->memory.seq = m->audit.next_seq;
	m->memory.seq_saved = m->audit.next_seq - 1;
	if (r.head.incident < INT64_MAX && r.head.incident > m->policy.incidents)
		m->policy.incidents = r.head.incident;
	if (r.head.maintenance)
		monitor_resume_maintenance(m, r.head.maintenance_since, r.head.maintenance_until);
	m->memory.changes = m->policy.changes;
	m->memory.incidents = m->incidents.changes;
	return 0;
}

/* Those that were open when autoheal ended, and that nobody has taken up. */
static void close_left_open(struct monitor *m, const struct docker *d)
{
	for (size_t k = 0; k < m->incidents.count; k++) {
		struct incident *i = m->incidents.list[k];
		const struct identity *identity = containers_identity(
		    &m->policy.containers, span_of(i->stable_id), false);
		const struct heal *h = identity && identity->holder ? identity->heal : NULL;

		if (!i->closed && i->host == d->name && !(h && h->open && h->incident == i->id))
			incident_close(&m->incidents, i, m->loop->wall, 0);
	}
}

void monitor_recalled(struct monitor *m, const struct docker *d)
{
	struct identity *identity = NULL;
	size_t bucket = 0;
	const char *why;

	if (m->memory.engines_listed >> d->index & 1)
		return;
	m->memory.engines_listed |= 1ull << d->index;
	while ((identity = containers_next_identity(&m->policy.containers, &bucket, identity))) {
		if (identity->engine != d->index || identity->holder)
			continue;
		why = identity->heal && identity->heal->kept
		    ? policy_abandon(&m->policy, identity->heal)
		    : NULL;
		if (why)
			monitor_tell_identity(m, identity, AUDIT_SKIPPED, "gone", why);
		if (identity->forget_at == UINT64_MAX)
			identity->forget_at = m->loop->now + CONTAINERS_SELECTION_MS;
		if (!m->sweep.place)
			loop_after(m->loop, &m->sweep, CONTAINERS_SELECTION_MS);
	}
	close_left_open(m, d);
}
