/* notify.c - queues, deliveries and retries of notify.h. */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http.h"
#include "log.h"
#include "resolve.h"

/* What is told, shared by the targets that it is still to go to. */
struct notice {
	unsigned users;
	uint64_t incident;
	bool ends, void_; /* void_: another one goes in its place */
	struct notice_words words;
	size_t json_n;
	char json[];
};

/* One notice on its way to one target. */
struct notify_delivery {
	struct notify_target *target;
	struct resolve resolve;
	unsigned address_at;
	struct call *call;
	char name[RESOLVE_NAME_MAX];
};

enum outcome { GOOD, AGAIN, REFUSED };

/* ---- queues --------------------------------------------------------------------------------- */

static void drop(struct notice *notice)
{
	if (notice && !--notice->users)
		free(notice);
}

static struct notice *pop(struct notify_target *t)
{
	struct notice *notice = t->queue[t->first];

	t->first = (uint8_t)((t->first + 1) % NOTIFY_QUEUE);
	t->waiting--;
	return notice;
}

static void push(struct notify_target *t, struct notice *notice)
{
	char shown[320];

	if (t->waiting == NOTIFY_QUEUE) {
		drop(pop(t));
		t->dropped++;
		notice_show_target(&t->to, shown, sizeof(shown));
		if (!t->flooded)
			log_line(LOG_WARNING, "notify",
			    "More than %d notices wait for %s: the oldest are left out",
			    NOTIFY_QUEUE, shown);
		t->flooded = true;
	}
	notice->users++;
	t->queue[(t->first + t->waiting++) % NOTIFY_QUEUE] = notice;
	if (!t->current && !t->again.place)
		loop_after(t->notify->loop, &t->again, 0);
}

/* Makes a notice of words and event. The caller is its first user. NULL without memory. */
static struct notice *make(const struct notice_words *words, const struct audit_event *e)
{
	struct notice *notice;
	struct buf json;

	buf_init(&json, NOTICE_REQUEST_MAX / 2);
	notice_print(&json, words, e);
	notice = json.failed ? NULL : malloc(sizeof(*notice) + json.n);
	if (notice) {
		*notice = (struct notice){
		    .users = 1, .incident = e->incident, .words = *words, .json_n = json.n};
		memcpy(notice->json, json.p, json.n);
	}
	buf_free(&json);
	return notice;
}

static void push_to_all(struct notify *n, struct notice *notice)
{
	if (!notice)
		return;
	for (size_t i = 0; i < n->count; i++)
		if (n->targets[i] != n->heartbeat)
			push(n->targets[i], notice);
	drop(notice);
}

/* What was taken for the incident's end in this turn is not sent. Whether there was such a one. */
static bool take_back(struct notify *n, uint64_t incident)
{
	bool found = false;

	for (size_t k = 0; k < n->count; k++) {
		const struct notify_target *t = n->targets[k];

		for (unsigned i = 0; i < t->waiting; i++) {
			struct notice *notice = t->queue[(t->first + i) % NOTIFY_QUEUE];

			if (notice->incident != incident || !notice->ends)
				continue;
			found = notice->void_ = true;
		}
	}
	return found;
}

/* ---- one delivery --------------------------------------------------------------------------- */

static void begin_next(void *owner);
static void end_trial(struct notify_target *t, enum outcome outcome, const char *kind);

/* Gives the delivery's memory and its share of the descriptors back; others may wait for that. */
static void let_go(struct notify_target *t)
{
	struct notify *n = t->notify;

	free(t->under_way);
	t->under_way = NULL;
	n->under_way--;
	for (size_t i = 0; i < n->count; i++) {
		struct notify_target *o = n->targets[i];

		if (!o->current && o->waiting && !o->again.place)
			loop_after(n->loop, &o->again, 0);
	}
}

/* When it is tried again, or 0: never. */
static uint64_t next_try(struct notify_target *t, uint32_t retry_after)
{
	uint64_t wait = NOTIFY_BACKOFF_MS << t->tries;

	if (t == t->notify->heartbeat || t->notify->report || ++t->tries == NOTIFY_TRIES)
		return 0;
	if (wait > NOTIFY_BACKOFF_MAX_MS)
		wait = NOTIFY_BACKOFF_MAX_MS;
	if (retry_after > NOTIFY_RETRY_AFTER_MAX)
		retry_after = NOTIFY_RETRY_AFTER_MAX;
	return wait > retry_after * 1000ull ? wait : retry_after * 1000ull;
}

static void tell(struct notify_target *t, enum outcome outcome, uint64_t wait, const char *words)
{
	const char *what = t == t->notify->heartbeat ? "heartbeat" : "notice";
	enum log_level level = t->failing && (wait || t == t->notify->heartbeat) ? LOG_DEBUG
										 : LOG_WARNING;
	char shown[320], then[48] = "";

	notice_show_target(&t->to, shown, sizeof(shown));
	if (t->notify->report) {
		t->notify->report(t->notify->report_owner, shown, outcome == GOOD, words);
		return;
	}
	if (wait)
		text_print(then, sizeof(then), "; it is tried again in %llu s",
		    (unsigned long long)wait / 1000);
	if (outcome == GOOD)
		log_line(t->failing ? LOG_INFO : LOG_DEBUG, "notify", "A %s was taken by %s%s",
		    what, shown, t->failing ? " again" : "");
	else
		log_line(level, "notify", "A %s was %s by %s: %s%s", what,
		    outcome == REFUSED ? "refused" : "not taken", shown, words, then);
}

static void end_trial(struct notify_target *t, enum outcome outcome, const char *kind)
{
	struct notify_trial trial = *t->trial;

	notify_cancel(t->trial);
	trial.done(trial.owner, outcome == GOOD, trial.status, kind);
}

static void ended(struct notify_target *t, enum outcome outcome, uint32_t retry_after, char *words)
{
	uint64_t wait = outcome == AGAIN ? next_try(t, retry_after) : 0;

	let_go(t);
	notice_mask(&t->to, words);
	tell(t, outcome, wait, words);
	t->failing = outcome != GOOD;
	if (wait) {
		loop_after(t->notify->loop, &t->again, wait);
		return;
	}
	t->sent += outcome == GOOD;
	t->failed += outcome != GOOD;
	t->flooded &= outcome != GOOD;
	t->tries = 0;
	drop(t->current);
	t->current = NULL;
	if (t->waiting)
		loop_after(t->notify->loop, &t->again, 0);
}

/* kind: the same without what the other side said. */
static void failed(struct notify_target *t, const char *text, const char *kind)
{
	char words[NOTIFY_WORDS_MAX];

	if (t->trial) {
		end_trial(t, AGAIN, kind);
		return;
	}
	span_copy(span_of(text), words, sizeof(words));
	ended(t, AGAIN, 0, words);
}

static void done(struct call *call);
static const struct call_handler handler = {.done = done};

static void connect_to(struct notify_delivery *d)
{
	struct notify_target *t = d->target;
	struct notify *n = t->notify;
	const struct notice *notice = t->current;
	int error = 0;

	for (; d->address_at < d->resolve.count; d->address_at++) {
		struct call_place place = {.address = d->resolve.addresses[d->address_at],
		    .tls = t->to.tls ? &n->tls : NULL,
		    .name = d->name};
		struct buf request;

		buf_init(&request, NOTICE_REQUEST_MAX);
		if (!n->only_connects)
			notice_request(&t->to, t == n->heartbeat ? NULL : &notice->words,
			    (struct span){notice->json, notice->json_n}, &request);
		d->call = call_send(n->loop, n->workspace, &place, NULL, &request, LOOP_CAN_WAIT,
		    JSON_NONE, NOTIFY_ANSWER_MS, &handler, d, &error);
		if (d->call)
			return;
	}
	failed(t, text_error(-error), "no connection");
}

/* What the server says of a request that it did not take: the beginning, one line of it. */
static void say_answer(const struct call *call, char *out, size_t cap)
{
	const char *words = call->words[0] ? call->words : http_reason(call->status);
	size_t n = 0;

	if (call->status < 400)
		words = "a redirect, which is not followed";
	while (words[n] && words[n] != '\r' && words[n] != '\n')
		n++;
	text_print(out, cap, "%d, %.*s", call->status, (int)n, words);
}

static void done(struct call *call)
{
	struct notify_delivery *d = call->owner;
	struct notify_target *t = d->target;
	char words[NOTIFY_WORDS_MAX];

	d->call = NULL;
	if (call->end == CALL_UNSENT && call->error != EPROTO &&
	    d->address_at + 1 < d->resolve.count) {
		d->address_at++;
		connect_to(d);
		return;
	}
	if (call->end != CALL_ANSWERED) {
		failed(t, call->words,
		    call->end == CALL_UNSENT     ? "no connection"
			: call->end == CALL_LATE ? "no answer in time"
						 : "no whole answer");
		return;
	}
	if (t->trial) {
		t->trial->status = call->status;
		end_trial(t, call_succeeded(call) ? GOOD : REFUSED,
		    call_succeeded(call)     ? NULL
			: call->status < 400 ? "a redirect, which is not followed"
					     : "refused");
		return;
	}
	if (call_succeeded(call) || t->notify->only_connects) {
		text_print(words, sizeof(words), "%d", call->status);
		ended(t, GOOD, 0, words);
		return;
	}
	say_answer(call, words, sizeof(words));
	ended(t, call->status == 408 || call->status == 429 || call->status >= 500 ? AGAIN : REFUSED,
	    call->retry_after, words);
}

static void resolved(void *owner)
{
	struct notify_delivery *d = owner;

	if (d->resolve.count)
		connect_to(d);
	else
		failed(d->target, "its name has no address", "its name has no address");
}

/* There is no share or no memory for it now. A person does not wait for ever. */
static void put_off(struct notify_target *t)
{
	if (t->trial && ++t->tries * NOTIFY_BACKOFF_MS > NOTIFY_ANSWER_MS)
		end_trial(t, AGAIN, "too many notices are on their way");
	else
		loop_after(t->notify->loop, &t->again, NOTIFY_BACKOFF_MS);
}

static void begin(struct notify_target *t)
{
	struct notify_delivery *d = calloc(1, sizeof(*d));
	struct notify *n = t->notify;

	if (!d) {
		put_off(t);
		return;
	}
	d->target = t;
	t->under_way = d;
	n->under_way++;
	span_copy(t->to.server, d->name, sizeof(d->name));
	d->resolve.count = net_literal(&d->resolve.addresses[0], t->to.server, t->to.port);
	if (d->resolve.count)
		connect_to(d);
	else
		resolve_start(&d->resolve, n->loop, d->name, t->to.port, resolved, d);
}

/* The next of the queue, or the current one once more. Where all shares are taken it waits for one (let_go). */
static void begin_next(void *owner)
{
	struct notify_target *t = owner;

	if (t->under_way)
		return;
	if (t->notify->under_way >= t->notify->most) {
		if (t->current) /* a retry, or a trial */
			put_off(t);
		return;
	}
	while (!t->current && t->waiting) {
		t->current = pop(t);
		if (t->current->void_) {
			drop(t->current);
			t->current = NULL;
		}
	}
	if (t->current)
		begin(t);
}

/* ---- what is told ---------------------------------------------------------------------------- */

static bool has_targets(const struct notify *n)
{
	return n->count > (n->heartbeat != NULL);
}

void notify_event(struct notify *n, const struct audit_event *e, bool ends)
{
	struct notice_words words;
	struct notice *notice;
	enum notice_verdict verdict;
	const char *cause;
	unsigned count;

	if (!has_targets(n))
		return;
	if (!n->known)
		n->known = calloc(NOTICE_KNOWN_MAX, sizeof(*n->known));
	if (!n->known)
		return;
	verdict = notice_judge(n->known, n->kinds, e, ends, n->loop->now, &cause, &count);
	if (verdict == NOTICE_NONE || (verdict == NOTICE_REPLACE && !take_back(n, e->incident)))
		return;
	notice_say(&words, e, cause, count);
	notice = make(&words, e);
	if (notice)
		notice->ends = ends;
	push_to_all(n, notice);
}

static void push_without_words(struct notify_target *t)
{
	struct notice *notice = calloc(1, sizeof(*notice));

	if (notice)
		push(t, notice);
}

void notify_beat(struct notify *n)
{
	struct notify_target *t = n->heartbeat;

	if (t && !t->current && !t->waiting)
		push_without_words(t);
}

void notify_check(struct notify *n,
    void (*report)(void *owner, const char *target, bool good, const char *words), void *owner)
{
	n->report = report;
	n->report_owner = owner;
	n->only_connects = true;
	for (size_t i = 0; i < n->count; i++)
		push_without_words(n->targets[i]);
}

static struct notice *make_test(const struct notify *n)
{
	const struct audit_event e = {.kind = AUDIT_CONFIG,
	    .wall = n->loop->wall,
	    .exit_code = INT32_MIN,
	    .duration_ms = -1,
	    .status = span_of("test"),
	    .message = span_of("A test message: notices of autoheal arrive here")};
	struct notice_words words = {.title = "autoheal: test", .good = true};

	span_copy(e.message, words.text, sizeof(words.text));
	return make(&words, &e);
}

void notify_test(struct notify *n,
    void (*report)(void *owner, const char *target, bool good, const char *words), void *owner)
{
	n->report = report;
	n->report_owner = owner;
	push_to_all(n, make_test(n));
}

/* ---- targets ------------------------------------------------------------------------------- */

/* room: bytes behind it that are its own. */
static struct notify_target *new_target(struct notify *n, size_t room)
{
	struct notify_target *t = calloc(1, sizeof(*t) + room);

	if (!t)
		return NULL;
	t->notify = n;
	t->again = (struct loop_timer){.fire = begin_next, .owner = t};
	return t;
}

static void free_target(struct notify_target *t)
{
	if (t->under_way) {
		resolve_cancel(&t->under_way->resolve);
		if (t->under_way->call)
			call_close(t->under_way->call);
		let_go(t);
	}
	loop_cancel(t->notify->loop, &t->again);
	drop(t->current);
	while (t->waiting)
		drop(pop(t));
	free(t);
}

static bool is_same(const struct notice_target *a, const struct notice_target *b)
{
	return a->service == b->service && a->tls == b->tls && a->port == b->port &&
	    span_equal(a->scheme, b->scheme) && span_equal(a->user, b->user) &&
	    span_equal(a->password, b->password) && span_equal(a->host, b->host) &&
	    span_equal(a->path, b->path) && span_equal(a->query, b->query) &&
	    span_equal(a->key, b->key) && span_equal(a->chat, b->chat);
}

/* Those that are read; what was there before under the same address goes on. */
struct reading {
	struct notify_target *targets[NOTIFY_TARGETS_MAX + 1];
	size_t count;
	char *error;
	size_t error_size;
	bool full; /* told already */
};

static int add(struct notify *n, struct reading *r, const struct notice_target *to)
{
	struct notify_target *t = NULL;

	if (r->count == NOTIFY_TARGETS_MAX && to->service != NOTICE_HEARTBEAT) {
		if (!r->full)
			log_line(LOG_WARNING, "notify",
			    "There is no room for more than %d targets of notices: the others are left out",
			    NOTIFY_TARGETS_MAX);
		r->full = true;
		return 0;
	}
	for (size_t i = 0; i < n->count && !t; i++) {
		if (!n->targets[i] || !is_same(&n->targets[i]->to, to))
			continue;
		t = n->targets[i];
		n->targets[i] = NULL;
	}
	t = t ? t : new_target(n, 0);
	if (!t) {
		text_print(r->error, r->error_size, "there is no memory left for targets of notices");
		return -1;
	}
	t->to = *to; /* the texts of one that was there lie elsewhere now */
	r->targets[r->count++] = t;
	return 0;
}

static int wrong(struct reading *r, const char *variable, const char *why)
{
	text_print(r->error, r->error_size,
	    "%s holds a target that cannot be used, but must be of the form %s", variable, why);
	return -1;
}

/* One that the API or AUTOHEAL_NOTIFY names; each chat of a telegram:// URL is a target of its own. */
static int add_service(struct notify *n, struct reading *r, struct span url)
{
	struct notice_target to;
	struct span chats, chat;
	const char *why = notice_read_target(&to, url, NOTICE_GENERIC);

	if (why)
		return wrong(r, "AUTOHEAL_NOTIFY", why);
	chats = to.service == NOTICE_TELEGRAM ? notice_chats(&to) : span_of("-");
	while (span_next(&chats, ',', &chat)) {
		to.chat = chat;
		if (add(n, r, &to))
			return -1;
	}
	return 0;
}

/* One of the variables that hold a single address. */
static int add_address(struct notify *n, struct reading *r, const char *variable, const char *url,
    enum notice_service service)
{
	struct notice_target to;
	const char *why;

	if (!url[0])
		return 0;
	why = notice_read_target(&to, span_trim(span_of(url)), service);
	if (why && service == NOTICE_HEARTBEAT)
		return wrong(r, variable, why);
	if (why) {
		/* it did not end the start with willfarrell's either */
		wrong(r, variable, why);
		if (!n->read)
			log_line(LOG_WARNING, "notify", "%s", r->error);
		return 0;
	}
	to.key = span_of(n->settings->webhook_json_key);
	return add(n, r, &to);
}

/* In the order in which they are shown; the heartbeat last. */
static int read_targets(struct notify *n, struct reading *r)
{
	const struct settings *s = n->settings;
	struct config_services at = {0};
	struct config_service service;

	while (config_next_service(s, &at, &service) &&
	    (!service.variable || !strcmp(service.variable, "AUTOHEAL_NOTIFY")))
		if (service.enabled && add_service(n, r, service.url))
			return -1;
	if (add_address(n, r, "WEBHOOK_URL", s->webhook_url, NOTICE_WEBHOOK) ||
	    add_address(n, r, "APPRISE_URL", s->apprise_url, NOTICE_APPRISE_URL) ||
	    add_address(n, r, "AUTOHEAL_HEARTBEAT_URL", s->heartbeat_url, NOTICE_HEARTBEAT))
		return -1;
	return 0;
}

/* TLS is made ready where a target needs it; the file may also appear later. */
static void set_tls(struct notify *n, bool wanted)
{
	int fd; /* access() is not among the calls that stay allowed */

	if (!wanted || n->tls_ready)
		return;
	n->tls_ready = true;
	tls_load_bundle(&n->tls, n->settings->ca_file);
	fd = open(n->settings->ca_file, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else
		log_line(LOG_WARNING, "notify",
		    "AUTOHEAL_CA_FILE %s cannot be read: %s. Without it no https target is trusted",
		    n->settings->ca_file, text_error(errno));
}

int notify_read(struct notify *n, char *error, size_t error_size)
{
	struct reading r = {.error = error, .error_size = error_size};
	struct notify_target *gone[NOTIFY_TARGETS_MAX + 1];
	struct span unknown;
	size_t before;
	int status;

	if (!notice_read_kinds(span_of(n->settings->notify_events), &n->kinds, &unknown)) {
		text_print(error, error_size,
		    "AUTOHEAL_NOTIFY_EVENTS has '%.*s', which is no kind of event; `all` takes every one",
		    (int)(unknown.n < 64 ? unknown.n : 64), unknown.p);
		return -1;
	}
	status = read_targets(n, &r);
	memcpy(gone, n->targets, sizeof(gone));
	memcpy(n->targets, r.targets, sizeof(gone));
	before = n->count;
	n->count = r.count;
	n->heartbeat = n->count && n->targets[n->count - 1]->to.service == NOTICE_HEARTBEAT
	    ? n->targets[n->count - 1]
	    : NULL;
	for (size_t i = 0; i < n->count; i++)
		set_tls(n, n->targets[i]->to.tls);
	n->read = true;
	for (size_t i = 0; i < before; i++)
		if (gone[i])
			free_target(gone[i]);
	return status;
}

/* ---- one message to one of them ------------------------------------------------------------- */

bool notify_try(struct notify *n, const struct config_service *service, struct notify_trial *trial)
{
	bool plain = service->variable && strcmp(service->variable, "AUTOHEAL_NOTIFY");
	struct notify_target *t = n->under_way < n->most ? new_target(n, service->url.n + 1) : NULL;
	struct span url = {(char *)(t + 1), service->url.n}, chats;

	if (!t)
		return false;
	/* the settings that its texts point into may change meanwhile */
	span_copy(service->url, (char *)(t + 1), url.n + 1);
	t->trial = trial;
	trial->target = t;
	if (!notice_read_target(&t->to, span_trim(url),
		!plain                                          ? NOTICE_GENERIC
		    : !strcmp(service->variable, "APPRISE_URL") ? NOTICE_APPRISE_URL
								: NOTICE_WEBHOOK))
		t->current = make_test(n);
	t->to.key = span_of(n->settings->webhook_json_key);
	chats = notice_chats(&t->to);
	if (t->to.service == NOTICE_TELEGRAM)
		span_next(&chats, ',', &t->to.chat);
	set_tls(n, t->to.tls);
	if (!t->current) {
		notify_cancel(trial);
		return false;
	}
	loop_after(n->loop, &t->again, 0);
	return true;
}

void notify_cancel(struct notify_trial *trial)
{
	if (trial->target)
		free_target(trial->target);
	trial->target = NULL;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

int notify_init(struct notify *n, struct loop *loop, struct call_workspace *workspace,
    const struct settings *s, char *error, size_t error_size)
{
	n->loop = loop;
	n->workspace = workspace;
	n->settings = s;
	n->most = NOTIFY_TARGETS_MAX; /* until the descriptors are shared out */
	return notify_read(n, error, error_size);
}

bool notify_waits(const struct notify *n)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct notify_target *t = n->targets[i];

		if ((t != n->heartbeat || n->only_connects) && !t->failing &&
		    (t->current || t->waiting))
			return true;
	}
	return false;
}

static void tell_unsent(const struct notify_target *t)
{
	unsigned unsent = (t->current ? 1u : 0u) + t->waiting;
	char shown[320];

	if (!unsent || t == t->notify->heartbeat)
		return;
	notice_show_target(&t->to, shown, sizeof(shown));
	log_line(
	    LOG_WARNING, "notify", "%u notices for %s are not sent: autoheal ends", unsent, shown);
}

void notify_close(struct notify *n)
{
	while (n->count) {
		tell_unsent(n->targets[n->count - 1]);
		free_target(n->targets[--n->count]);
	}
	free(n->known);
	tls_unload(&n->tls);
	*n = (struct notify){0};
}
