/* docker.c - one engine, of docker.h. */
#include "docker.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "watchdog.h"

#define NANO 1000000000ll

/* ---- failing and trying again ------------------------------------------------------------ */

void docker_explain(const struct docker *d, int error, const char *words, char *out, size_t cap)
{
	struct stat st;

	if (d->target.local && (error == EACCES || error == EPERM) && !stat(d->target.place, &st)) {
		text_print(out, cap,
		    "no permission on %s: it belongs to uid %u, gid %u, and autoheal runs as uid %u; give "
		    "it that group (docker run --group-add %u, or --user %u:%u)",
		    d->target.place, st.st_uid, st.st_gid, (unsigned)geteuid(), st.st_gid,
		    (unsigned)geteuid(), st.st_gid);
	} else if (d->target.local && (error == ENOENT || error == ENOTDIR)) {
		text_print(out, cap,
		    "%s does not exist: is the engine running, and is its socket mounted here "
		    "(-v /var/run/docker.sock:/var/run/docker.sock)?",
		    d->target.place);
	} else if (error == ENOKEY) {
		text_print(out, cap, "no certificates for %s: %s", d->target.url, d->error);
	} else if (error == ECONNREFUSED) {
		text_print(out, cap, "nobody answers at %s: is the engine running?", d->target.url);
	} else {
		text_print(out, cap, "cannot connect to %s: %s", d->target.url,
		    words && words[0] ? words : text_error(error));
	}
}

static void try_again(void *owner);
static void begin_list(struct docker *d);

static void end_calls(struct docker *d)
{
	if (d->stream)
		call_close(d->stream);
	if (d->audit)
		call_close(d->audit);
	d->stream = d->audit = NULL;
	call_spare_close(&d->spare);
	loop_cancel(d->loop, &d->spare_timer);
	loop_cancel(d->loop, &d->doubt_timer);
	d->doubt = 0;
	resolve_cancel(&d->resolve);
}

static void set_timer(struct docker *d, uint64_t ms, void (*fire)(void *))
{
	d->timer.fire = fire;
	d->timer.owner = d;
	loop_after(d->loop, &d->timer, ms);
}

/* One try has failed, or what stood has broken: at once, then after 1, 2, 4, 8, 10 s. */
static void down(struct docker *d, const char *why)
{
	static const uint64_t waits[] = {0, 1000, 2000, 4000, 8000, 10000};
	bool steady = d->stream && d->state >= DOCKER_LISTING &&
	    d->loop->now - d->stream_since >= DOCKER_STEADY_MS;

	if (steady)
		d->tries = 0;
	if (d->state < DOCKER_LISTING)
		d->address_at++; /* of several addresses the next one may be better */
	span_copy(span_of(why), d->error, sizeof(d->error));
	end_calls(d);
	d->state = DOCKER_DOWN;
	set_timer(d, waits[d->tries], try_again);
	if (d->tries + 1 < sizeof(waits) / sizeof(waits[0]))
		d->tries++;
	if (d->connected) {
		d->connected = false;
		d->lost_at = d->loop->now;
		d->handler->lost(d->owner, d);
		return;
	}
	if (strcmp(d->error, d->error_told)) {
		span_copy(span_of(d->error), d->error_told, sizeof(d->error_told));
		log_line(LOG_ERROR, "engine",
		    "Engine '%s' cannot be reached (tried again until it answers): %s", d->name,
		    d->error);
	}
	d->handler->away(d->owner, d);
}

/* What a person can do about a version that the engine refuses. */
static const char *remedy_of_version(const struct docker *d)
{
	return d->settings->api_version[0]
	    ? "; unset DOCKER_API_VERSION, so that both sides agree on one"
	    : "";
}

static bool is_about_version(const struct call *call)
{
	return call->status == 400 && span_starts(span_of(call->words), "client version ");
}

/* What a person can do about the engine's words, which Go's server chooses (net/http: a request in plain text). */
static const char *remedy(const struct docker *d, const struct call *call)
{
	if (is_about_version(call))
		return remedy_of_version(d);
	if (!d->target.tls && call->status == 400 &&
	    span_find(span_of(call->words), "HTTP request to an HTTPS server"))
		return " Set DOCKER_TLS_VERIFY=1, with the certificates in DOCKER_CERT_PATH";
	return "";
}

/* The setting of a socket proxy that lets this path through. */
static const char *right_for(const char *what)
{
	struct span path = span_of(what);

	if (span_starts(path, "/version"))
		return "VERSION=1";
	return span_starts(path, "/events") ? "EVENTS=1" : "CONTAINERS=1";
}

/* Why a call that d needs did not succeed, as a sentence. */
static void why_failed(
    const struct docker *d, const struct call *call, const char *what, char *out, size_t cap)
{
	if (call->end == CALL_ANSWERED && call->status == 403)
		text_print(out, cap,
		    "a proxy before the engine forbids GET %s (403, %s): give the proxy %s", what,
		    call->words, right_for(what));
	else if (call->end == CALL_ANSWERED)
		text_print(out, cap, "GET %s was answered with %d: %s%s", what, call->status,
		    call->words, remedy(d, call));
	else if (call->end == CALL_UNSENT && call->error)
		docker_explain(d, call->error, call->words, out, cap);
	else
		text_print(out, cap, "GET %s failed: %s", what, call->words);
}

static void down_by(struct docker *d, const struct call *call, const char *what)
{
	char why[DOCKER_ERROR_MAX];

	why_failed(d, call, what, why, sizeof(why));
	down(d, why);
}

/* A request of its own could not even be begun; error: -errno. */
static void down_unsent(struct docker *d, int error)
{
	char why[DOCKER_ERROR_MAX];

	docker_explain(d, -error, NULL, why, sizeof(why));
	down(d, why);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void spare_again(void *owner);

static void spare_later(struct docker *d, uint64_t ms)
{
	d->spare_timer.fire = spare_again;
	d->spare_timer.owner = d;
	loop_after(d->loop, &d->spare_timer, ms);
}

static void spare_ended(void *owner)
{
	struct docker *d = owner;

	if (d->loop->now - d->spare.since >= DOCKER_SPARE_STEADY_MS)
		spare_later(d, DOCKER_SPARE_AGAIN_MS);
}

/* Without TLS a connection costs less than the care for one that waits. */
static void make_spare(struct docker *d)
{
	if (d->target.tls && d->state == DOCKER_UP && !call_spare_is_open(&d->spare))
		call_spare_open(&d->spare, d->loop, &d->place, spare_ended, d);
}

static void spare_again(void *owner)
{
	make_spare(owner);
}

static struct call *begin(struct docker *d, const char *method, const char *path, const char *body,
    enum json_split_mode mode, uint64_t timeout_ms, const struct call_handler *handler, void *owner,
    int *error)
{
	/* what changes something is what cannot wait for a handshake; what has a body only looks */
	bool urgent = d->target.tls && !strcmp(method, "POST") && !body;
	bool ready = urgent && call_spare_is_open(&d->spare);
	struct call_place place = d->place;
	struct call *call;

	place.body = body;
	call = call_start(d->loop, d->workspace, &place, ready ? &d->spare : NULL, method, path,
	    mode, timeout_ms, handler, owner, error);

	/* also where there was none, because the server had closed it: trouble seldom comes alone */
	if (urgent)
		spare_later(d, DOCKER_SPARE_AGAIN_MS);
	return call;
}

/* Reads the certificates anew; false when they are no good, and why was told. */
static bool load_certificates(struct docker *d)
{
	char folder[TARGET_URL_MAX], why[DOCKER_ERROR_MAX];

	if (!d->target.tls)
		return true;
	target_certificates(&d->target, d->settings->cert_path, folder, sizeof(folder));
	if (!tls_load(&d->tls, folder, d->target.willfarrell_names, d->loop->wall, why, sizeof(why)))
		return true;
	down(d, why);
	return false;
}

void docker_renew_certificates(struct docker *d, const struct call *call)
{
	if (call->end == CALL_UNSENT && call->error == EPROTO && d->state >= DOCKER_LISTING)
		load_certificates(d);
}

bool docker_refused_version(struct docker *d, const struct call *call)
{
	char ours[40], why[DOCKER_ERROR_MAX];

	if (call->end != CALL_ANSWERED || !is_about_version(call))
		return false;
	/* Docker's words, all versions (moby api/server/middleware/version.go); one that refuses a version which
	 * is not ours any more is an answer that comes late */
	text_print(ours, sizeof(ours), "client version %s is too ", d->api);
	if (d->state < DOCKER_LISTING || !span_starts(span_of(call->words), ours))
		return true;
	text_print(why, sizeof(why), "the engine was changed and refuses API version %s (%s)%s",
	    d->api, call->words, remedy_of_version(d));
	down(d, why);
	return true;
}

/* path: without the version's prefix. */
static struct call *request(struct docker *d, const char *method, const char *path,
    const char *body, enum json_split_mode mode, uint64_t timeout_ms,
    const struct call_handler *handler, void *owner, const char **error)
{
	char whole[1024];
	struct call *call;
	int code;

	*error = d->request_error;
	if (!d->api[0]) {
		text_print(d->request_error, sizeof(d->request_error),
		    "the engine is not connected: %.250s", d->error);
		return NULL;
	}
	text_print(whole, sizeof(whole), "/v%s%s", d->api, path);
	call = begin(d, method, whole, body, mode, timeout_ms, handler, owner, &code);
	if (!call)
		docker_explain(d, -code, NULL, d->request_error, sizeof(d->request_error));
	return call;
}

struct call *docker_request(struct docker *d, const char *method, enum json_split_mode mode,
    uint64_t timeout_ms, const struct call_handler *handler, void *owner, const char **error,
    const char *format, ...)
{
	char path[1024];
	va_list args;

	va_start(args, format);
	text_vprint(path, sizeof(path), format, args);
	va_end(args);
	return request(d, method, path, NULL, mode, timeout_ms, handler, owner, error);
}

struct call *docker_post(struct docker *d, const char *path, const char *body,
    enum json_split_mode mode, const struct call_handler *handler, void *owner, const char **error)
{
	return request(d, "POST", path, body, mode, 0, handler, owner, error);
}

struct call *docker_inspect(struct docker *d, const uint8_t id[32],
    const struct call_handler *handler, void *owner, const char **error)
{
	char hex[65];

	text_hex(id, 32, hex);
	return docker_request(d, "GET", JSON_STREAM, d->settings->curl_timeout, handler, owner,
	    error, "/containers/%s/json", hex);
}

/* ---- the version ---------------------------------------------------------------------------- */

/* "1.43" -> 1043, 0 for what is none. */
static unsigned read_version(struct span text)
{
	struct span rest = text, major, minor;
	uint64_t a, b;

	if (!span_next(&rest, '.', &major) || !span_next(&rest, '.', &minor) || rest.n)
		return 0;
	if (!text_number(major, 9, &a) || !text_number(minor, 999, &b))
		return 0;
	return (unsigned)(a * 1000 + b);
}

/* The newest version that both sides know; an engine that has dropped ours gets its own oldest
 * (Docker 29.0 refuses below 1.44, moby#51186). A pinned version is taken as it is. */
static void choose_version(struct docker *d, unsigned newest, unsigned oldest)
{
	unsigned version = newest < DOCKER_API_NEWEST ? newest : DOCKER_API_NEWEST;

	if (version < oldest)
		version = oldest;
	if (d->settings->api_version[0])
		span_copy(span_of(d->settings->api_version), d->api, sizeof(d->api));
	else
		text_print(d->api, sizeof(d->api), "%u.%u", version / 1000 % 10, version % 1000);
}

static void version_value(struct call *call, const struct json *j)
{
	struct docker *d = call->owner;
	char newest[16], oldest[16];
	unsigned top;

	json_text(j, json_get(j, 0, "ApiVersion"), newest, sizeof(newest));
	json_text(j, json_get(j, 0, "MinAPIVersion"), oldest, sizeof(oldest));
	json_text(j, json_get(j, 0, "Version"), d->version, sizeof(d->version));
	d->podman = call->podman;
	top = read_version(span_of(newest));
	d->api[0] = 0;
	if (top)
		choose_version(d, top, read_version(span_of(oldest)));
}

static void open_stream(struct docker *d);

static void learn_clock(struct docker *d, const struct call *call)
{
	if (!call->date)
		return;
	/* The header shows the engine's clock cut to whole seconds. */
	d->clock_offset = d->loop->wall - call->date - 1000;
	d->clock_known = true;
}

/* ---- our own container: known before anything is decided ----------------------------------------- */

static void confirm_value(struct call *call, const struct json *j)
{
	struct docker *d = call->owner;
	struct container_facts facts;

	/* one that is only named like our host is not us: its own hostname must be ours too */
	if (json_is(j, json_get(j, 0, "Config.Hostname"), d->confirm) &&
	    facts_read_inspected(j, call->date, &facts))
		d->handler->confirmed(d->owner, d, j, &facts);
}

static void confirm_done(struct call *call)
{
	struct docker *d = call->owner;

	d->audit = NULL;
	if (call->end != CALL_ANSWERED) {
		down_by(d, call, "/containers/HOSTNAME/json");
		return;
	}
	d->confirm[0] = 0; /* also after a 404: outside of a container there is nothing to find */
	open_stream(d);
}

static const struct call_handler confirm_handler = {.value = confirm_value, .done = confirm_done};

static void confirm_self(struct docker *d)
{
	char path[128];
	int error;

	text_print(path, sizeof(path), "/v%s/containers/%s/json", d->api, d->confirm);
	d->audit = begin(d, "GET", path, NULL, JSON_STREAM, d->settings->curl_timeout,
	    &confirm_handler, d, &error);
	if (d->audit)
		return;
	down_unsent(d, error);
}

static void version_done(struct call *call)
{
	struct docker *d = call->owner;

	d->audit = NULL;
	if (call->end != CALL_ANSWERED || call->status != 200) {
		down_by(d, call, "/version");
		return;
	}
	if (!d->api[0]) {
		down(d, "GET /version brought no API version: this is no Docker engine");
		return;
	}
	learn_clock(d, call);
	if (d->confirm[0])
		confirm_self(d);
	else
		open_stream(d);
}

static const struct call_handler version_handler = {.value = version_value, .done = version_done};

static void ask_version(struct docker *d)
{
	int error = 0;
	bool refused;

	d->state = DOCKER_ASKING;
	d->audit = begin(d, "GET", "/version", NULL, JSON_STREAM, d->settings->curl_timeout,
	    &version_handler, d, &error);
	refused = d->target.local && !d->audit && error == -ECONNREFUSED;
	if (watchdog_blind(&d->refused_since, refused, d->loop->now, getpid() == 1))
		d->handler->blind(d->owner, d);
	if (d->audit)
		return;
	down_unsent(d, error);
}

/* ---- the address ---------------------------------------------------------------------------- */

static void resolved(void *owner)
{
	struct docker *d = owner;
	char why[DOCKER_ERROR_MAX];

	if (!d->resolve.count) {
		text_print(why, sizeof(why), "the name %.200s has no address", d->target.place);
		down(d, why);
		return;
	}
	d->place.address = d->resolve.addresses[d->address_at % d->resolve.count];
	ask_version(d);
}

static void connect_to(struct docker *d)
{
	struct span place = span_of(d->target.place);

	if (!load_certificates(d))
		return;
	if (d->target.local ? net_local(&d->place.address, place)
			    : net_literal(&d->place.address, place, d->target.port)) {
		ask_version(d);
		return;
	}
	d->state = DOCKER_RESOLVING;
	resolve_start(&d->resolve, d->loop, d->target.place, d->target.port, resolved, d);
}

static void try_again(void *owner)
{
	connect_to(owner);
}

/* ---- the event stream ----------------------------------------------------------------------- */

/* Whether this very event was handed out before: `since` is inclusive, and brings the last one again. A time in whole
 * seconds, as of an engine that knows no other, is not enough to know it by. */
static bool seen_before(struct docker *d, const struct engine_event *e)
{
	uint64_t hash = text_hash(
	    (struct span){(const char *)e->id, 32}, (uint64_t)e->time_nano * 31 + e->action);
	bool exact = d->replaying || e->time_nano % NANO;

	for (size_t i = 0; exact && i < DOCKER_SEEN_MAX; i++)
		if (d->seen[i] == hash)
			return true;
	d->seen[d->seen_at] = hash;
	d->seen_at = (d->seen_at + 1) % DOCKER_SEEN_MAX;
	return false;
}

/* Whether the event is told again, from the time before the stream was opened; a long replay may be overtaken by the
 * list. */
static bool is_told_again(const struct docker *d, const struct engine_event *e)
{
	return d->replaying ||
	    (d->loop->now - d->stream_since < DOCKER_REPLAY_MS &&
		e->time_nano / 1000000 <= d->replay_end);
}

uint64_t docker_happened(const struct docker *d, const struct engine_event *e)
{
	/* the offset is that of a header in whole seconds: it may be a second more */
	int64_t age = d->loop->wall - d->clock_offset - 1000 - e->time_nano / 1000000;

	if (!d->clock_known || age <= 0 || (uint64_t)age >= d->loop->now || !is_told_again(d, e))
		return 0;
	return d->loop->now - (uint64_t)age;
}

/* Whether the event speaks of now: not from a replay, and not long in the pipe. */
static bool is_live(const struct docker *d, const struct engine_event *e)
{
	int64_t age = d->loop->wall - d->clock_offset - e->time_nano / 1000000;

	if (d->state != DOCKER_UP || d->podman || d->loop->stalled || is_told_again(d, e))
		return false;
	/* one second is lost in the header that the offset was read from */
	return !d->clock_known || age <= DOCKER_LAG_MS + 1000;
}

static void stream_is_dead(void *owner)
{
	struct docker *d = owner;
	char id[13], why[DOCKER_ERROR_MAX];

	text_hex(d->doubt_id, 6, id);
	text_print(why, sizeof(why),
	    "an audit showed a change of container %s that the event stream did not bring within %d s: "
	    "the stream is dead",
	    id, DOCKER_PROOF_MS / 1000);
	d->audit_repairs++;
	down(d, why);
}

void docker_doubt(struct docker *d, const uint8_t id[32], unsigned events)
{
	/* what the stream brought and could not be read may have been just that */
	if (d->state != DOCKER_UP || d->doubt || d->skipped_told != d->skipped_listed)
		return;
	d->doubt = events;
	memcpy(d->doubt_id, id, sizeof(d->doubt_id));
	d->doubt_timer.fire = stream_is_dead;
	d->doubt_timer.owner = d;
	loop_after(d->loop, &d->doubt_timer, DOCKER_PROOF_MS);
}

static void dispel_doubt(struct docker *d, const struct engine_event *e)
{
	if (!(d->doubt & 1u << e->action) || memcmp(d->doubt_id, e->id, sizeof(d->doubt_id)))
		return;
	d->doubt = 0;
	loop_cancel(d->loop, &d->doubt_timer);
}

static void stream_value(struct call *call, const struct json *j)
{
	struct docker *d = call->owner;
	struct engine_event event;

	d->events++;
	if (!facts_read_event(j, &event) || seen_before(d, &event))
		return;
	if (d->doubt)
		dispel_doubt(d, &event);
	if (event.time_nano > d->last_nano)
		d->last_nano = event.time_nano;
	if (event.action == ENGINE_CREATE)
		d->containers++;
	if (event.action == ENGINE_DESTROY && d->containers)
		d->containers--;
	d->handler->event(d->owner, d, j, &event, is_live(d, &event));
}

static void stream_batch(struct call *call)
{
	struct docker *d = call->owner;

	if (call->split.skipped != d->skipped_told) {
		d->skipped_told = call->split.skipped;
		log_line(LOG_WARNING, "engine",
		    "Engine '%s' sent an event that is larger than %d KiB or malformed; it was skipped, and the next "
		    "audit will show what it was about",
		    d->name, JSON_VALUE_MAX / 1024);
	}
	d->handler->batch(d->owner, d);
}

static void stands(void *owner)
{
	struct docker *d = owner;

	if (d->state != DOCKER_OPENING)
		return;
	if (d->stream->stream.connecting || d->stream->sent < d->stream->out.n) {
		set_timer(d, DOCKER_HEAD_WAIT_MS, stands);
		return;
	}
	d->state = DOCKER_LISTING;
	d->list_again = d->listed_again = false;
	d->stream_since = d->loop->now;
	if (!d->connected) {
		d->connected = true;
		d->error_told[0] = 0;
		d->handler->connected(d->owner, d);
	}
	d->error[0] = 0;
	begin_list(d);
}

static void stream_head(struct call *call)
{
	struct docker *d = call->owner;

	if (call->status != 200)
		return;
	/* Without an event yet, a reconnect goes on from here, by the engine's clock. */
	if (!d->last_nano)
		d->last_nano = (call->date ? call->date : d->loop->wall - 1000) * (NANO / 1000);
	stands(d);
}

static void stream_done(struct call *call)
{
	struct docker *d = call->owner;

	if (call->end == CALL_ANSWERED && call->status == 200)
		down(d, "the event stream was closed by the other side");
	else
		down_by(d, call, "/events");
}

static const struct call_handler stream_handler = {
    .head = stream_head, .value = stream_value, .batch = stream_batch, .done = stream_done};

/* {"type":["container"],"event":["start",…,"health_status"]}, percent-encoded: the engine filters
 * what is not asked for (each probe alone makes three exec events), and matches health_status by
 * prefix. Podman filters by its own words (died, remove), whatever it calls the event on the wire. */
#define FILTERS \
	"%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C" \
	"%22die%22%2C%22died%22%2C%22stop%22%2C%22kill%22%2C%22pause%22%2C%22unpause%22%2C" \
	"%22restart%22%2C%22destroy%22%2C%22remove%22%2C%22rename%22%2C%22health_status%22%5D%7D"

/* The newest event seen is from the engine's future: its clock was set back meanwhile. What it tells again is asked
 * for from the loss on; events that were seen before are known all the same. */
static void follow_clock(struct docker *d)
{
	int64_t now = d->loop->wall - d->clock_offset; /* the engine's, or up to a second more */

	if (d->clock_known && d->last_nano / 1000000 > now)
		d->last_nano = (now - (int64_t)(d->loop->now - d->lost_at) - 2000) * (NANO / 1000);
}

static void open_stream(struct docker *d)
{
	char path[512];
	int n, error;

	n = text_print(path, sizeof(path), "/v%s/events?filters=%s", d->api, FILTERS);
	follow_clock(d);
	d->replaying = d->last_nano > 0;
	d->replay_end = d->replaying && d->clock_known ? d->loop->wall - d->clock_offset : INT64_MIN;
	if (d->replaying)
		text_print(path + n, sizeof(path) - (size_t)n, "&since=%lld.%09lld",
		    (long long)(d->last_nano / NANO), (long long)(d->last_nano % NANO));
	d->state = DOCKER_OPENING;
	d->skipped_told = d->skipped_listed = 0;
	d->stream = begin(d, "GET", path, NULL, JSON_STREAM, 0, &stream_handler, d, &error);
	if (!d->stream) {
		down_unsent(d, error);
		return;
	}
	set_timer(d, DOCKER_HEAD_WAIT_MS, stands);
}

/* ---- the list: first to know what is there, then every interval to audit what the stream said ---- */

static void next_audit(void *owner)
{
	begin_list(owner);
}

static void list_value(struct call *call, const struct json *j)
{
	struct docker *d = call->owner;
	struct container_facts facts;

	if (!facts_read_listed(j, d->podman, &facts))
		return;
	facts.now.asked = call->started;
	d->handler->listed(d->owner, d, j, &facts);
}

static void list_done(struct call *call)
{
	struct docker *d = call->owner;

	d->audit = NULL;
	if (call->end != CALL_ANSWERED || call->status != 200) {
		down_by(d, call, "/containers/json");
		return;
	}
	if (call->split.skipped)
		log_line(LOG_WARNING, "engine",
		    "Engine '%s' lists %llu containers whose entry is larger than %d KiB or malformed; they are not "
		    "watched (too many labels?)",
		    d->name, (unsigned long long)call->split.skipped, JSON_VALUE_MAX / 1024);
	learn_clock(d, call);
	d->replaying = false;
	d->tries = d->loop->now - d->stream_since >= DOCKER_STEADY_MS ? 0 : d->tries;
	d->containers = call->values;
	d->skipped_listed = d->skipped_told;
	d->last_audit = d->loop->wall;
	d->last_audit_now = d->loop->now;
	d->audit_took = d->loop->now - call->started;
	set_timer(d, d->list_again || d->audit_again ? 0 : d->settings->interval, next_audit);
	d->audit_again = false;
	d->handler->list_ended(d->owner, d);
	if (d->list_again) {
		d->list_again = false;
		d->listed_again = true;
		return;
	}
	d->state = DOCKER_UP;
	make_spare(d);
}

static const struct call_handler list_handler = {.value = list_value, .done = list_done};

void docker_list_again(struct docker *d)
{
	d->list_again |= d->state == DOCKER_LISTING && !d->listed_again;
}

void docker_audit(struct docker *d)
{
	d->audit_again = d->audit;
	if (d->state == DOCKER_UP && !d->audit)
		set_timer(d, 0, next_audit);
}

static void begin_list(struct docker *d)
{
	char path[64];
	int error;

	text_print(path, sizeof(path), "/v%s/containers/json?all=1", d->api);
	d->handler->list_begins(d->owner, d);
	loop_cancel(d->loop, &d->timer);
	d->audit = begin(
	    d, "GET", path, NULL, JSON_ARRAY, d->settings->curl_timeout, &list_handler, d, &error);
	if (d->audit)
		return;
	down_unsent(d, error);
}

/* ---- ends ----------------------------------------------------------------------------------- */

/* How long the kernel may take to notice a peer that vanished: within one audit interval, and no more than a
 * patient half a minute. */
static uint64_t patience(const struct docker *d)
{
	uint64_t most = d->settings->interval / 6 * 5;

	return most < DOCKER_PATIENCE_MAX_MS ? most : DOCKER_PATIENCE_MAX_MS;
}

void docker_init(struct docker *d, struct loop *loop, struct call_workspace *workspace,
    const struct settings *settings, const struct target *target,
    const struct docker_handler *handler, void *owner)
{
	d->loop = loop;
	d->workspace = workspace;
	d->settings = settings;
	d->handler = handler;
	d->owner = owner;
	d->state = DOCKER_DOWN;
	d->target = *target;
	d->name = d->target.name;
	if (target->local)
		text_print(d->host, sizeof(d->host), "docker");
	else
		span_copy(span_of(span_find(span_of(d->target.url), "://") + 3), d->host,
		    sizeof(d->host));
	d->place.host = d->host;
	d->place.name = d->target.place;
	d->place.tls = target->tls ? &d->tls : NULL;
	d->place.patience_ms = target->local ? 0 : patience(d);
}

void docker_settings_changed(struct docker *d)
{
	if (!d->target.local)
		d->place.patience_ms = patience(d);
	docker_audit(d);
}

void docker_start(struct docker *d)
{
	connect_to(d);
}

void docker_close(struct docker *d)
{
	end_calls(d);
	loop_cancel(d->loop, &d->timer);
	tls_unload(&d->tls);
}
