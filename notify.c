/* notify.c - queues, deliveries and retries of notify.h. */
#include "notify.h"

#include <errno.h>
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
	for (struct notify_target *t = n->targets; t < n->targets + n->count; t++)
		if (t != n->heartbeat)
			push(t, notice);
	drop(notice);
}

/* What was taken for the incident's end in this turn is not sent. Whether there was such a one. */
static bool take_back(struct notify *n, uint64_t incident)
{
	bool found = false;

	for (struct notify_target *t = n->targets; t < n->targets + n->count; t++) {
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

/* Gives the delivery's memory and its share of the descriptors back; others may wait for that. */
static void let_go(struct notify_target *t)
{
	struct notify *n = t->notify;

	free(t->under_way);
	t->under_way = NULL;
	n->under_way--;
	for (struct notify_target *o = n->targets; o < n->targets + n->count; o++)
		if (!o->current && o->waiting && !o->again.place)
			loop_after(n->loop, &o->again, 0);
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

static void failed(struct notify_target *t, const char *text)
{
	char words[NOTIFY_WORDS_MAX];

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
	failed(t, text_error(-error));
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
		failed(t, call->words);
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
		failed(d->target, "its name has no address");
}

static void begin(struct notify_target *t)
{
	struct notify_delivery *d = calloc(1, sizeof(*d));
	struct notify *n = t->notify;

	if (!d) {
		loop_after(n->loop, &t->again, NOTIFY_BACKOFF_MS);
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
		if (t->current) /* a retry */
			loop_after(t->notify->loop, &t->again, NOTIFY_BACKOFF_MS);
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
	for (struct notify_target *t = n->targets; t < n->targets + n->count; t++)
		push_without_words(t);
}

void notify_test(struct notify *n,
    void (*report)(void *owner, const char *target, bool good, const char *words), void *owner)
{
	const struct audit_event e = {.kind = AUDIT_CONFIG,
	    .wall = n->loop->wall,
	    .exit_code = INT32_MIN,
	    .duration_ms = -1,
	    .status = span_of("test"),
	    .message = span_of("A test message: notices of autoheal arrive here")};
	struct notice_words words = {.title = "autoheal: test", .good = true};

	n->report = report;
	n->report_owner = owner;
	span_copy(e.message, words.text, sizeof(words.text));
	push_to_all(n, make(&words, &e));
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static struct notify_target *add(struct notify *n)
{
	struct notify_target *t;

	if (n->count == NOTIFY_TARGETS_MAX)
		return NULL;
	if (!n->targets)
		n->targets = calloc(NOTIFY_TARGETS_MAX, sizeof(*n->targets));
	if (!n->targets)
		return NULL;
	t = &n->targets[n->count++];
	t->notify = n;
	t->again = (struct loop_timer){.fire = begin_next, .owner = t};
	return t;
}

static int wrong(const char *variable, const char *why, char *error, size_t error_size)
{
	text_print(error, error_size,
	    "%s holds a target that cannot be used, but must be of the form %s", variable, why);
	return -1;
}

static int full(char *error, size_t error_size)
{
	text_print(error, error_size, "there is no room for more than %d targets of notices",
	    NOTIFY_TARGETS_MAX);
	return -1;
}

static int add_targets(struct notify *n, char *error, size_t error_size)
{
	struct span rest = span_of(n->settings->notify), url, chats, chat;
	struct notice_target to;
	struct notify_target *t;
	const char *why;

	while (config_next_target(&rest, &url)) {
		why = notice_read_target(&to, url, NOTICE_GENERIC);
		if (why)
			return wrong("AUTOHEAL_NOTIFY", why, error, error_size);
		chats = to.service == NOTICE_TELEGRAM ? notice_chats(&to) : span_of("-");
		while (span_next(&chats, ',', &chat)) {
			t = add(n);
			if (!t)
				return full(error, error_size);
			t->to = to;
			t->to.chat = chat;
		}
	}
	return 0;
}

/* One of the variables that hold a single address. */
static int add_address(struct notify *n, const char *variable, const char *url,
    enum notice_service service, char *error, size_t error_size)
{
	struct notice_target to;
	struct notify_target *t;
	const char *why;

	if (!url[0])
		return 0;
	why = notice_read_target(&to, span_trim(span_of(url)), service);
	if (why && service == NOTICE_HEARTBEAT)
		return wrong(variable, why, error, error_size);
	if (why) {
		/* it did not end the start with willfarrell's either */
		wrong(variable, why, error, error_size);
		log_line(LOG_WARNING, "notify", "%s", error);
		return 0;
	}
	t = add(n);
	if (!t)
		return full(error, error_size);
	t->to = to;
	t->to.key = span_of(n->settings->webhook_json_key);
	if (service == NOTICE_HEARTBEAT)
		n->heartbeat = t;
	return 0;
}

/* TLS is made ready where a target needs it; the file may also appear later. */
static void set_tls(struct notify *n)
{
	bool tls = false;

	for (size_t i = 0; i < n->count; i++)
		tls |= n->targets[i].to.tls;
	if (!tls)
		return;
	tls_load_bundle(&n->tls, n->settings->ca_file);
	if (access(n->settings->ca_file, R_OK))
		log_line(LOG_WARNING, "notify",
		    "AUTOHEAL_CA_FILE %s cannot be read: %s. Without it no https target is trusted",
		    n->settings->ca_file, text_error(errno));
}

int notify_init(struct notify *n, struct loop *loop, struct call_workspace *workspace,
    const struct settings *s, char *error, size_t error_size)
{
	struct span unknown;

	n->loop = loop;
	n->workspace = workspace;
	n->settings = s;
	n->most = NOTIFY_TARGETS_MAX; /* until the descriptors are shared out */
	if (!notice_read_kinds(span_of(s->notify_events), &n->kinds, &unknown)) {
		text_print(error, error_size,
		    "AUTOHEAL_NOTIFY_EVENTS has '%.*s', which is no kind of event; `all` takes every one",
		    (int)(unknown.n < 64 ? unknown.n : 64), unknown.p);
		return -1;
	}
	if (add_targets(n, error, error_size) ||
	    add_address(n, "WEBHOOK_URL", s->webhook_url, NOTICE_WEBHOOK, error, error_size) ||
	    add_address(n, "APPRISE_URL", s->apprise_url, NOTICE_APPRISE_URL, error, error_size) ||
	    add_address(
		n, "AUTOHEAL_HEARTBEAT_URL", s->heartbeat_url, NOTICE_HEARTBEAT, error, error_size))
		return -1;
	set_tls(n);
	return 0;
}

bool notify_waits(const struct notify *n)
{
	for (const struct notify_target *t = n->targets; t < n->targets + n->count; t++)
		if ((t != n->heartbeat || n->only_connects) && !t->failing &&
		    (t->current || t->waiting))
			return true;
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
	for (struct notify_target *t = n->targets; t < n->targets + n->count; t++) {
		tell_unsent(t);
		if (t->under_way) {
			resolve_cancel(&t->under_way->resolve);
			if (t->under_way->call)
				call_close(t->under_way->call);
			free(t->under_way);
		}
		loop_cancel(n->loop, &t->again);
		drop(t->current);
		while (t->waiting)
			drop(pop(t));
	}
	free(n->targets);
	free(n->known);
	tls_unload(&n->tls);
	*n = (struct notify){0};
}
